"""`onboard360 sandbox`: the service on this machine, by the sandbox's own command."""

import click

from onboard360_async.sandbox.command import main

__all__ = ["sandbox"]


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(arguments: tuple[str, ...]) -> int:
    """Play 360Onboard on this machine, with its limit and its faults (flags: `onboard360 sandbox --help`)."""
    return main(list(arguments))

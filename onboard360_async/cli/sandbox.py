"""`onboard360 sandbox`: the service on this machine, by the sandbox's own command."""

from typing import TYPE_CHECKING

import click

from onboard360_async.sandbox.command import flags, main, usage

if TYPE_CHECKING:  # for whoever presses TAB alone
    from click.shell_completion import CompletionItem

__all__ = ["sandbox"]


class _Sandbox(click.Command):
    """A command whose flags are read, explained and completed as the sandbox's own parser has them."""

    def get_help(self, ctx: click.Context) -> str:  # noqa: ARG002 - click's
        return usage().rstrip()

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        from click.shell_completion import CompletionItem

        named = [(name, flag.meaning) for flag in flags() for name in flag.names if name.startswith(incomplete)]
        return [CompletionItem(name, help=meaning) for name, meaning in named if incomplete] + super().shell_complete(
            ctx, incomplete
        )


def _values(context: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """What may follow the flag before."""
    from click.shell_completion import CompletionItem

    before = (context.params.get("arguments") or ("",))[-1]
    flag = next((each for each in flags() if before in each.names), None)
    if flag is None:
        return []
    if flag.takes_file:
        return [CompletionItem(incomplete, type="file")]
    return [CompletionItem(choice) for choice in flag.choices if choice.startswith(incomplete)]


@click.command(
    cls=_Sandbox, context_settings={"ignore_unknown_options": True, "help_option_names": []}, add_help_option=False
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, shell_complete=_values)
def sandbox(arguments: tuple[str, ...]) -> int:
    """Play 360Onboard on this machine, with its limit and its faults (flags: `onboard360 sandbox --help`)."""
    return main(list(arguments))

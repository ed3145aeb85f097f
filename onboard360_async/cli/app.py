"""The command's frame: its groups, and how every error becomes one clear line and an exit code.

Knows no call of the API; the commands stand beside it.
"""

import io
import os
import sys

import click

from onboard360_async import errors, settings
from onboard360_async.cli.commands import Commands
from onboard360_async.cli.exits import Exit, exit_code, said
from onboard360_async.cli.screen import on_screen, short

__all__ = ["onboard360", "run"]


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": settings.HELP_COLUMNS}
)
@click.version_option(package_name="onboard360-async", prog_name="onboard360")
def onboard360() -> None:
    """360Onboard from the command line, inside its 100 requests a minute.

    Data goes to stdout, progress and messages to stderr. The API key is read from ONBOARD360_API_KEY or a file.
    No key yet? `onboard360 demo` shows it all, `onboard360 sandbox` plays the service on this machine.
    `onboard360 help` has guides to it.
    """


def run(arguments: list[str] | None = None) -> int:
    """Run one command and give its exit code; a user's mistake never shows a traceback."""
    _prepare_streams()
    if arguments is None and (asked := os.environ.get(settings.COMPLETE_VARIABLE)):
        from onboard360_async.cli.completing import answer  # for a shell alone

        return answer(onboard360, asked)
    words = sys.argv[1:] if arguments is None else arguments
    color = False if os.environ.get("NO_COLOR") else None
    try:
        with onboard360.make_context("onboard360", words, color=color) as context:
            code = onboard360.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`| head`), which is no error; but nothing more may be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except errors.Onboard360Error as error:
        _complain(error)
        return exit_code(error)
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__ != "sqlite3":  # which is imported where needed
            raise
        click.echo(f"Error: {on_screen(_reason(error))}", err=True)
        return Exit.ERROR
    return int(code) if isinstance(code, int) else Exit.DONE


def _prepare_streams() -> None:
    """What a closed stream is told goes nowhere, and a name never fails on a terminal that cannot show it.

    A closed stdin is an empty one.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - for the whole run
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for the whole run
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _reason(error: Exception) -> str:
    """In the system's words, and not its numbers."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    return f"{where}{error.strerror}."


def _complain(error: errors.Onboard360Error) -> None:
    click.echo(f"Error: {on_screen(said(error))}", err=True)
    candidates = getattr(error, "candidates", ())
    for candidate in candidates[: settings.SHOWN_NAMES]:
        click.echo(f"  {on_screen(short(candidate))}", err=True)
    if (more := len(candidates) - settings.SHOWN_NAMES) > 0:
        click.echo(f"  and {more:,} more", err=True)

"""`onboard360 completion`, and what a shell is answered when somebody presses TAB: click's own scripts and protocol.

Knows no command. Nothing is ever said on stderr, which would land in the middle of the line that is being typed.
"""

from typing import TYPE_CHECKING, Final

import click

from onboard360_async import settings
from onboard360_async.cli.exits import Exit

if TYPE_CHECKING:  # for whoever presses TAB alone
    from click.shell_completion import ShellComplete

__all__ = ["answer", "completion"]

_PROGRAM: Final = "onboard360"
_SHELLS: Final = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands, flags, choices and files when you press TAB.

    One line in the file that your shell reads when it begins:

    \b
    bash (4.4 or newer), ~/.bashrc:   eval "$(onboard360 completion bash)"
    zsh, ~/.zshrc, after compinit:    eval "$(onboard360 completion zsh)"
    fish, ~/.config/fish/config.fish: onboard360 completion fish | source
    """  # noqa: D301 - the sign by which click leaves a paragraph's lines as they are
    click.echo(_script(context.find_root().command, shell), nl=False)


def answer(program: click.Command, asked: str) -> int:
    """What a shell asks by the variable: what may stand next (`bash_complete`), or the script (`bash_source`)."""
    shell, _, what = asked.partition("_")
    if shell not in _SHELLS or what not in ("complete", "source"):
        return Exit.ERROR
    try:
        said = _script(program, shell) if what == "source" else _next_words(program, shell)
    except (Exception, KeyboardInterrupt):  # noqa: BLE001 - nobody who presses TAB wants to read why there is nothing
        return Exit.ERROR
    click.echo(said, nl=False)
    return Exit.DONE


def _next_words(program: click.Command, shell: str) -> bytes:
    """What may stand where the cursor is, as the shell's script reads it."""
    completer = _completer(program, shell)
    before, typed = completer.get_completion_args()
    if before[-1:] == ["="]:
        before.pop()  # bash takes `--format=j` for three words, and puts in the last one
    found = completer.get_completions(before, typed)
    flag, sign, _ = typed.partition("=") if typed.startswith("--") else ("", "", "")
    for each in found if sign else ():
        each.value = f"{flag}={each.value}"  # the others take it for one, and put in all of it
    return "\n".join(map(completer.format_completion, found)).encode() + b"\n"


def _completer(program: click.Command, shell: str) -> "ShellComplete":
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - click has these three
    return found(program, {}, _PROGRAM, settings.COMPLETE_VARIABLE)


def _script(program: click.Command, shell: str) -> bytes:
    """The script, in bytes: Windows would end its lines as no shell reads them.

    Filled in here, since click's own way runs a bash first and complains where there is none, or an old one.
    """
    completer = _completer(program, shell)
    text = completer.source_template % completer.source_vars()
    if shell == "fish":
        text = text.replace('(string split "," ', '(string split --max 1 "," ')  # a meaning may hold commas, too
    return text.encode()

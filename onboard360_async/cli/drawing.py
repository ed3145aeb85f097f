"""Markdown as a terminal shows it: in its width, and with colours where it has some. Knows no guide."""

from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Markdown, TableElement
from rich.syntax import Syntax
from rich.theme import Theme

from onboard360_async import settings
from onboard360_async.cli.table import console_on

__all__ = ["drawn"]

_NO_GROUND: Final = {"markdown.code": "bold cyan", "markdown.code_block": "cyan"}  # fits a dark and a light terminal
_CODE: Final = "ansi_dark"  # the terminal's own colours, and no ground either


class _Table(TableElement):
    """A table none of whose cells is cut: it may be a name that is to be typed."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for table in super().__rich_console__(console, options):
            for column in getattr(table, "columns", ()):
                column.overflow = "fold"
            yield table


class _Code(CodeBlock):
    """Code without a margin, since it is copied."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Syntax(str(self.text).rstrip(), self.lexer_name, theme=self.theme, word_wrap=True)


class _Markdown(Markdown):
    elements = {  # noqa: RUF012 - as rich has it
        **Markdown.elements, "code_block": _Code, "fence": _Code, "table_open": _Table
    }  # fmt: skip


def drawn(text: str) -> tuple[str, int]:
    """What is to be written, and the height of the terminal that it is for.

    Links are written out: so they outlive any pager, and none is left in half where colours are taken out.
    """
    console = console_on(theme=Theme(_NO_GROUND))
    console.width = min(console.width, settings.HELP_COLUMNS)
    with console.capture() as captured:
        console.print(_Markdown(text, code_theme=_CODE, hyperlinks=False))
    return captured.get(), console.height

"""Text of other people's on the user's screen: what a list or the service says is shown there, never obeyed.

Knows no command. What is written for programs keeps every character as it is.
"""

import codecs
import json
import re
from collections.abc import Iterable
from typing import Final, TextIO

import click

from onboard360_async import settings

__all__ = ["json_for", "on_screen", "say", "short"]

# Controls (a terminal obeys them), and signs that turn the rest of a line round.
_OBEYED: Final = re.compile("[\0-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def short(text: str) -> str:
    """The beginning of a long text, enough to find it by."""
    return text if len(text) <= settings.SHOWN_CHARS else f"{text[: settings.SHOWN_CHARS]}…"


def on_screen(text: str) -> str:
    r"""One line of text with nothing in it that a terminal does: an escape is seen as `\x1b`, a line's end as `\n`."""
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


def say(lines: Iterable[str]) -> None:
    """To the user, not to the data."""
    for line in lines:
        click.echo(on_screen(line), err=True)


def json_for(out: TextIO, value: object, indent: int | None = None) -> str:
    """JSON text for a stream; where that is no UTF-8, a sign that it lacks would be written as no JSON is."""
    encoding = getattr(out, "encoding", None) or "utf-8"
    return json.dumps(value, ensure_ascii=codecs.lookup(encoding).name != "utf-8", indent=indent)

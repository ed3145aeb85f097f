"""Which parser reads JSON: the standard library's, or orjson where it is installed (the extra `speed`).

Knows no model. Both give the same values and the same refusals: what orjson refuses is read by `json` (which takes
NaN, lone surrogates and a byte order mark), and so is a document with a long row of digits, where orjson would make a
float of an integer without a word.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from onboard360_async import settings

__all__ = ["is_deep", "loads", "loads_again", "loads_quickly"]

_quick: Callable[[bytes | memoryview], object] | None
try:
    import orjson
except ImportError:
    _quick = None
else:
    _quick = orjson.loads

_in_utf_8: Final = json.JSONDecoder().decode  # what `json.loads` comes to, without asking which encoding it is
_LONG: Final = b"0" * 19  # digits: the shortest number that does not always fit into 64 bits
_DIGITS_AS_0: Final = bytes.maketrans(b"0123456789", b"0" * 10)


def loads(body: bytes) -> object:
    """The value of a whole document, as `json.loads` has it. ValueError if it is none.

    RecursionError if it goes deeper than MAX_NESTING: the parsers' own limits differ.
    """
    try:
        if _quick is None:
            value = _in_utf_8(body.decode())
        elif _LONG in body.translate(_DIGITS_AS_0):
            value = json.loads(body)
        else:
            value = _quick(memoryview(body))  # since it takes no class derived from bytes, as ours that are hidden
    except ValueError:
        value = json.loads(body)  # which says what is wrong, or knows another encoding
    if body.count(b"[") + body.count(b"{") > settings.MAX_NESTING and is_deep(value):
        raise RecursionError
    return value


def loads_quickly(part: bytes) -> object:
    """The value of a document in UTF-8; ValueError or RecursionError if it is none, or if the parser is not sure.

    Its numbers may be rounded: `loads_again` tells, and is needed only where there are numbers.
    """
    return json.loads(part.decode()) if _quick is None else _quick(part)


def loads_again(part: bytes) -> Any:
    """What `loads_quickly` has read, to the last digit; None if that was so already."""
    return None if _quick is None or not _has_long_number(part) else json.loads(part.decode())


def _has_long_number(body: bytes) -> bool:
    # Two passes at the speed of C; a regular expression takes ten times as long.
    return _LONG in body.translate(_DIGITS_AS_0)


def is_deep(value: object) -> bool:
    """Whether objects and lists stand in each other deeper than MAX_NESTING."""
    level = [value]
    for _ in range(settings.MAX_NESTING + 1):
        level = [each for each in level if type(each) is dict or type(each) is list]
        if not level:
            return False
        level = [inner for each in level for inner in (each.values() if type(each) is dict else each)]  # type: ignore[attr-defined]  # the line above left dicts and lists
    return True

"""One JSON value as cells: texts stay as they are, numbers as they were written, null is empty.

Knows no file and no field. What is no text, and a key that stands twice, is told and never guessed at.
"""

import json
from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

from onboard360_async.importer.forms.table import Record

__all__ = ["Broken", "decode", "record_of"]

_SHOWN_CHARS: Final = 1_000  # of a value that is no object: enough to find it by


class _Number(str):
    """A number as it was written: a phone loses no digit, and 1.50 stays 1.50."""

    __slots__ = ()


class _Twice(dict[str, object]):
    """An object in which a key stands twice."""

    key = ""


@frozen
class Broken:
    """What stands where a value should be, and why it is none."""

    text: str = field(repr=False)
    reason: str


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names = [name for name, _ in pairs]
    twice = _Twice(found)
    twice.key = next(name for name in names if names.count(name) > 1)
    return twice


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_Number, parse_float=_Number, parse_constant=float
)


def decode(text: str, at: int = 0) -> tuple[object, int]:
    """The value that begins there, and where it ends. JSONDecodeError if there is none, or it breaks off."""
    try:
        return _DECODER.raw_decode(text, at)
    except RecursionError:
        raise json.JSONDecodeError("It is nested too deeply", text, at) from None


def record_of(number: int, value: object, places: Mapping[str, int]) -> Record:
    """A record in the header's order. KeyError if it has a key that `places` has not.

    What is no object stands beyond the header, as text: so it is not lost, and never taken for a row without it.
    """
    cells = [""] * len(places)
    if isinstance(value, Broken):
        return Record(number, [*cells, value.text[:_SHOWN_CHARS]], f"it is no JSON ({value.reason})")
    if not isinstance(value, dict):
        return Record(number, [*cells, _shown(value)[:_SHOWN_CHARS]], f"it must be an object, not {_kind(value)}")
    faults: dict[int, str] = {}
    for key, each in value.items():
        place = places[key]
        if type(each) is str:
            cells[place] = each
        elif isinstance(each, _Number):
            cells[place] = str(each)
        elif each is not None:
            cells[place] = _shown(each)
            faults[place] = f"it must be text, not {_kind(each)}"
    fault = f"the key {value.key!r} stands in it twice" if isinstance(value, _Twice) else ""
    return Record(number, cells, fault, faults) if faults or fault else Record(number, cells)


def _kind(value: object) -> str:
    kinds: Mapping[type, str] = {str: "text", _Number: "a number", bool: "true or false", list: "a list", float: "NaN"}
    return "null" if value is None else kinds.get(type(value), "an object")


def _shown(value: object) -> str:
    """As JSON again, with numbers as they were."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_shown(key)}: {_shown(each)}' for key, each in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)

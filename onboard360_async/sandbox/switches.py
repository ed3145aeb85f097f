"""What the API page leaves open, as named switches with the reading that we take where nobody says otherwise.

Knows no request; `server`, `listings` and `answers` read them. Each is pinned by tests/sandbox/test_switches.py.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypedDict, cast

from attrs import asdict, frozen

__all__ = [
    "LIMIT",
    "PRESETS",
    "PRESET_VERSION",
    "SWITCHES",
    "WINDOW_S",
    "Minute",
    "Preset",
    "Settings",
    "Switch",
    "SwitchOptions",
    "Switches",
    "settle",
    "versioned",
]

LIMIT: Final = 100  # requests per window. Source: API page, "Error Handling"
WINDOW_S: Final = 60.0  # seconds. Source: the same
_MOST_A_PAGE: Final = 1000


class Switch(NamedTuple):
    """What may be chosen, the default first, and what it decides. UNDOCUMENTED: each of them."""

    choices: tuple[str | int | bool, ...]
    meaning: str


SWITCHES: Final[Mapping[str, Switch]] = {
    "paging": Switch(
        ("none", "link", "cursor", "page"),
        "how a listing goes on: not at all, by a Link header, by next_cursor and has_more, by page and total_pages",
    ),
    "page_size": Switch((100,), f"clients on a page, where there are pages, from 1 to {_MOST_A_PAGE}"),
    "order": Switch(("created", "newest", "by-id"), "of a listing: the oldest first, the newest first, or by id"),
    "duplicate_email": Switch(
        ("allowed", "400", "409", "existing"),
        "of an email that the campaign has already: one more client, an error, or 200 with the one that is there",
    ),
    "created_status": Switch((201, 200), "the status of a POST that created a client"),
    "unknown_campaign": Switch(("404", "400"), "the status of a POST to a campaign that is not there"),
    "link_in_listings": Switch((False, True), "whether listings have the link, too"),
    "blanks": Switch(("null", "missing", "empty"), "how a field that a client does not have is answered"),
    "error_body": Switch(
        ("object", "html", "empty"), "what an error's body is: as documented, a proxy's page, or nothing"
    ),
    "extra_fields": Switch((False, True), "whether answers have members that the API page does not name"),
    "retry_after": Switch(("none", "seconds", "date"), "whether and how a 429 says when to come again"),
    "rate_limit": Switch((False, True), "whether answers have the RateLimit and RateLimit-Policy headers"),
}
"""What the API page leaves open, by name."""


class SwitchOptions(TypedDict, total=False):
    """The switches as arguments; see `SWITCHES` for what each decides."""

    paging: Literal["none", "link", "cursor", "page"]
    page_size: int
    order: Literal["created", "newest", "by-id"]
    duplicate_email: Literal["allowed", "400", "409", "existing"]
    created_status: Literal[201, 200]
    unknown_campaign: Literal["404", "400"]
    link_in_listings: bool
    blanks: Literal["null", "missing", "empty"]
    error_body: Literal["object", "html", "empty"]
    extra_fields: bool
    retry_after: Literal["none", "seconds", "date"] | bool
    rate_limit: bool


@frozen(kw_only=True)
class Switches:
    """How every switch stands; the defaults are the preset `documented`."""

    paging: str = "none"
    page_size: int = 100
    order: str = "created"
    duplicate_email: str = "allowed"
    created_status: int = 201
    unknown_campaign: str = "404"
    link_in_listings: bool = False
    blanks: str = "null"
    error_body: str = "object"
    extra_fields: bool = False
    retry_after: str = "none"
    rate_limit: bool = False


@frozen(kw_only=True)
class Minute:
    """How requests are counted."""

    limiter: str = "sliding"
    limit: int = LIMIT
    window_s: float = WINDOW_S
    count_refused: bool = False


class Settings(NamedTuple):
    """All that a preset can say."""

    minute: Minute
    switches: Switches

    def as_json(self) -> dict[str, Any]:
        """As a preset's file has it."""
        return asdict(self.minute) | asdict(self.switches)


# "hostile" is for programs that are to survive every reading.
PRESETS: Final[Mapping[str, Mapping[str, object]]] = {
    "documented": {},
    "hostile": {
        "paging": "cursor",
        "page_size": 2,
        "order": "by-id",
        "duplicate_email": "existing",
        "created_status": 200,
        "unknown_campaign": "400",
        "link_in_listings": True,
        "blanks": "missing",
        "error_body": "html",
        "extra_fields": True,
        "retry_after": "date",
        "rate_limit": True,
        "limiter": "fixed-from-first",
        "count_refused": True,
    },
}
"""Switches together. "hostile" has every reading that is not the first that comes to mind."""
PRESET_VERSION: Final = 1  # of a preset's form: `version` in a file; a later one may mean what this one does not know
_MINUTE: Final = ("limiter", "limit", "window_s", "count_refused")


Preset = str | os.PathLike[str] | Mapping[str, object]


def settle(before: Settings, preset: Preset | None = None, options: Mapping[str, object] | None = None) -> Settings:
    """The settings that a preset (a name of `PRESETS`, a JSON file, what is in one) and options make of those before.

    A preset decides everything anew, then options count. ValueError names what cannot be meant.
    """
    if preset is not None:
        before = Settings(Minute(), Switches())
        told = _preset(preset)
        try:
            before = _changed(before, versioned(told))
        except ValueError as error:
            raise ValueError(f"{_named(preset)}: {error}") from None
    return _changed(before, options or {})


def versioned(told: Mapping[str, object]) -> dict[str, object]:
    """The switches of a preset without its `version`; ValueError if that is one that this sandbox does not know."""
    version = told.get("version", PRESET_VERSION)
    if type(version) is not int or version != PRESET_VERSION:
        raise ValueError(f"version cannot be {version!r}; this sandbox reads {PRESET_VERSION}")
    return {name: value for name, value in told.items() if name != "version"}


def _named(preset: Preset) -> str:
    return "the preset" if isinstance(preset, Mapping) else f"the preset {os.fspath(preset)}"


def _preset(preset: Preset) -> Mapping[str, object]:
    if isinstance(preset, Mapping):
        return preset
    if isinstance(preset, str) and preset in PRESETS:
        return PRESETS[preset]
    name = os.fspath(preset) if isinstance(preset, str | os.PathLike) else ""
    if not name.endswith(".json"):
        raise ValueError(f"there is no preset {preset!r}; choose {' or '.join(PRESETS)}, or a file that ends in .json")
    try:
        found = json.loads(Path(name).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ValueError(f"cannot read the preset {name}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise ValueError(f"the preset {name} is no JSON") from None
    if not isinstance(found, dict):
        raise ValueError(f"the preset {name} must be an object of switches")  # noqa: TRY004 - as all that is told
    return found


def _changed(before: Settings, options: Mapping[str, object]) -> Settings:
    unknown = options.keys() - {*SWITCHES, *_MINUTE}
    if unknown:
        raise ValueError(f"there is no switch {min(unknown)!r}; choose one of: {', '.join((*SWITCHES, *_MINUTE))}")
    minute: dict[str, Any] = {name: options[name] for name in _MINUTE if name in options}
    switches: dict[str, Any] = {name: _chosen(name, options[name]) for name in SWITCHES if name in options}
    for name, kinds in (("limit", (int,)), ("window_s", (int, float)), ("count_refused", (bool,)), ("limiter", (str,))):
        value = minute.get(name)
        is_right = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
        if name in minute and not is_right:
            raise ValueError(f"{name} cannot be {value!r}")
    return Settings(Minute(**asdict(before.minute) | minute), Switches(**asdict(before.switches) | switches))


def _chosen(name: str, value: object) -> str | int | bool:
    """The choice that is meant, in Python's kind or in the words of a command line."""
    if name == "page_size":
        return _page_size(value)
    if name == "retry_after" and isinstance(value, bool):
        return "seconds" if value else "none"
    choices = SWITCHES[name].choices
    for choice in choices:
        if _word(choice) == _word(value):
            return choice
    raise ValueError(f"{name} cannot be {value!r}; choose one of: {', '.join(_words(choices))}")


def _page_size(value: object) -> int:
    try:
        number = int(cast("str", value)) if isinstance(value, int | str) and not isinstance(value, bool) else 0
    except ValueError:
        number = 0
    if not 1 <= number <= _MOST_A_PAGE:
        raise ValueError(f"page_size must be a number from 1 to {_MOST_A_PAGE}, not {value!r}")
    return number


def _word(choice: object) -> str:
    return str(choice).lower() if isinstance(choice, bool | int | str) else ""


def _words(choices: Iterable[object]) -> list[str]:
    return [_word(choice) for choice in choices]

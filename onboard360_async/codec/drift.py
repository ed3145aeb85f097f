"""Drift: what answers hold beyond the API page. It breaks nothing and is kept in `extra`; here it gets its paths.

Knows no connection and nobody who listens. A path shows the names of members, never a value.
"""

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any, Final

from onboard360_async import settings

__all__ = ["Drift", "beyond", "path_of"]

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def path_of(place: str, name: str) -> str:
    """The path of a member; a name that is no plain word may be somebody's (an address), and is not shown."""
    return f"{place}.{name if _PLAIN.fullmatch(name) else '(not shown)'}"


_NOTHING: Final[AbstractSet[str]] = frozenset()


def beyond(models: Any, place: str) -> AbstractSet[str]:
    """The paths of what these models (or this one) hold and the API page does not name."""
    paths = _NOTHING
    for model in models if isinstance(models, list) else (models,):
        if model.extra:
            paths = paths | {path_of(place, name) for name in model.extra}
    return paths


class Drift:
    """What was told already, so that each path is told once, by one handle and its copies."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def news(self, paths: Iterable[str]) -> list[str]:
        """Those of the paths that nobody was told of yet; no more once there are DRIFT_MOST_TOLD."""
        fresh = sorted(set(paths) - self._told)[: settings.DRIFT_MOST_TOLD - len(self._told)]
        self._told.update(fresh)
        return fresh

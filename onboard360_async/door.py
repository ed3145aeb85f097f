"""The door of a package: its public names, each imported when it is first asked for. Knows none of them.

So a part of the package costs only what that part needs. A type checker does not look in here: it reads the imports
that stand beside the table, under TYPE_CHECKING.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy"]


def lazy(face: dict[str, Any], rooms: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for the package whose `globals()` are `face`.

    `rooms` says in which file below it each name stands; a name without one is itself a file.
    """
    package = face["__name__"]

    def get(name: str) -> Any:
        if name not in face["__all__"]:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f"{package}.{rooms.get(name, name)}")
        face[name] = value = getattr(module, name) if name in rooms else module
        return value

    return get, lambda: sorted({*face, *face["__all__"]})

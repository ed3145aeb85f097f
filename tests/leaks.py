"""One scan for all failures: what a message, a repr, a log line or a traceback shows of keys, people and links.

`Watch` collects every error of ours that is made and every line that is logged, by us at DEBUG, while it is on.
"""

import copy
import logging
import pickle
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import onboard360_async
from onboard360_async import errors

__all__ = ["Watch", "found_in", "locals_shown", "shown"]

SECRETS = re.compile(
    r"sk_(?:test|live)_\w+"  # a key
    r"|[\w.+-]*\w@\w[\w-]*\.\w+"  # an address
    r"|/c/[A-Za-z0-9]{6,}"  # a link
    r"|\+\d{7,}"  # a phone
    r"|\b(?:John|Jane|Doe|Lovelace|Acme Corp)\b"  # the people of the tests
)
PACKAGE = str(Path(onboard360_async.__file__).parent)
DOORS = ("api.py", "listing.py", "sync.py", "bridge.py", "checks.py", "transport", "budget")
SPEAKERS = ("onboard360_async", "aiohttp", "asyncio")  # a user's own words are the user's


def found_in(text: str) -> list[str]:
    """The secrets that a text shows."""
    return SECRETS.findall(text)


def shown(error: BaseException) -> str:
    """What is printed of an error by whoever prints it: its words, its repr, and `logging.exception` below it."""
    record = logging.LogRecord("test", logging.ERROR, __file__, 1, "failed", (), (type(error), error, None))
    return f"{error}\n{error!r}\n{logging.Formatter().format(record)}"


def locals_shown(error: BaseException) -> Iterator[str]:
    """What tools print that show the local variables, of each frame that is not the test's own."""
    todo = [error]
    while todo:
        each = todo.pop()
        todo += [more for more in (each.__cause__, None if each.__suppress_context__ else each.__context__) if more]
        for frame, line in traceback.walk_tb(each.__traceback__):
            filename = frame.f_code.co_filename
            if filename.startswith(PACKAGE) or "site-packages" in filename:
                for name, value in frame.f_locals.items():
                    yield f"{filename}:{line} {frame.f_code.co_name} {name} = {repr_of(value)}"


def repr_of(value: object) -> str:
    """As it is shown; on 3.11 what fails here would end the tool, so of ours nothing may."""
    try:
        return repr(value)
    except Exception:
        if type(value).__module__.startswith(onboard360_async.__name__):
            raise
        return "(half made, by another library)"


def comes_by_a_handle(error: BaseException) -> bool:
    """Whether the outermost frame of ours is a handle's: files that are imported or verified are not on the wire."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if name.startswith(PACKAGE):
            return name.removeprefix(PACKAGE).lstrip("/").startswith(DOORS)
    return False


def unlike(error: errors.Onboard360Error) -> list[str]:
    """The fields that a pickled or copied twin has not, or not so."""
    return [
        name
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error))
        for name, value in vars(error).items()
        if type(twin) is not type(error) or vars(twin).get(name) != value
    ]


class Watch(logging.Handler):
    """`with` it: what was made and said meanwhile, and what of it shows somebody, is in `leaks()`."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.errors: list[errors.Onboard360Error] = []
        self.lines: list[str] = []
        self._logger = logging.getLogger("onboard360_async")
        self._level = self._logger.level

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(SPEAKERS):
            self.lines.append(record.getMessage())

    def __enter__(self) -> Self:
        made = self.errors

        def recording(cls: Any, *args: Any, **_: Any) -> Any:
            error = Exception.__new__(cls, *args)
            made.append(error)
            return error

        errors.Onboard360Error.__new__ = recording  # type: ignore[method-assign]  # until the block is left
        self._logger.setLevel(logging.DEBUG)
        logging.getLogger().addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del errors.Onboard360Error.__new__
        self._logger.setLevel(self._level)
        logging.getLogger().removeHandler(self)

    def leaks(self) -> list[str]:
        """What is shown and must not be, each with where; and the fields that an error loses on its way."""
        found = [line for line in self.lines if found_in(line)]
        for error in list(self.errors):
            found += [f"{type(error).__name__}.{name} is lost" for name in unlike(error)]
            found += [f"{type(error).__name__}: {text}" for text in shown(error).splitlines() if found_in(text)]
            if comes_by_a_handle(error):
                found += [text for text in locals_shown(error) if found_in(text)]
        return found

    def forget(self) -> None:
        """What was collected so far, with all that it holds."""
        self.errors.clear()
        self.lines.clear()

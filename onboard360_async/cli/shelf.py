"""Where the journals are: in the folder where one stands, and wherever this command has imported before.

A private file in the user's state directory keeps their paths. Knows no journal from within.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from onboard360_async.budget.file_store import state_file
from onboard360_async.errors import ConfigurationError
from onboard360_async.importer.places import journal_of, journals_in

__all__ = ["journals", "remember"]

_NAME: Final = "imports.jsonl"  # a path a line, as a JSON text: a path may hold anything


def remember(journal: Path | None) -> None:
    """Keep the path of a journal. Whoever has no state directory has only the folder where they stand."""
    if journal is None or (path := journal.absolute()) in _remembered():
        return
    with suppress(ConfigurationError, OSError):
        file = os.open(_shelf(), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, f"{json.dumps(os.fspath(path))}\n".encode())
        finally:
            os.close(file)


def journals(named: Iterable[Path]) -> list[Path]:
    """The journals of these folders, lists or journals; with none named, those of the default place, each once.

    ConfigurationError for a folder that cannot be read.
    """
    paths = list(named)
    found = [each for path in paths for each in (journals_in(path) if path.is_dir() else [journal_of(path)])]
    if not paths:
        found = [*journals_in(Path()), *(path for path in _remembered() if path.exists())]
    return list({path.absolute(): path for path in reversed(found)}.values())[::-1]


def _remembered() -> Iterator[Path]:
    with suppress(ConfigurationError, OSError):
        for line in _shelf().read_text(encoding="utf-8").splitlines():
            with suppress(ValueError, TypeError):  # a line that a full disk cut
                yield Path(json.loads(line))


def _shelf() -> Path:
    return state_file("").with_name(_NAME)

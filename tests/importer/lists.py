"""Lists for tests: written into a folder, and read as an import reads them."""

from pathlib import Path

from onboard360_async.importer.rows import FIELDS, Row
from onboard360_async.importer.source import open_list

__all__ = ["checked_row", "read", "write"]


def read(path: Path, **options: str) -> list[Row]:
    """All rows of a file."""
    return list(open_list(path, **options).rows())  # type: ignore[arg-type]  # `mapping` is nobody's here


def write(folder: Path, text: str | bytes, name: str = "people.csv") -> Path:
    """A file of that text, in UTF-8 if it is none yet."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def checked_row(**values: str) -> Row:
    """A row that would be sent, but for these values."""
    return Row(2, (), dict.fromkeys(FIELDS, "") | {"email": "a@x.de"} | values)

"""The door of all lists: which form a file has, and what holds in any of them."""

from pathlib import Path

import pytest

from onboard360_async import errors
from tests.importer.lists import read


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """No file, a folder."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(errors.ConfigurationError, match="Cannot read"):
            read(path)

"""Where an import's files stand: the journal beside its list, and the results and errors beside both.

Knows the names of files, and of a journal no more than how its file begins.
"""

from pathlib import Path
from typing import Final

from onboard360_async.errors import ConfigurationError
from onboard360_async.importer.tables import APPLICATION_ID
from onboard360_async.sqlite import application_of

__all__ = ["beside_list", "journal_beside", "journal_of", "journals_in", "list_beside"]

_SUFFIX: Final = ".onboard360.db"


def journal_beside(source: Path) -> Path:
    """Where the journal of a list stands; a journal is its own, and so is a folder without a name (`.`, `/`)."""
    is_its_own = source.name.endswith(_SUFFIX) or not source.name
    return source if is_its_own else source.with_name(source.name + _SUFFIX)


def journal_of(file: Path) -> Path:
    """The journal that is meant by a list or by a journal, whatever that is called. Need not be there."""
    beside = journal_beside(file)
    return file if not beside.exists() and _is_journal(file) else beside


def _is_journal(file: Path) -> bool:
    try:
        return application_of(file) == APPLICATION_ID
    except OSError:
        return False


def journals_in(folder: Path) -> list[Path]:
    """The journals of a folder, by name. ConfigurationError if it is none or cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(_SUFFIX) and path.is_file())
    except OSError as error:
        raise ConfigurationError(f"Cannot read the folder {folder}: {error.strerror}.") from None


def list_beside(journal: Path, source: Path) -> Path:
    """The list of a journal, wherever the two were moved together."""
    beside = journal.with_name(journal.name.removesuffix(_SUFFIX))
    return beside if journal.name.endswith(_SUFFIX) else source


def beside_list(source: Path, kind: str) -> Path:
    """`people.results.csv` beside `people.csv`; beside `people.xlsx`, `people.xlsx.results.csv`.

    So two lists of one folder that differ in their suffix alone do not write over each other's results.
    """
    return source.with_name(f"{source.name.removesuffix('.csv')}.{kind}")

"""Where an import's files stand: no list writes over another's results, and a journal is found by either name."""

from pathlib import Path

import pytest

from onboard360_async import errors
from onboard360_async.importer import journal_beside
from onboard360_async.importer.journal import Journal
from onboard360_async.importer.places import beside_list, journal_of, journals_in, list_beside
from onboard360_async.sqlite import open_database


@pytest.mark.parametrize(
    ("name", "results"),
    [
        ("people.csv", "people.results.csv"),
        ("people.xlsx", "people.xlsx.results.csv"),
        ("people.CSV", "people.CSV.results.csv"),
        ("people.errors.csv", "people.errors.results.csv"),
        ("stdin", "stdin.results.csv"),
    ],
)
def test_lists_that_differ_in_their_suffix_have_results_of_their_own(name: str, results: str) -> None:
    """Only .csv gives way: people.csv and people.xlsx may stand in one folder."""
    assert beside_list(Path("folder", name), "results.csv") == Path("folder", results)


def test_a_journal_is_found_by_its_list_or_by_itself(tmp_path: Path) -> None:
    """Beside the list, or under whatever name it was given; another database is not taken for one."""
    people, other, foreign = (tmp_path / name for name in ("people.csv", "other.db", "foreign.db"))
    people.write_text("Email\n")
    assert journal_of(people) == journal_beside(people)
    Journal(other).close()
    open_database(foreign, application_id=1, upgrades=("CREATE TABLE t (x)",)).close()
    assert journal_of(other) == other
    assert journal_of(foreign) == journal_beside(foreign)
    assert journal_of(journal_beside(people)) == journal_beside(people)
    Journal(journal_beside(people)).close()
    assert journals_in(tmp_path) == [journal_beside(people)]


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    """In one clear line."""
    with pytest.raises(errors.ConfigurationError, match="Cannot read the folder"):
        journals_in(tmp_path / "none")


def test_a_list_that_was_moved_with_its_journal_is_beside_it(tmp_path: Path) -> None:
    """A journal of another name stays with the list that it was made for."""
    was = Path("elsewhere", "people.csv")
    assert list_beside(tmp_path / "people.csv.onboard360.db", was) == tmp_path / "people.csv"
    assert list_beside(tmp_path / "other.db", was) == was

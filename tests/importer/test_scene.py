"""The comparison of the books can see: what a test writes into the results as if an import had gone wrong is found."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.importer.scene import CAMPAIGN, Scene, Zygote

Rows = list[dict[str, str]]


def swap(rows: Rows) -> None:
    """Two people have each other's links."""
    rows[0]["link"], rows[2]["link"] = rows[2]["link"], rows[0]["link"]


def forget_link(rows: Rows) -> None:
    """A link that the answer told is gone."""
    rows[0]["link"] = ""


def take_id(rows: Rows) -> None:
    """A row has somebody else's client."""
    rows[0]["client_id"] = rows[1]["client_id"]


def leave_open(rows: Rows) -> None:
    """A row is still under way."""
    rows[0]["status"] = "sending"


def reject(rows: Rows) -> None:
    """A row counts as refused though its client is there."""
    rows[0].update(status="rejected", client_id="", link="")


def leave_out(rows: Rows) -> None:
    """A row is missing."""
    del rows[0]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (swap, ["wrong link: first@x.de", "wrong link: second@x.de"]),
        (forget_link, ["wrong link: first@x.de"]),
        (take_id, ["another's id: first@x.de"]),
        (leave_open, ["sending: first@x.de", "wrong link: first@x.de"]),
        (reject, ["rejected: first@x.de"]),
        (leave_out, ["the rows are not the list's"]),
    ],
)
def test_wrong_results_are_found(
    zygote: Zygote, tmp_path: Path, damage: Callable[[Rows], None], expected: list[str]
) -> None:
    """Links, ids, states and rows are held against the service's books; what an import really wrote fits them."""
    path = tmp_path / "run" / "people.results.csv"
    with Scene(zygote, tmp_path / "run", ()) as scene:
        assert scene.finish() == []
        rows = scene.results()
        damage(rows)
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["campaign_id", "email", "status", "client_id", "link", "error"])
            writer.writeheader()
            writer.writerows(rows)
        assert scene.compared() == expected


def test_the_lost_and_the_doubled_are_found(zygote: Zygote, tmp_path: Path) -> None:
    """Somebody is there twice; and somebody is on the list who is not there."""
    with Scene(zygote, tmp_path / "run", ()) as scene:
        scene.finish()
        scene.sandbox.add_client(CAMPAIGN, "second@x.de")
        scene.add("missing@x.de")
        wrong = scene.compared()
    assert {"created twice: second@x.de", "lost: missing@x.de", "the rows are not the list's"} <= set(wrong)


def test_a_run_that_fails_says_why(zygote: Zygote, tmp_path: Path) -> None:
    """Its traceback stands in the failure of the test."""
    with Scene(zygote, tmp_path / "run", ()) as scene:
        (tmp_path / "run" / "people.csv").write_text("no column of that kind\n1\n")
        with pytest.raises(AssertionError, match="ValidationError"):
            scene.run()

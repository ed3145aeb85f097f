"""The benchmarks of models and of a long listing: each way reads everybody, and every table has its lines."""

import json
import sys

import pytest

from benchmarks import listing, listing_ways, models


def test_models_are_made_each_way_and_beside_each_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """From dicts and from bytes; a peer that is not installed is named as such, and no ratio is made up."""
    monkeypatch.setattr(models, "generated", lambda: None)
    tables = {table.name: table for table in models.tables(["--clients", "20", "--rounds", "1"])}
    assert list(tables) == ["dicts-generated", "dicts-pydantic", "bytes-generated", "bytes-pydantic"]
    for name in ("dicts-generated", "bytes-generated"):
        assert [row.note for row in tables[name].rows if row.name == models.GENERATED] == ["not installed"]
        assert {row.ratio for row in tables[name].rows} == {None}


def test_ours_reads_the_same_clients_with_both_parsers() -> None:
    """Or the benchmark would compare two different things."""
    orjson = pytest.importorskip("orjson")
    body = json.dumps({"clients": [models.client_of(number) for number in range(300)]}).encode()
    assert models.ours(body, None) == models.ours(body, orjson.loads)
    assert len(models.ours(body, None)) == 300


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_long_listing_is_read_by_a_process_of_its_own() -> None:
    """Streamed, gathered, and by the blocking handle; what memory it took is told."""
    ways = ["ours", "list_clients", "for, blocking"]
    took = listing.measured(ways, clients=300, rounds=1)
    assert [taken.clients for taken in took.values()] == [300] * 3
    assert all(taken.cpu_s > 0 for taken in took.values())
    assert took["list_clients"].result_mb > 0
    assert set(ways) < set(listing_ways.WAYS)

"""An inbox's file, found and opened by others than its listener: known at once, never made, never quoted."""

from pathlib import Path

import pytest

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError, InboxError
from onboard360_async.webhooks.factories import client_created
from onboard360_async.webhooks.sqlite_store import SqliteStore, is_inbox, open_inbox
from onboard360_async.webhooks.store import NewEvent, pages
from tests.webhooks.store_suite import add


def test_a_new_inbox_is_known_while_it_is_open(tmp_path: Path) -> None:
    """Not only when it was closed: its first process may be killed, and others look for it meanwhile."""
    store = SqliteStore(tmp_path / "box.db")
    assert is_inbox(tmp_path / "box.db")
    other = open_inbox(tmp_path / "box.db")
    with store.transaction():
        add(store, NewEvent.of(client_created(), "id"))
    assert [len(page) for page in pages(other)] == [1]
    store.close()
    other.close()


@pytest.mark.parametrize("content", [b"", b"email\n", b"SQLite format 3\0" + bytes(100)])
def test_what_is_no_inbox_is_not_opened(tmp_path: Path, content: bytes) -> None:
    """It is left as it is; so is what is not there."""
    path = tmp_path / "file.db"
    with pytest.raises(ConfigurationError, match="No such file"):
        open_inbox(path)
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"file\.db is no inbox"):
        open_inbox(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_pages_hold_all_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, what is asked for alone."""
    monkeypatch.setattr(settings, "INBOX_PAGE", 3)
    store = SqliteStore(tmp_path / "box.db")
    events = [client_created(client_id=str(number), email=f"p{number % 2}@x.de") for number in range(7)]
    with store.transaction():
        for event in events:
            add(store, NewEvent.of(event, "id"))
    assert [[kept.id for kept in page] for page in pages(store)] == [
        [event.id for event in events[start : start + 3]] for start in (0, 3, 6)
    ]
    assert [kept.id for page in pages(store, email_key="p1@x.de") for kept in page] == [
        event.id for event in events[1::2]
    ]
    store.close()


def test_an_id_may_be_cut(tmp_path: Path) -> None:
    """Two at most are told, which is enough to see that one is not meant; half a character begins none."""
    store = SqliteStore(tmp_path / "box.db")
    events = [client_created(client_id=str(number)) for number in range(3)]
    with store.transaction():
        for event in events:
            add(store, NewEvent.of(event, "id"))
        assert store.ids_like("") == sorted(event.id for event in events)[:2]
        assert store.ids_like(events[1].id[:20]) == store.ids_like(events[1].id) == [events[1].id]
        assert store.ids_like("x") == store.ids_like("\ud800") == []
    store.close()


def test_a_text_that_cannot_be_read_is_not_quoted(tmp_path: Path) -> None:
    """Python's own error quotes it, and it may be a person's."""
    store = SqliteStore(tmp_path / "box.db")
    with store.transaction():
        add(store, NewEvent.of(client_created(), "id"))
        store.db.execute("UPDATE events SET name = CAST(x'6a6f686eff' AS TEXT)")
    with pytest.raises(InboxError) as caught, store.transaction():
        store.select(most=1)
    assert str(caught.value) == "The inbox cannot be used: it holds a text that cannot be read."
    store.close()

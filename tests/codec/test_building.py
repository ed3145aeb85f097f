"""The quick way to make clients: the same as cattrs', the same errors, one campaign id in memory."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import fields_dict
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async import settings
from onboard360_async.codec import building
from onboard360_async.codec.structure import add_clients, campaigns_of, client_of, exact
from onboard360_async.errors import DecodeError
from onboard360_async.models import NOTHING_EXTRA, Campaign, Client

CLIENT = {
    "id": "1",
    "campaign_id": "2",
    "first_name": "A",
    "last_name": "B",
    "email": "a@b.c",
    "company_name": "C",
    "phone": "1",
    "created_at": "2024-01-15T09:00:00Z",
}
PATH = "$.clients[0]"
NAMES = sorted(fields_dict(Client))
odd = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.text(max_size=2))
times = st.sampled_from(["2024-01-15T09:00:00Z", "2024-01-15", "20240115T09+02", "0001-01-01T00:00:00+14:00", "", "x"])
changes = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), odd | times, max_size=4)


def quickly(item: Any) -> Client | None:
    clients: list[Client] = []
    try:
        building.build([item], clients, {})
    except Exception:  # noqa: BLE001 - whatever it was, it is none
        return None
    return clients[0]


def exactly(item: Any) -> Client | None:
    try:
        return exact().structure(item, Client)
    except Exception:  # noqa: BLE001 - whatever it was, it is none
        return None


@given(changes, st.sets(st.sampled_from(NAMES), max_size=3))
def test_it_makes_what_cattrs_makes(change: dict[str, Any], left_out: set[str]) -> None:
    """Any object, with fields of a wrong kind, missing, null or unknown: the same client, or none."""
    item = {name: value for name, value in (CLIENT | change).items() if name not in left_out}
    made, meant = quickly(item), exactly(item)
    assert repr(made) == repr(meant)
    for name in NAMES:
        assert repr(getattr(made, name, None)) == repr(getattr(meant, name, None))
    assert (made is None) == (meant is None)


@pytest.mark.parametrize("name", ["first_name", "last_name", "company_name", "phone", "link"])
@pytest.mark.parametrize("beside", [{}, {"phone": None, "last_name": None}, {"first_name": None}, {"more": 1}])
def test_an_optional_field_of_a_wrong_kind_is_refused(name: str, beside: dict[str, Any]) -> None:
    """Whatever the others are: a number is no phone."""
    odd_ones: list[object] = [5, 1.5, True, [], {}]
    for value in odd_ones:
        item = CLIENT | beside | {name: value}
        assert quickly(item) is None
        with pytest.raises(DecodeError, match="expected text") as caught:
            client_of(item, PATH)
        assert caught.value.path == f"{PATH}.{name}"


@pytest.mark.parametrize("item", [None, [], "text", 5, True, [1], {}, "id", ["id"]])
def test_what_is_no_object_is_no_client(item: object) -> None:
    """And the error says what it is."""
    with pytest.raises(DecodeError) as caught:
        client_of(item, PATH)
    assert caught.value.path.startswith(PATH)


def test_what_it_makes_is_a_client_like_any_other() -> None:
    """Frozen, hashable, equal to one that was made by hand, of no other class."""
    client = quickly(CLIENT)
    by_hand = Client("1", "2", "a@b.c", "A", "B", "C", "1", datetime(2024, 1, 15, 9, tzinfo=UTC))
    assert type(client) is Client
    assert (client, hash(client)) == (by_hand, hash(by_hand))
    assert client.extra is NOTHING_EXTRA
    with pytest.raises(FrozenInstanceError):
        client.email = "x"  # type: ignore[misc]  # that it cannot be done is the test
    with pytest.raises(FrozenInstanceError):
        del client.email


def test_every_field_of_a_client_is_filled() -> None:
    """A field that is added to the model is forgotten neither here nor in the open class."""
    client = quickly(CLIENT | {"link": "https://x/c/1", "more": 1})
    assert all(hasattr(client, name) for name in fields_dict(Client))
    alike: list[Client] = []
    building.build_alike([("1", "2", "A", "B", "a@b.c", "C", "1", CLIENT["created_at"], "")], alike, {})
    assert all(hasattr(alike[0], name) for name in fields_dict(Client))
    assert type(alike[0]) is type(client) is Client


def test_the_clients_of_a_listing_share_their_campaigns_id() -> None:
    """A million clients of one campaign hold its id once, and a million campaigns are not held for ever."""
    shared: dict[str, str] = {}
    clients: list[Client] = []
    for _ in range(2):
        add_clients([CLIENT | {"campaign_id": "-".join(("one", "id"))} for _ in range(3)], clients, 0, shared)
    assert len({id(client.campaign_id) for client in clients}) == 1
    mixed: list[Client] = []
    add_clients([CLIENT | {"campaign_id": "-".join((each, "id"))} for each in "abba"], mixed, 0, shared)
    assert [client.campaign_id for client in mixed] == ["a-id", "b-id", "b-id", "a-id"]
    assert len({id(client.campaign_id) for client in mixed}) == 2
    for number in range(10 * settings.SHARED_IDS):
        add_clients([CLIENT | {"campaign_id": f"c{number}"}], [], 0, shared)
        assert len(shared) <= settings.SHARED_IDS + 1


def test_those_before_a_bad_one_are_kept() -> None:
    """The error names its place in the listing, not in the batch."""
    clients: list[Client] = []
    with pytest.raises(DecodeError) as caught:
        add_clients([CLIENT, CLIENT, CLIENT | {"email": 5}, CLIENT], clients, 40, {})
    assert (len(clients), caught.value.path) == (2, "$.clients[42].email")


def test_what_the_quick_way_refuses_the_exact_one_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the quick one too strict, nothing would be lost."""
    build = building.build

    def refusing(items: Any, into: list[Client], shared: dict[str, str]) -> bool:
        for item in items:
            if item["id"] == "odd":
                raise TypeError
            build([item], into, shared)
        return False

    monkeypatch.setattr(building, "build", refusing)
    clients: list[Client] = []
    assert add_clients([CLIENT, CLIENT | {"id": "odd"}, CLIENT], clients, 0, {})  # perhaps with something in extra
    assert [client.id for client in clients] == ["1", "odd", "1"]


@pytest.mark.parametrize("inner", [lambda inner: [inner], lambda inner: {"a": inner}])
def test_an_unknown_field_that_is_nested_too_deeply_is_refused(inner: Any) -> None:
    """At our limit, whatever the parser's is."""
    value: Any = "x"
    for _ in range(settings.MAX_NESTING):
        value = inner(value)
    assert client_of(CLIENT | {"more": value}, PATH).extra == {"more": value}
    with pytest.raises(DecodeError, match="nested too deeply"):
        client_of(CLIENT | {"more": inner(value)}, PATH)


CAMPAIGN = {"id": "1", "name": "Flow", "created_at": "2024-01-15T09:00:00Z", "updated_at": "2024-01-15T09:00:00+02:00"}
OF_CAMPAIGNS = sorted(fields_dict(Campaign))


def campaign_by(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception:  # noqa: BLE001 - whatever it was, it is none
        return None


@given(
    st.dictionaries(st.sampled_from(OF_CAMPAIGNS) | st.text(max_size=3), odd | times, max_size=3),
    st.sets(st.sampled_from(OF_CAMPAIGNS), max_size=2),
)
def test_a_campaign_is_what_cattrs_makes_of_it(change: dict[str, Any], left_out: set[str]) -> None:
    """Any object, with fields of a wrong kind, missing, null or unknown: the same campaign, or none."""
    item = {name: value for name, value in (CAMPAIGN | change).items() if name not in left_out}
    made = campaign_by(lambda: building.build_campaigns([item])[0])
    meant = campaign_by(lambda: exact().structure(item, Campaign))
    for name in OF_CAMPAIGNS:
        assert repr(getattr(made, name, None)) == repr(getattr(meant, name, None))
    assert (made is None) == (meant is None)


@pytest.mark.parametrize("item", [None, [], "text", 5, True, {}, "id", ["id"]])
def test_what_is_no_object_is_no_campaign(item: object) -> None:
    """And the error says where it is, behind others that are."""
    with pytest.raises(DecodeError) as caught:
        campaigns_of([CAMPAIGN, item], "$.campaigns")
    assert caught.value.path.startswith("$.campaigns[1]")


def test_a_campaign_is_whole_and_frozen() -> None:
    """It is of its class, and nothing of it can be changed."""
    (campaign,) = building.build_campaigns([CAMPAIGN])
    assert type(campaign) is Campaign
    assert (campaign, hash(campaign)) == (
        exact().structure(CAMPAIGN, Campaign),
        hash(exact().structure(CAMPAIGN, Campaign)),
    )
    with pytest.raises(FrozenInstanceError):
        campaign.name = "other"  # type: ignore[misc]

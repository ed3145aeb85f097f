"""One request on a wire that misbehaves: what is known is told, and nothing goes past the budget."""

import logging
import pickle

import pytest

from onboard360_async import AsyncOnboard360, Budget, errors
from onboard360_async.budget.ledger import SlotOverError
from onboard360_async.budget.slot import Slot
from tests.transport.raw import RawServer

LISTING = b'{"clients": []}'
CLIENT = b'{"client": {"id": "1", "campaign_id": "c", "email": "a@x.de", "created_at": "2026-01-01T00:00:00Z"}}'


def answer(body: bytes, status: str = "200 OK", length: int | None = None, more: str = "") -> bytes:
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n{more}\r\n"
    return head.encode() + body


@pytest.fixture
def budget() -> Budget:
    """A budget that no test can exhaust, with books of its own."""
    return Budget(limit=1_000, burst=1_000, window_s=1.0)


def handle(server: RawServer, budget: Budget, max_retries: int = 2) -> AsyncOnboard360:
    return AsyncOnboard360("sk_test_1", base_url=server.url, budget=budget, max_retries=max_retries, timeout_s=2.0)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits between attempts."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda *_: 0.0)


@pytest.mark.parametrize(
    "said",
    [None, b"nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200", b"\x00\x01\x02", b"HTTP/9.9 400 Bad\r\n"],
)
async def test_a_reply_that_is_none_leaves_a_post_in_doubt(budget: Budget, said: bytes | None) -> None:
    """Closed, garbage, half a status line: no real answer has a status, so it is never taken for a 400."""
    async with RawServer(said) as server, handle(server, budget) as api:
        with pytest.raises(errors.OutcomeUnknownError) as caught:
            await api.add_client(campaign_id="c", email="john@x.de")
        assert not isinstance(caught.value, errors.ApiError)
        assert len(server.requests) == 1
        assert caught.value.attempts == 1


@pytest.mark.parametrize("body", [CLIENT[:40], b"", b"<html>", b"{}", b'{"client": {"id": null}}'])
async def test_a_2xx_that_cannot_be_read_says_that_the_client_was_created(budget: Budget, body: bytes) -> None:
    """Cut, empty, a web page, another shape: created, id and link unknown; never sent again."""
    cut = answer(body, "201 Created", length=999 if body == CLIENT[:40] else None)
    async with RawServer(cut) as server, handle(server, budget) as api:
        with pytest.raises(errors.OutcomeUnknownError, match="could not be read") as caught:
            await api.add_client(campaign_id="c", email="john@x.de")
    assert (caught.value.created, caught.value.attempts, len(server.requests)) == (True, 1, 1)


async def test_every_request_on_the_wire_took_a_slot(budget: Budget) -> None:
    """A server that closes after each answer without a word: aiohttp's own second sending does not pass the budget."""
    async with RawServer(*[answer(b'{"campaigns": []}')] * 6, closes=True) as server, handle(server, budget) as api:
        for _ in range(6):
            await api.list_campaigns()
        assert len(server.requests) == 6
        assert server.connections <= budget.snapshot().used  # what was written to a closed connection counts as well


async def test_a_get_whose_kept_connection_was_closed_under_it_is_asked_again_once(budget: Budget) -> None:
    """The server closes instead of answering on a kept connection: seen once, asked again, both in the budget."""
    good = answer(b'{"campaigns": []}')
    async with RawServer(good, None, good) as server, handle(server, budget) as api:
        await api.list_campaigns()
        await api.list_campaigns()
        assert len(server.requests) == 3
        state = budget.snapshot()
        assert (state.used, state.in_flight) == (3, 1)  # the one without an answer may still be counted


async def test_a_get_is_given_up_after_its_retries(budget: Budget) -> None:
    """Three answers lost: AnswerLostError with three attempts, and three requests on the wire."""
    async with RawServer(None, None, None, None) as server, handle(server, budget) as api:
        with pytest.raises(errors.AnswerLostError) as caught:
            await api.list_campaigns()
        assert (caught.value.attempts, len(server.requests)) == (3, 3)


async def test_a_listing_cut_in_the_middle_is_not_its_end(budget: Budget) -> None:
    """By its length or by a chunk that never came: AnswerLostError."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n" + LISTING + b"\r\n"
    for said in (answer(LISTING, length=999), chunked):
        async with RawServer(said, closes=True) as server, handle(server, budget, max_retries=0) as api:
            with pytest.raises(errors.AnswerLostError):
                await api.list_clients()


async def test_a_redirect_of_the_service_is_not_followed(budget: Budget) -> None:
    """Not even a 307, which would take the POST and the key along."""
    async with RawServer() as elsewhere:
        moved = answer(b"", "307 Temporary Redirect", more=f"Location: {elsewhere.url}/api/v1/clients\r\n")
        async with RawServer(moved) as server, handle(server, budget) as api:
            with pytest.raises(errors.ApiError, match=elsewhere.url):
                await api.add_client(campaign_id="c", email="john@x.de")
        assert elsewhere.requests == []


async def test_a_503_is_asked_again_after_what_it_says(budget: Budget) -> None:
    """Retry-After of a GET's 503 is kept to, and the last answer counts."""
    busy = answer(b"", "503 Busy", more="Retry-After: 0\r\n")
    async with RawServer(busy, answer(b'{"campaigns": []}')) as server, handle(server, budget) as api:
        assert await api.list_campaigns() == []
        assert len(server.requests) == 2


async def test_a_wait_beyond_the_deadline_is_not_begun(budget: Budget) -> None:
    """If Retry-After ends after the deadline, DeadlineError comes at once and says how long it would have been."""
    busy = answer(b"", "503 Busy", more="Retry-After: 30\r\n")
    async with RawServer(busy) as server, handle(server, budget) as api:
        with pytest.raises(errors.DeadlineError) as caught:
            await api.list_campaigns(deadline_s=5.0)
    assert (caught.value.retry_after_s, caught.value.attempts) == (30.0, 1)


async def test_a_body_beyond_all_bounds_is_refused(budget: Budget, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is read whole only up to a limit."""
    monkeypatch.setattr("onboard360_async.settings.MAX_BODY_BYTES", 1_000)
    async with RawServer(answer(b" " * 2_000)) as server, handle(server, budget) as api:
        with pytest.raises(errors.DecodeError, match="longer than 1000 bytes"):
            await api.list_campaigns()


async def test_an_error_body_that_breaks_off_is_no_error_of_its_own(budget: Budget) -> None:
    """The status decides."""
    async with (
        RawServer(answer(b'{"error": "x', "400 Bad Request", length=999)) as server,
        handle(server, budget) as api,
    ):
        with pytest.raises(errors.BadRequestError):
            await api.add_client(campaign_id="c", email="john@x.de")


async def test_nobody_is_named_by_an_error(budget: Budget, caplog: pytest.LogCaptureFixture) -> None:
    """The server's words may hold an address: it is masked in the message, kept in details, and survives pickling."""
    email = "john@x.de"
    said = answer(b'{"error": "%b is taken", "details": "%b"}' % (email.encode(), email.encode()), "400 Bad Request")
    async with RawServer(said) as server, handle(server, budget) as api:
        with pytest.raises(errors.BadRequestError) as caught:
            await api.add_client(campaign_id="c", email=email)
    logging.getLogger("test").error("failed", exc_info=caught.value)
    assert "<email> is taken" in str(caught.value)
    assert "john" not in f"{caught.value} {caught.value!r} {caplog.text}"
    assert "sk_test_1" not in caplog.text
    assert pickle.loads(pickle.dumps(caught.value)).details == email


async def test_a_slot_that_is_over_sends_nothing(budget: Budget, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process was held up until its slot may be another's: not a byte leaves, and a new slot is taken."""
    sent, over = Slot.sent, [True, False]

    def late(slot: Slot) -> None:
        if over.pop(0):
            raise SlotOverError
        sent(slot)

    monkeypatch.setattr(Slot, "sent", late)
    async with RawServer(answer(CLIENT, "201 Created")) as server, handle(server, budget) as api:
        await api.add_client(campaign_id="c", email="john@x.de")
        assert len(server.requests) == 1
    over[:] = [True]
    async with RawServer(answer(CLIENT, "201 Created")) as server, handle(server, budget, max_retries=0) as api:
        with pytest.raises(errors.NotSentError, match="held up until its slot"):
            await api.add_client(campaign_id="c", email="john@x.de")
        assert len(server.requests) == 0


@pytest.mark.parametrize(
    ("more", "effective", "paused_s"),
    [
        ("", 1000, 0.0),
        ("X-RateLimit-Limit: 40\r\nX-RateLimit-Remaining: 39\r\nX-RateLimit-Reset: 9\r\n", 40, 0.0),
        ("RateLimit-Limit: 5000\r\nRateLimit-Remaining: 0\r\nRateLimit-Reset: 50\r\n", 1000, 61 / 60),
        ('RateLimit: "default";r=0;t=1\r\nRateLimit-Policy: "default";q=50;w=60\r\n', 50, 1.0),
    ],
)
async def test_headers_may_lower_the_limit(budget: Budget, more: str, effective: int, paused_s: float) -> None:
    """They never raise it, and never pause for more than a window."""
    async with RawServer(answer(LISTING, more=more)) as server, handle(server, budget) as api:
        await api.list_clients()
    state = budget.snapshot()
    assert state.effective_limit == effective
    assert state.paused_s == pytest.approx(paused_s, abs=0.2)


async def test_a_429_with_a_date_pauses_by_the_servers_own_clock(budget: Budget) -> None:
    """However wrong ours is; and no longer than a window."""
    dates = "Date: Tue, 24 Nov 2015 12:00:05 GMT\r\nRetry-After: Tue, 24 Nov 2015 12:00:06 GMT\r\n"
    refusal = answer(b"{}", "429 Too Many Requests", more=dates)
    async with RawServer(refusal) as server, handle(server, budget, max_retries=0) as api:
        with pytest.raises(errors.RateLimitError) as caught:
            await api.list_clients()
    assert caught.value.retry_after_s == 1.0
    assert 0.5 < budget.snapshot().paused_s <= 1.0

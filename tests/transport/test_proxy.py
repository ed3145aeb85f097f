"""Proxies of the environment: a tunnel for https, no way at all for plain http, and the key is never theirs."""

import asyncio
import base64
import contextlib
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from yarl import URL

from onboard360_async import AsyncOnboard360, Budget, errors
from onboard360_async.transport import proxy
from onboard360_async.transport.proxy import proxy_for
from tests.listening import Listening
from tests.transport.raw import RawServer
from tests.transport.test_wire import said


class Tunnel(Listening):
    """A proxy: notes what it is told, and leads whatever it is asked for to `target`."""

    def __init__(self, target: Listening, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        super().__init__()
        self.target, self.answer = target, answer
        self.heads: list[bytes] = []
        self.passed = bytearray()  # what came from us and was led on
        self.cut_at = 1 << 30  # bytes from us after which it hangs up

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            there = await asyncio.open_connection("127.0.0.1", URL(self.target.url).port)
            if head.startswith(b"CONNECT"):
                writer.write(self.answer)
            else:
                there[1].write(head)
            if b" 200 " in self.answer:
                await asyncio.gather(self._lead(reader, there[1], self.passed), self._lead(there[0], writer))
            there[1].close()
        writer.close()

    async def _lead(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, into: bytearray | None = None
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while some := await reader.read(65_536):
                if into is not None:
                    into += some
                    if len(into) > self.cut_at:
                        break
                writer.write(some)
                await writer.drain()
        writer.close()


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RawServer]:
    """The service with a certificate for a name that only the proxy can find, from an authority that is trusted."""
    authority = trustme.CA()
    server = RawServer(said(), said(), said())
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.onboard.test").configure_cert(server.tls)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    # What SSL_CERT_FILE does in a process that starts with it (test_tls.py): aiohttp makes its context when imported.
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusted)
    async with server:
        yield server


@asynccontextmanager
async def handle(base_url: str, **options: Any) -> AsyncIterator[AsyncOnboard360]:
    budget = Budget(limit=1_000, burst=1_000, window_s=1.0)
    options = {"max_retries": 0, "timeout_s": 5.0} | options
    async with AsyncOnboard360("sk_test_1", base_url=base_url, budget=budget, **options) as api:
        yield api


# Before, aiohttp put what .netrc says in the place of the key.
NETRC_IS_REFUSED = tuple(map(int, aiohttp.__version__.split(".")[:2])) >= (3, 14)
FAR = "https://api.onboard.test"


async def test_https_goes_through_the_environments_proxy_in_a_tunnel(
    service: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sees where to, its own password, and nothing else: neither key nor person."""
    async with Tunnel(service) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", tunnel.url.replace("//", "//me:s3cret@"))
        async with handle(FAR) as api:
            assert len(await api.list_clients()) == 1
            await api.add_client(campaign_id="c", email="john@example.com")
            assert "s3cret" not in repr(vars(api)["_transport"].pool.proxy)
    assert [head.split(b"\r\n")[0] for head in tunnel.heads] == [b"CONNECT api.onboard.test:443 HTTP/1.1"]
    assert base64.b64encode(b"me:s3cret") in tunnel.heads[0]
    told = b"".join(tunnel.heads) + tunnel.passed
    assert b"sk_test_1" not in told
    assert b"john" not in told
    assert len(service.requests) == 2
    assert all(b"Authorization: Bearer sk_test_1" in head for head in service.requests)
    assert not any(b"Proxy-Authorization" in head for head in service.requests)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "the proxy answered 407"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "the proxy answered 502"),
        (b"220 mail.example ESMTP\r\n\r\n", "ClientResponseError"),
        (b"", "not sent"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "not sent"),  # and then it hangs up
    ],
)
async def test_a_proxy_that_will_not_means_that_nothing_was_sent(
    service: RawServer, monkeypatch: pytest.MonkeyPatch, answer: bytes, words: str
) -> None:
    """Whatever it answers to CONNECT, a POST is not in doubt; a 5xx of the proxy's is not the service's."""
    async with Tunnel(service, answer) as tunnel:
        tunnel.cut_at = 0
        monkeypatch.setenv("HTTPS_PROXY", tunnel.url)
        async with handle(FAR) as api:
            with pytest.raises(errors.NotSentError, match=words):
                await api.add_client(campaign_id="c", email="john@example.com")
            assert api.budget.snapshot().used == 0
    assert service.requests == []


async def test_a_proxy_that_is_not_there_means_that_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused, and no other way is tried."""
    async with RawServer() as gone:
        pass
    monkeypatch.setenv("https_proxy", gone.url.removeprefix("http://"))
    async with handle(FAR) as api:
        with pytest.raises(errors.NotSentError, match="ClientProxyConnectionError"):
            await api.add_client(campaign_id="c", email="john@example.com")


async def test_a_tunnel_that_breaks_leaves_a_post_in_doubt(service: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the tunnel stands its end is the connection's."""
    async with Tunnel(service) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", tunnel.url)
        async with handle(FAR) as api:
            await api.list_campaigns()
            tunnel.cut_at = len(tunnel.passed)
            with pytest.raises(errors.OutcomeUnknownError):
                await api.add_client(campaign_id="c", email="john@example.com")


async def test_plain_http_is_never_led_through_the_environments_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy would read the key; the request goes directly, also where the base URL is no loopback's."""
    monkeypatch.setattr(proxy, "is_loopback", lambda _: False)
    async with RawServer(said()) as server, Tunnel(server) as tunnel:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, tunnel.url)
        async with handle(server.url, allow_insecure=True) as api:
            await api.list_clients()
        assert (len(server.requests), tunnel.heads) == (1, [])


async def test_whoever_says_so_has_plain_http_led_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a session of their own, which reads the environment; it is theirs to say who sees the key."""
    async with RawServer(said()) as server, Tunnel(server) as tunnel:
        monkeypatch.setenv("HTTP_PROXY", tunnel.url)
        async with aiohttp.ClientSession(trust_env=True) as session, handle(server.url, session=session) as api:
            await api.list_clients()
        assert tunnel.heads[0].startswith(b"GET http://127.0.0.1:")


@pytest.mark.parametrize(
    ("base_url", "environment", "wanted"),
    [
        (FAR, {}, None),
        (FAR, {"HTTPS_PROXY": ""}, None),
        (FAR, {"HTTPS_PROXY": "http://p.test:3128"}, "http://p.test:3128"),
        (FAR, {"HTTPS_PROXY": "p.test:3128"}, "http://p.test:3128"),
        (FAR, {"HTTPS_PROXY": "https://p.test/"}, "https://p.test"),
        (FAR, {"https_proxy": "http://low.test:1", "HTTPS_PROXY": "http://high.test:1"}, "http://low.test:1"),
        (FAR, {"HTTP_PROXY": "http://p.test:3128"}, None),
        (FAR, {"HTTPS_PROXY": "http://p.test:1", "NO_PROXY": "*"}, None),
        (FAR, {"HTTPS_PROXY": "http://p.test:1", "NO_PROXY": "onboard.test"}, None),
        (FAR, {"HTTPS_PROXY": "http://p.test:1", "no_proxy": "x.test, .onboard.test"}, None),
        (FAR, {"HTTPS_PROXY": "http://p.test:1", "NO_PROXY": "api.onboard.test:443"}, None),
        (FAR, {"HTTPS_PROXY": "http://p.test:1", "NO_PROXY": "nboard.test"}, "http://p.test:1"),
        ("https://localhost:8443", {"HTTPS_PROXY": "http://p.test:1"}, None),
        ("https://127.0.0.1:8443", {"HTTPS_PROXY": "http://p.test:1"}, None),
        ("http://api.onboard.test", {"HTTP_PROXY": "http://p.test:1", "HTTPS_PROXY": "http://p.test:1"}, None),
    ],
)
def test_which_proxy(
    base_url: str, environment: dict[str, str], wanted: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As curl and requests read it, but for plain http and for this machine."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = proxy_for(URL(base_url))
    assert (found.url and str(found.url)) == wanted


@pytest.mark.parametrize(
    "given", ["socks5://me:s3cret@p.test:1080", "http://me:s3cret@p.test:port", "http://", "http://p:0"]
)
def test_a_proxy_of_another_kind_is_refused_at_once(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Going directly instead would be a surprise; the message names the variable, and not its password."""
    monkeypatch.setenv("HTTPS_PROXY", given)
    with pytest.raises(errors.ConfigurationError, match="HTTPS_PROXY") as caught:
        AsyncOnboard360("sk_test_1", base_url=FAR)
    assert "s3cret" not in f"{caught.value!r}"


# --- sessions of the user's own ---


async def test_a_session_that_raises_by_itself_changes_no_verdict() -> None:
    """raise_for_status=True would make a 400 to a POST an answer that was lost."""
    async with (
        RawServer(said(b"{}", "400 Bad Request")) as server,
        aiohttp.ClientSession(raise_for_status=True) as session,
        handle(server.url, session=session) as api,
    ):
        with pytest.raises(errors.BadRequestError):
            await api.add_client(campaign_id="c", email="john@example.com")


async def test_a_session_that_cannot_send_is_told_in_our_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Closed, with an `auth` of its own, or one from .netrc: nothing was sent, and no slot is spent."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with RawServer() as server:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # aiohttp 3.14 would rather have headers
            auth = aiohttp.BasicAuth("me", "s3cret")
        every: list[dict[str, Any]] = [{"auth": auth}, {}]
        if NETRC_IS_REFUSED:
            every.append({"trust_env": True})
        for options in every:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                session = aiohttp.ClientSession(**options)
            async with session:
                if not options:
                    await session.close()
                async with handle(server.url, session=session) as api:
                    with pytest.raises(errors.ConfigurationError, match="Nothing was sent") as caught:
                        await api.add_client(campaign_id="c", email="john@example.com")
                    assert api.budget.snapshot().used == 0
            assert "s3cret" not in str(caught.value)
        assert server.requests == []

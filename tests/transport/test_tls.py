"""TLS: a private authority works in the two ways that are documented, and whoever cannot be trusted is told nothing."""

import asyncio
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import trustme

from onboard360_async import AsyncOnboard360, Budget, errors
from tests.listening import Listening
from tests.transport.raw import RawServer
from tests.transport.test_wire import said

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A private one, which no machine knows."""
    return trustme.CA()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits between attempts."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda *_: 0.0)


def speaking(*answers: bytes | None, certificate: trustme.LeafCert) -> RawServer:
    """A server that shows this certificate."""
    server = RawServer(*answers)
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(server.tls)
    return server


@asynccontextmanager
async def trusting(
    server: Listening, authority: trustme.CA | None, host: str = "127.0.0.1"
) -> AsyncIterator[AsyncOnboard360]:
    """A handle that trusts this authority, or only those that the machine knows."""
    context = ssl.create_default_context()
    if authority is not None:
        authority.configure_trust(context)
    budget = Budget(limit=1_000, burst=1_000, window_s=1.0)
    url = server.url.replace("http:", "https:").replace("127.0.0.1", host)
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        AsyncOnboard360("sk_test_1", base_url=url, budget=budget, session=session, max_retries=1, timeout_s=5.0) as api,
    ):
        yield api


async def test_a_private_authority_is_passed_by_a_session(authority: trustme.CA) -> None:
    """With an SSL context of the user's own, as the docs show it."""
    server = speaking(said(), said(), certificate=authority.issue_cert("127.0.0.1"))
    async with server, trusting(server, authority) as api:
        assert len(await api.list_clients()) == 1
        assert (await api.add_client(campaign_id="c", email="john@example.com")).id == "1"


CASES = {
    "an authority that nobody knows": (
        False,
        ["127.0.0.1"],
        None,
        "127.0.0.1",
        "unable to get local issuer|self.signed",
    ),
    "another host": (True, ["other.example"], None, "127.0.0.1", "IP address mismatch"),
    "another name": (True, ["other.example", "127.0.0.1"], None, "localhost", "Hostname mismatch"),
    "expired": (True, ["127.0.0.1"], datetime(2002, 1, 1, tzinfo=UTC), "127.0.0.1", "certificate has expired"),
}


@pytest.mark.parametrize("case", CASES)
async def test_who_cannot_be_trusted_is_sent_nothing(authority: trustme.CA, case: str) -> None:
    """Neither a listing nor a POST leaves, nor the key; the message says what is wrong with the certificate."""
    known, names, until, host, words = CASES[case]
    certificate = authority.issue_cert(*names, not_before=LONG_AGO, not_after=until)
    server = speaking(said(), said(), said(), said(), certificate=certificate)
    async with server, trusting(server, authority if known else None, host) as api:
        for call in (api.list_clients(), api.add_client(campaign_id="c", email="john@example.com")):
            with pytest.raises(errors.NotSentError, match=f"not trusted: .*({words})") as caught:
                await call
            assert caught.value.attempts == 2
        assert server.requests == []
        assert api.budget.snapshot().used == 0


async def test_a_server_without_tls_is_sent_nothing(authority: trustme.CA) -> None:
    """What it answers to our hello is no certificate."""

    class Plain(RawServer):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 This is not HTTP\r\n\r\n")
            writer.close()

    async with Plain() as server, trusting(server, authority) as api:
        with pytest.raises(errors.NotSentError):
            await api.add_client(campaign_id="c", email="john@example.com")


async def test_who_hangs_up_during_the_handshake_was_sent_nothing(authority: trustme.CA) -> None:
    """A POST is not in doubt there: not a byte of it had left."""

    class Gone(RawServer):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

    async with Gone() as server, trusting(server, authority) as api:
        with pytest.raises(errors.NotSentError):
            await api.add_client(campaign_id="c", email="john@example.com")


async def test_who_never_ends_the_handshake_was_sent_nothing(authority: trustme.CA) -> None:
    """A time-out before the connection stands is no lost answer."""

    class Mute(RawServer):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

    async with Mute() as server, trusting(server, authority) as api:
        hasty = api.with_options(timeout_s=0.05)
        for call in (hasty.list_clients(), hasty.add_client(campaign_id="c", email="john@example.com")):
            with pytest.raises(errors.NotSentError, match="timed out"):
                await call
        assert api.budget.snapshot().used == 0


SCRIPT = """
import asyncio
from onboard360_async import AsyncOnboard360, Onboard360

async def main() -> None:
    async with AsyncOnboard360() as api:
        print(len(await api.list_clients()))

asyncio.run(main())
with Onboard360() as api:
    print(len(api.list_clients()))
"""


async def test_a_private_authority_is_named_by_the_environment(authority: trustme.CA, tmp_path: Path) -> None:
    """SSL_CERT_FILE, for both handles: the blocking one takes no session."""
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    server = speaking(said(), said(), certificate=authority.issue_cert("127.0.0.1"))
    async with server:
        environment = os.environ | {
            "SSL_CERT_FILE": str(bundle),
            "ONBOARD360_API_KEY": "sk_test_1",
            "ONBOARD360_BASE_URL": server.url,
        }
        process = await _run(environment)
    assert process == (0, "1\n1\n", "")


async def _run(environment: dict[str, str]) -> tuple[int, str, str]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-W", "error", "-c", SCRIPT),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, said_wrong = await child.communicate()
    return child.returncode or 0, out.decode(), said_wrong.decode()

"""What a webhook costs: to verify and decode, beside four peers; at an endpoint; and to keep before it is acknowledged.

The first table is one process, in interleaved rounds, over the API page's own webhook; each peer has it signed in its
own scheme. Its measure is what nobody can do without: an HMAC and `json.loads`. The others are in `endpoints`. Options:
--only verify|endpoint|inbox.
"""

import argparse
import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median
from timeit import timeit
from typing import Final

from multidict import CIMultiDict

from benchmarks import endpoints
from benchmarks.table import Row, Table, print_all
from onboard360_async.webhooks import WebhookVerifier
from onboard360_async.webhooks.factories import SECRET, client_created

__all__ = ["PEERS", "main", "measured", "ours", "tables"]

ROUNDS, CALLS = 101, 200
ALONE_MOST, TYPED_MOST = 0.55, 2.2  # times the floor, with the three documented headers; the targets
ALONE, TYPED, FLOOR = "ours: the signature alone", "ours: a typed event", "floor: hmac + json.loads"
_KEY: Final = SECRET.encode()
_STANDARD_SECRET: Final = b64encode(_KEY).decode()
_EVENT: Final = client_created(timestamp="2024-01-15T09:00:00Z")  # the page's own
BODY: Final = _EVENT.body

Way = Callable[[bytes], object]  # raises if the body is not what was signed


def floor(body: bytes) -> object:
    """What is compared with: it makes the signature, compares it with nothing, and decodes."""
    return hmac.new(_KEY, body, hashlib.sha256).hexdigest(), json.loads(body)


def ours() -> Mapping[str, Way]:
    """Ours, with the documented headers alone, and with as many as there are in earnest."""
    verifier, three = WebhookVerifier(SECRET), dict(_EVENT.headers)
    eight = {
        "Host": "example.com", "User-Agent": "node", "Accept": "*/*", "Content-Length": str(len(BODY)),
        "Accept-Encoding": "gzip", **three,
    }  # fmt: skip
    of_aiohttp = CIMultiDict(eight)
    of_asgi = [(name.lower().encode(), value.encode()) for name, value in eight.items()]
    return {
        ALONE: lambda body: verifier.authenticate(body, three),
        TYPED: lambda body: verifier.verify(body, three),
        "... of 8 headers": lambda body: verifier.verify(body, eight),
        "... of aiohttp's 8 headers": lambda body: verifier.verify(body, of_aiohttp),
        "... of ASGI's 8 headers": lambda body: verifier.verify(body, of_asgi),
    }


def _standardwebhooks() -> Way:
    from standardwebhooks.webhooks import Webhook

    webhook, now = Webhook(_STANDARD_SECRET), datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.sign("msg_1", now, BODY.decode()),
    }
    return lambda body: webhook.verify(body, headers)


def _svix() -> Way:
    from svix.webhooks import Webhook

    webhook, now = Webhook(_STANDARD_SECRET), datetime.now(UTC)
    headers = {
        "svix-id": "msg_1",
        "svix-timestamp": str(int(now.timestamp())),
        "svix-signature": webhook.sign("msg_1", now, BODY.decode()),
    }

    def verify(body: bytes) -> object:
        webhook.verify(body, headers)  # it gives nothing back
        return json.loads(body)

    return verify


def _gidgethub() -> Way:
    from gidgethub.sansio import Event

    headers = {
        "content-type": "application/json",
        "x-github-event": "client",
        "x-github-delivery": "1",
        "x-hub-signature-256": f"sha256={hmac.new(_KEY, BODY, 'sha256').hexdigest()}",
    }
    return lambda body: Event.from_http(headers, body, secret=SECRET)


def _stripe() -> Way:
    import stripe

    now = int(datetime.now(UTC).timestamp())
    header = f"t={now},v1={hmac.new(_KEY, b'%d.%b' % (now, BODY), 'sha256').hexdigest()}"
    return lambda body: stripe.Webhook.construct_event(body, header, SECRET)


PEERS: Mapping[str, Callable[[], Way]] = {
    "standardwebhooks": _standardwebhooks,
    "svix": _svix,
    "gidgethub": _gidgethub,
    "stripe": _stripe,
}


def _refuses(way: Way) -> bool:
    """Whether it looks at the signature: what accepts anything has no place beside the others."""
    try:
        way(BODY.replace(b"John", b"Jane"))
    except Exception:  # noqa: BLE001 - each has errors of its own
        return True
    return False


def measured(ways: Mapping[str, Way], *, rounds: int, calls: int) -> dict[str, float]:
    """Microseconds of one call, the median of the rounds, in each of which every way has its turn."""
    for name, way in ways.items():
        assert way(BODY), name
        assert way is floor or _refuses(way), name
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds = timeit("way(body)", number=calls, globals={"way": way, "body": BODY})
            took[name].append(seconds / calls * 1e6)
    return {name: median(each) for name, each in took.items()}


def _verify() -> list[Table]:
    ways = {FLOOR: floor, **ours(), **{f"{name} {version(name)}": make() for name, make in PEERS.items()}}
    took = measured(ways, rounds=ROUNDS, calls=CALLS)
    targets = {ALONE: ALONE_MOST, TYPED: TYPED_MOST}
    rows = tuple(
        Row(name, micros, micros / took[FLOOR], f"<= {targets[name]:g}" if name in targets else "")
        for name, micros in took.items()
    )
    title = f"One webhook of {len(BODY)} bytes, median of {ROUNDS} interleaved rounds of {CALLS}"
    return [Table("verify", title, "µs", rows, FLOOR)]


PARTS: Mapping[str, Callable[[], list[Table]]] = {
    "verify": _verify,
    "endpoint": endpoints.endpoint,
    "inbox": endpoints.inbox,
}


def tables(arguments: Sequence[str] = ()) -> list[Table]:
    """All of them, or those of one part."""
    options = argparse.ArgumentParser(prog="python3 dev bench webhooks")
    options.add_argument("--only", choices=PARTS)
    only = options.parse_args(arguments).only
    return [table for part in ([only] if only else PARTS) for table in PARTS[part]()]


def main(arguments: Sequence[str] = ()) -> None:
    """Print them."""
    print_all(tables(arguments))

"""From what the API answers to models, 10,000 clients at a time, beside what others make of the same.

The peers have the same fields: the classes that openapi-python-client generates from the sandbox's openapi.json, made
when this runs (they check nothing, and have no place for an unknown field), and pydantic's, frozen and with
`extra="allow"`. msgspec's is the floor. Ours is checked, frozen, and keeps what is unknown. All in one process, in
interleaved rounds; CPU time. Options: --only TABLE, --clients N, --rounds N.
"""

import argparse
import gc
import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.table import Row, Table, print_all
from onboard360_async import sandbox, settings
from onboard360_async.codec import parser
from onboard360_async.codec.stream import ClientStream
from onboard360_async.codec.structure import add_clients
from onboard360_async.models import Client

__all__ = ["client_of", "main", "measured", "tables"]

CLIENTS, ROUNDS = 10_000, 15
GENERATED_MOST, PYDANTIC_MOST = 0.8, 0.9  # times the peer; the targets
OURS, WITH_ORJSON, GENERATED, PYDANTIC, MSGSPEC = "ours", "ours, orjson", "generated client", "pydantic", "msgspec"
_OPENAPI: Final = Path(sandbox.__file__).with_name("openapi.json")

Way = Callable[[], object]


def client_of(number: int) -> dict[str, str]:
    """A client as a listing shows it."""
    return {
        "id": f"770e8400-e29b-41d4-a716-{number:012d}",
        "campaign_id": "550e8400-e29b-41d4-a716-446655440000",
        "first_name": f"John {number}",
        "last_name": "Doe",
        "email": f"john{number}@example.com",
        "company_name": f"Acme Corp {number}",
        "phone": f"+1{number:010d}",
        "created_at": "2024-01-15T09:00:00Z",
    }


def ours(body: bytes, quick: Callable[[Any], object] | None) -> list[Client]:
    """By the stream, as a listing comes, with one parser or the other."""
    before, parser._quick = parser._quick, quick
    try:
        stream = ClientStream()
        clients: list[Client] = []
        for start in range(0, len(body), settings.FEED_BYTES):
            clients += stream.feed(body[start : start + settings.FEED_BYTES])
        while more := stream.finish():
            clients += more
    finally:
        parser._quick = before
    return clients


def generated() -> Callable[[Any], Any] | None:
    """`Clients.from_dict`, generated now; None where openapi-python-client is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yml")
        config.write_text("post_hooks: []\n")
        asked = ["generate", "--path", str(_OPENAPI), "--meta", "none", "--config", str(config)]
        where = ["--output-path", str(Path(folder, "onboard360_generated"))]
        command = [sys.executable, "-m", "openapi_python_client", *asked, *where]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return None
        sys.path.insert(0, folder)
        try:
            made: Any = importlib.import_module("onboard360_generated.models.clients")
        finally:
            sys.path.remove(folder)
    from_dict: Callable[[Any], Any] = made.Clients.from_dict
    return from_dict


def by_pydantic() -> Any:
    """The same fields; None where it is not installed."""
    try:
        from pydantic import BaseModel, ConfigDict, create_model
    except ImportError:
        return None
    config = ConfigDict(extra="allow", frozen=True)
    text, optional = (str, ...), (str | None, None)
    fields: dict[str, Any] = {"id": text, "campaign_id": text, "email": text, "created_at": (datetime, ...)}
    fields |= dict.fromkeys(("first_name", "last_name", "company_name", "phone", "link"), optional)
    one: type[BaseModel] = create_model("PydanticClient", __config__=config, **fields)
    return create_model("PydanticClients", clients=(list[one], ...))  # type: ignore[valid-type]  # made just now


def by_msgspec() -> tuple[Any, Any] | None:
    """Its module and a Struct; None where it is not installed."""
    try:
        import msgspec
    except ImportError:
        return None
    optional = [(name, str | None, None) for name in ("first_name", "last_name", "company_name", "phone", "link")]
    required = [("id", str), ("campaign_id", str), ("email", str), ("created_at", datetime)]
    one = msgspec.defstruct("StructClient", [*required, *optional], frozen=True)
    return msgspec, msgspec.defstruct("StructClients", [("clients", list[one])])  # type: ignore[valid-type]  # made just now


def ways(document: dict[str, Any], body: bytes) -> dict[str, dict[str, Way]]:
    """By kind, what is there: from the dicts that a parser gave, and from bytes."""
    dicts: dict[str, Way] = {OURS: lambda: add_clients(document["clients"], [], 0, {})}
    whole: dict[str, Way] = {OURS: partial(ours, body, None)}
    if parser._quick is not None:
        whole[WITH_ORJSON] = partial(ours, body, parser._quick)
    if (from_dict := generated()) is not None:
        dicts[GENERATED] = lambda: from_dict(document)
        whole[GENERATED] = lambda: from_dict(json.loads(body))
    if (model := by_pydantic()) is not None:
        dicts[PYDANTIC] = lambda: model.model_validate(document)
        whole[PYDANTIC] = lambda: model.model_validate_json(body)
    if (structs := by_msgspec()) is not None:
        msgspec, struct = structs
        dicts[MSGSPEC] = lambda: msgspec.convert(document, struct)
        whole[MSGSPEC] = partial(msgspec.json.Decoder(struct).decode, body)
    return {"dicts": dicts, "bytes": whole}


def measured(calls: dict[str, Way], clients: int, rounds: int) -> dict[str, float]:
    """Nanoseconds of CPU for each client, medians of interleaved rounds after one to warm up."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            gc.collect()
            began = time.process_time()
            made = call()
            spent = time.process_time() - began
            del made
            if turn:
                took[name].append(spent / clients * 1e9)
    return {name: median(each) for name, each in took.items()}


def _table(name: str, title: str, took: dict[str, float], base: str, targets: dict[str, float]) -> Table:
    beside = took.get(base)
    rows = [
        Row(
            way,
            nanoseconds,
            None if beside is None else nanoseconds / beside,
            target=f"<= {targets[way]:g}" if way in targets and beside is not None else "",
        )
        for way, nanoseconds in took.items()
    ]
    if beside is None:
        rows.append(Row(base, 0.0, note="not installed"))
    return Table(name, title, "ns a client", tuple(rows), base if beside is not None else "")


def tables(arguments: Sequence[str] = ()) -> list[Table]:
    """From dicts and from bytes, each beside the generated client, and beside pydantic."""
    options = argparse.ArgumentParser(prog="python3 dev bench models", description=__doc__)
    options.add_argument("--only", choices=("dicts", "bytes"), help="one kind alone")
    options.add_argument("--clients", type=int, default=CLIENTS)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    asked = options.parse_args(arguments)
    document = {"clients": [client_of(number) for number in range(asked.clients)]}
    body = json.dumps(document, separators=(",", ":")).encode()
    found: list[Table] = []
    for kind, calls in ways(json.loads(body), body).items():
        if asked.only in (None, kind):
            took = measured(calls, asked.clients, asked.rounds)
            title = f"A list of {asked.clients:,} clients from {kind} to models, CPU, median of {asked.rounds} rounds"
            fast = WITH_ORJSON if kind == "bytes" else OURS
            found.append(_table(f"{kind}-generated", title, took, GENERATED, {OURS: GENERATED_MOST}))
            found.append(_table(f"{kind}-pydantic", title, took, PYDANTIC, {fast: PYDANTIC_MOST}))
    return found


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables."""
    print_all(tables(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])

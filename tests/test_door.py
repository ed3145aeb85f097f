"""The door: each name costs only what it needs, and the version is one. Which names: tests/test_public_api.py."""

import importlib.metadata
import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import onboard360_async
from onboard360_async import AsyncOnboard360, Onboard360, importer, webhooks
from onboard360_async.blocking import BlockingImport, BlockingListing

ROOT = Path(__file__).parents[1]


def test_a_misspelt_name_is_an_attribute_error() -> None:
    """As with any module."""
    with pytest.raises(AttributeError, match="AsyncOnboard361"):
        _ = onboard360_async.AsyncOnboard361  # type: ignore[attr-defined]  # that mypy sees it, too, is the point
    with pytest.raises(AttributeError, match="WebhookVerifyer"):
        _ = webhooks.WebhookVerifyer  # type: ignore[attr-defined]  # the same
    with pytest.raises(AttributeError, match="ImportJop"):
        _ = importer.ImportJop  # type: ignore[attr-defined]  # the same


@pytest.mark.parametrize("kind", [AsyncOnboard360, Onboard360, BlockingImport, BlockingListing])
def test_the_types_of_every_call_can_be_looked_up(kind: type) -> None:
    """As tools do that draw documentation, or check arguments: by name, in the module that wrote it."""
    for each in vars(kind).values():
        call = each.fget if isinstance(each, property) else each
        if inspect.isfunction(call):
            typing.get_type_hints(call)


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import onboard360_async", ("aiohttp", "attrs", "cattrs", "asyncio")),
        ("from onboard360_async import errors", ("aiohttp", "cattrs")),
        ("from onboard360_async import Client, NewClient", ("aiohttp", "cattrs")),
        ("from onboard360_async import AsyncOnboard360", ("click", "rich", "onboard360_async.sandbox", "aiohttp.web")),
        ("from onboard360_async import Onboard360", ("onboard360_async.importer.job", "cattrs", "sqlite3")),
        ("import onboard360_async.sandbox", ("onboard360_async.api", "onboard360_async.settings", "cattrs")),
        ("import onboard360_async.webhooks", ("aiohttp", "attrs", "asyncio", "json", "hashlib", "sqlite3")),
        ("from onboard360_async.webhooks import WebhookVerifier, sign, diagnose", ("aiohttp", "asyncio", "sqlite3")),
        ("from onboard360_async.webhooks import Inbox, Router, factories", ("aiohttp", "cattrs", "click")),
    ],
)
def test_a_part_costs_only_what_it_needs(statement: str, absent: tuple[str, ...]) -> None:
    """What a name does not need is not imported with it."""
    look = f"import sys; {statement}; print([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_version_is_the_same_everywhere() -> None:
    """In the package, in its metadata, and at the top of the changelog."""
    top = re.search(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert top is not None
    assert onboard360_async.__version__ == top[1] == importlib.metadata.version("onboard360-async")

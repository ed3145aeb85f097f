"""Either parser: what is said of answers holds with the standard library's and with orjson."""

from typing import Any

import pytest

from onboard360_async.codec import parser


@pytest.fixture(params=["json", "orjson"])
def either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test runs twice: with the standard library's parser, and with orjson where it is installed."""
    name: str = request.param
    quick: Any = None if name == "json" else pytest.importorskip("orjson").loads
    monkeypatch.setattr(parser, "_quick", quick)
    return name


@pytest.fixture(params=["as it is", "tiny"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runs twice: also with pieces so small that a short document has all that a long one has."""
    if request.param == "tiny":
        monkeypatch.setattr("onboard360_async.settings.FEED_BYTES", 150)
        monkeypatch.setattr("onboard360_async.settings.RETRY_BYTES", 40)
        monkeypatch.setattr("onboard360_async.settings.CUT_BYTES", 190)

"""The documented API as an OpenAPI 3.1 document, for other tools to read. Knows no request and no running sandbox.

Source: API page. The document is `openapi.json` beside this file; that the sandbox does what it says, and says what it
does, is held by tests/sandbox/test_openapi.py.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["describe"]


def describe(origin: str) -> dict[str, Any]:
    """The description of the API below this origin, as in http://127.0.0.1:8360; a new dict, for the caller to keep."""
    document: dict[str, Any] = json.loads(_packaged())
    document["servers"] = [{"url": f"{origin}/api/v1", "description": "the sandbox"}]
    return document


@cache
def _packaged() -> str:
    return Path(__file__).with_name("openapi.json").read_text(encoding="utf-8")

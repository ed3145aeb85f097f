"""The API keys that a sandbox serves. Knows no request."""

import secrets
from collections.abc import Iterable
from typing import Final

__all__ = ["checked_keys", "new_key"]

_LIVE: Final = "sk_live_"


def new_key() -> str:
    """A key that nobody has had before."""
    return f"sk_test_{secrets.token_hex(16)}"


def checked_keys(keys: Iterable[str] | None, *, allow_live_keys: bool) -> tuple[str, ...]:
    """The keys to serve, a new one if none is given; no message shows a key."""
    if keys is None:
        return (new_key(),)
    checked = tuple(dict.fromkeys([keys] if isinstance(keys, str) else keys))
    if not checked:
        raise ValueError("api_keys must hold at least one key")
    for key in checked:
        if not (key.isascii() and key.isprintable() and key and " " not in key):
            raise ValueError("an API key must be visible ASCII characters without spaces")
        if key.startswith(_LIVE) and not allow_live_keys:
            raise ValueError(
                f"a key that begins with {_LIVE} belongs to the real service; give the sandbox a key of its own,"
                " or allow live keys (allow_live_keys=True, --allow-live-keys)"
            )
    return checked

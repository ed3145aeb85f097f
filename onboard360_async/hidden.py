"""Text and bytes that say nothing of themselves in a `repr`: keys, people, and what is sent and received.

Tools that print a traceback with the local variables of each frame (Sentry, rich, `capture_locals=True`) print the
`repr` of each, of aiohttp's frames too. In every other way they are what they were made of. Knows nothing else.
"""

from typing import Any, Final, TypeVar

__all__ = ["hidden", "hide_in"]

T = TypeVar("T")
_PERSONAL: Final = frozenset(("api_key", "email", "first_name", "last_name", "company_name", "phone"))


class _HiddenText(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>"


class _HiddenBytes(bytes):
    def __repr__(self) -> str:
        return "<hidden>"


def hidden(value: T) -> T:
    """The same text or bytes with a `repr` that hides it; anything else as it is."""
    if type(value) is str:
        return _HiddenText(value)  # type: ignore[return-value]  # a cast would be a call more, many times a request
    if isinstance(value, bytes):
        return _HiddenBytes(value)  # type: ignore[return-value]  # as above
    return value


def hide_in(given: dict[str, Any]) -> None:
    """Hide the key, and all that is about a person, in the arguments of a call."""
    given.update({name: hidden(value) for name, value in given.items() if name in _PERSONAL})

"""Hands stored events on to another address: the very bytes that were signed, with the headers that say so.

Knows no inbox; when one that was not taken is tried again is the inbox's business.
"""

import string
from http import HTTPStatus
from typing import Final

import aiohttp
from yarl import URL

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError, WebhookError
from onboard360_async.webhooks import Event

__all__ = ["Forward", "address", "forward_session", "is_own", "shown"]

_SPACE: Final = frozenset(string.whitespace)
_LOOPBACK: Final = frozenset(("localhost", "127.0.0.1", "::1"))
_ANY: Final = frozenset(("0.0.0.0", "::"))  # noqa: S104 - told from others, not listened on


def address(text: str) -> URL:
    """Where events are to be handed on to. ConfigurationError for what is no http(s) address, or holds a password."""
    try:
        url = URL(text)
        is_there = url.scheme in ("http", "https") and bool(url.host and url.port) and not set(url.host or "") & _SPACE
    except ValueError:
        is_there = False
    if not is_there:
        raise ConfigurationError(
            "--forward-to needs an address that begins with http:// or https:// and names a host, as in"
            " http://127.0.0.1:8000/hook."
        )
    if url.user is not None or url.password is not None:
        raise ConfigurationError("--forward-to takes no user and no password: every process could read them.")
    return url


def is_own(url: URL, host: str, port: int) -> bool:
    """Is this where we listen ourselves? Each event would come back, be known for a duplicate, and count as taken."""
    target, own = str(url.host).casefold(), host.casefold()
    is_near = own in _LOOPBACK | _ANY and target in _LOOPBACK | _ANY
    return url.port == port and (target == own or is_near)


def shown(url: URL) -> str:
    """The address without what may be secret in it."""
    return str(url.with_query(None).with_fragment(None))


def forward_session() -> aiohttp.ClientSession:
    """What Forward sends with; to be closed by who asked for it."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": settings.USER_AGENT},
        skip_auto_headers=("Content-Type",),
        timeout=aiohttp.ClientTimeout(total=settings.TIMEOUT_S),
    )


class Forward:
    """A handler of events: each is sent to `url`, and taken if the answer is 2xx. Redirects are not followed.

    The target can verify what it gets by the same secret: the body is what was signed, and the signature, the event
    and the content type are those that came. Where another text of the body was signed than the one that came, it is
    that text that is sent: what nobody signed is handed on to nobody.
    """

    def __init__(self, url: URL, session: aiohttp.ClientSession) -> None:
        self._url, self._session = url, session

    async def send(self, event: Event) -> None:
        """Send it. WebhookError, with the reason in nobody's words but ours, if it was not taken."""
        try:
            async with self._session.post(
                self._url, data=event.body, headers=event.headers, allow_redirects=False
            ) as answer:
                status = answer.status
        except TimeoutError:
            raise WebhookError(f"no answer in {settings.TIMEOUT_S:g} s") from None
        except aiohttp.ClientConnectorCertificateError:
            raise WebhookError("its certificate is not trusted") from None
        except aiohttp.ClientConnectorSSLError:
            raise WebhookError("no TLS connection") from None
        except aiohttp.ClientConnectorError:
            raise WebhookError("no connection") from None
        except (aiohttp.ClientError, OSError):
            raise WebhookError("the connection broke off") from None
        except ValueError:
            raise WebhookError("its headers cannot be sent again") from None
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise WebhookError(f"answered {status}")

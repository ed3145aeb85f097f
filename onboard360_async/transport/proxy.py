"""The way out of the house: the proxy that the environment names for the service, if any.

As `curl` and `requests` read it (HTTPS_PROXY, NO_PROXY, in capitals or not; on macOS and Windows the system's settings
too), with one difference: a plain http address is never reached through a proxy of the environment, which would read
the API key on its way. Knows no key and no connection. The proxy's password stands in no message, repr or log.
"""

import base64
import urllib.request
from collections.abc import Mapping

from yarl import URL

from onboard360_async.errors import ConfigurationError
from onboard360_async.hidden import hidden
from onboard360_async.transport.access import is_loopback

__all__ = ["Proxy", "proxy_for"]


class Proxy:
    """Where a tunnel to the service begins; no `url` for a direct way."""

    __slots__ = ("headers", "url")

    def __init__(self, url: URL | None = None, headers: Mapping[str, str] | None = None) -> None:
        self.url: URL | None = url  # with its own password, not the service's
        self.headers: Mapping[str, str] | None = headers


def proxy_for(base_url: URL) -> Proxy:
    """The proxy that the environment names for this address, if any.

    Only for https to another machine: there the proxy sees a tunnel (CONNECT), and neither key nor people.
    ConfigurationError if what is named there is no http proxy.
    """
    host = base_url.host or ""
    if base_url.scheme != "https" or is_loopback(host):
        return Proxy()
    given = hidden(urllib.request.getproxies().get("https", "").strip())
    if not given or urllib.request.proxy_bypass(f"{host}:{base_url.port}"):
        return Proxy()
    try:
        url = URL(given if "://" in given else f"http://{given}")
        port, user, password = url.port, hidden(url.user), hidden(url.password)
        url = url.with_user(None)
    except ValueError:
        raise ConfigurationError("The proxy in HTTPS_PROXY is not a URL.") from None
    if url.scheme not in ("http", "https") or not url.host or port == 0:
        raise ConfigurationError(
            "The proxy in HTTPS_PROXY must look like http://host:port; for one of another kind (SOCKS) pass a session="
            " that knows the way, and to go directly name the service's host in NO_PROXY."
        )
    if user is None:
        return Proxy(url.origin())
    secret = base64.b64encode(f"{user}:{password or ''}".encode()).decode()
    return Proxy(url.origin(), {"Proxy-Authorization": hidden(f"Basic {secret}")})

"""Whether a request comes from this machine's own pages: what keeps other web sites off a server on localhost.

Knows no route. A program that is no browser (curl, an SDK) sends none of these headers, and is let through.
"""

import re
from typing import Final

from aiohttp import web

__all__ = ["is_for_here", "is_from_here"]

_LOCAL: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_OURS: Final = ("same-origin", "none")  # "none": typed, or a bookmark


def is_for_here(request: web.Request) -> bool:
    """Whether it names this machine as its host; a page of another name that was bound to 127.0.0.1 does not."""
    host = request.headers.get("Host")
    return host is None or _LOCAL.fullmatch(host) is not None


def is_from_here(request: web.Request) -> bool:
    """Whether it is for here, and no browser says that another site sent it: what changes something asks for this.

    Our own forms say `Origin: null`, since our pages send no referrer; then only Sec-Fetch-Site tells them from others.
    """
    if not is_for_here(request):
        return False
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site.lower() not in _OURS:
        return False
    origin = request.headers.get("Origin")
    if origin is None or (origin == "null" and site is not None):
        return True
    return origin.lower() == f"http://{request.headers.get('Host', '')}".lower()

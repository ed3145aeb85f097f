"""How long until so many more requests may be sent: the rule, played forward on a copy of the window.

Knows no waiters. It takes what is under way as answered now, and each further request as answered when it is granted,
so the real time is longer by what the answers take, never shorter (unless a request ahead gives up, or a request under
way turns out never to have been sent). After a few windows the grants repeat themselves, one request fewer than the
limit in each window, and are counted instead of played.
"""

from collections.abc import Iterable

from onboard360_async.budget.window import Window

__all__ = ["eta_ns"]

_PLAYED = 3  # windows that are played before the rest is counted; our choice


def eta_ns(
    window: Window, now: int, asks: Iterable[tuple[int, int]], *, burst: int, tokens: float, every_ns: float
) -> int:
    """Nanoseconds from `now` until the last of `asks` is granted; `window` is a copy, and used up.

    Each of `asks` is a number of requests and the `keep` they ask with. The token bucket holds `tokens` of at most
    `burst`, and gains one every `every_ns`.
    """
    for _ in range(window.held):
        window.settle(now)
    at, counted_ns = now, 0
    for requests, keep in asks:
        played, skipped_ns = _shortened(requests, max(1, window.limit - keep), window.span_ns)
        counted_ns += skipped_ns
        for _ in range(played):
            token_at = at + max(0, int((1.0 - tokens) * every_ns))
            granted_at = token_at
            while wait := window.reserve(granted_at, keep):  # never None: nothing is held
                granted_at += wait
            window.settle(granted_at)
            taken = tokens + (token_at - at) / every_ns - 1.0  # the pump holds its token while the window says wait
            tokens = min(float(burst), taken + (granted_at - token_at) / every_ns)
            at = granted_at
    return at - now + counted_ns


def _shortened(requests: int, limit: int, span_ns: int) -> tuple[int, int]:
    """How many of so many requests to play, and the time of those that are not."""
    cycle, cycle_ns = (limit - 1, span_ns) if limit > 1 else (1, 2 * span_ns)
    cycles = max(0, requests - _PLAYED * limit) // cycle
    return requests - cycles * cycle, cycles * cycle_ns

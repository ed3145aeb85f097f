"""How long until so many more requests may be sent: the rule, played forward on a copy of the window.

Knows no waiters. It takes what is under way as answered now, and each further request as answered when it is granted,
so the real time is longer by what the answers take.
"""

from onboard360_async.budget.window import Window

__all__ = ["eta_ns"]

_ROUNDS = 4  # windows that are played; after that the pace repeats itself


def eta_ns(window: Window, now: int, requests: int, *, keep: int = 0, burst: int, every_ns: int) -> int:
    """Nanoseconds from `now` until the last of `requests` is granted; `window` is a copy, and used up.

    The first `burst` may go at once, then one every `every_ns`: the token bucket's pace.
    """
    for _ in range(window.held):
        window.settle(now)
    played = min(requests, _ROUNDS * window.limit)
    granted_at: list[int] = []
    at = now
    for number in range(played):
        at = max(at, now + max(0, number + 1 - burst) * every_ns)
        while wait := window.reserve(at, keep):
            at += wait
        window.settle(at)
        granted_at.append(at)
    if requests == played:
        return at - now
    half = played // 2
    pace = (granted_at[-1] - granted_at[half]) / (played - 1 - half)
    return int(at - now + (requests - played) * pace)

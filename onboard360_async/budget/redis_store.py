"""The books in Redis (6 or newer) or Valkey: what processes on several machines share.

Two round trips change them: one loads, with Redis' own clock, one swaps. One small script compares and sets; the rule
is not in it. Knows nothing of what it keeps; needs the extra `redis`.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from onboard360_async import settings
from onboard360_async.budget.store import Loaded, StoreError, version_of
from onboard360_async.errors import ConfigurationError

__all__ = ["RedisStore"]

_PREFIX: Final = "onboard360:budget:"
_SWAP: Final = """
local there = redis.call('GET', KEYS[1])
if (there and redis.sha1hex(there) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


class RedisStore:
    """Books under one key of a Redis, over one connection of the loop that uses it first."""

    posts_at_once = False

    def __init__(self, url: str, name: str, *, most_ns: int) -> None:
        """Nothing is connected yet. ConfigurationError if the address cannot be used."""
        import redis.asyncio as client
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError, RedisError

        self._key = _PREFIX + name
        self._kept_ms = int(max(settings.STORE_KEPT_S * 1000, most_ns / 1_000_000))
        self._errors = (RedisError, OSError)
        self._final = (AuthenticationError, AuthorizationError, NoPermissionError)
        self._where = urlsplit(url).hostname or urlsplit(url).path
        try:
            self._redis: Any = client.Redis.from_url(
                url,
                retry=Retry(NoBackoff(), 0),  # what may be tried again is our own business
                socket_timeout=settings.STORE_PATIENCE_S,
                socket_connect_timeout=settings.STORE_PATIENCE_S,
            )
            pool: Any = self._redis.connection_pool
            pool.connection_kwargs["decode_responses"] = False  # whatever the address says: the books are bytes
            pool.make_connection()  # connects nothing; refuses an option that there is not
        except (ValueError, TypeError, RedisError):
            raise ConfigurationError("The budget's Redis address cannot be used.") from None

    async def load(self) -> Loaded:
        """What is there now, by Redis' clock: one round trip."""
        try:
            async with self._redis.pipeline(transaction=False) as both:
                blob, (seconds, microseconds) = await both.get(self._key).time().execute()
        except self._errors as error:
            raise self._failed(error) from None
        return Loaded(blob, version_of(blob), (seconds * 1_000_000 + microseconds) * 1000)

    async def swap(self, blob: bytes, version: str) -> bool:
        """Write, if what is there is still of this version; whether it was: one round trip."""
        try:
            return bool(await self._redis.eval(_SWAP, 1, self._key, version, blob, self._kept_ms))
        except self._errors as error:
            raise self._failed(error) from None

    async def close(self) -> None:
        """Close the connection."""
        try:
            await self._redis.aclose()
        except self._errors as error:
            raise self._failed(error) from None

    def _failed(self, error: BaseException) -> StoreError:
        """In words without an address' password; what fails while it connects is told by its cause."""
        cause = error.__cause__ if isinstance(error.__cause__, self._errors) else error
        is_final = isinstance(cause, self._final)
        return StoreError(f"Redis at {self._where}: {type(cause).__name__}", is_final=is_final)

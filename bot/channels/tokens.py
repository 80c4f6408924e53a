"""One access token, shared by all processes, fetched by one of them at a time.

Used by the clients of all channels; DingTalk has two, one for each generation of its API.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from bot.core.clock import Clock
from bot.services.tokens import SharedToken, TokenStore

EARLY = timedelta(minutes=5)
CLAIM_SECONDS = 15.0
POLL_SECONDS, POLLS = 0.2, 50


class TokenKeeper:
    """Hold one token.

    Args:
        row: the token's name in the store.
        fetch: asks the platform for a token; told whether the one before was refused as wrong, and
            not only as too old, so that a platform that hands out one stable token renews it.
        sleep: waits between two looks at the store.
    """

    def __init__(
        self,
        row: str,
        *,
        fetch: Callable[[bool], Awaitable[SharedToken]],
        tokens: TokenStore,
        clock: Clock,
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self._row = row
        self._fetch = fetch
        self._tokens = tokens
        self._clock = clock
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._held: SharedToken | None = None

    async def get(self) -> str:
        """Return a token that is good for at least five minutes."""
        held = self._held
        if held is not None and self._is_good(held):
            return held.value
        async with self._lock:
            if self._held is not None and self._is_good(self._held):
                return self._held.value
            return (await self._obtain("", wrong=False)).value

    async def replace(self, refused: str, *, wrong: bool = False) -> str:
        """Drop a token that the platform refused and return another one, if there is one."""
        async with self._lock:
            await self._tokens.drop(self._row, refused)
            if self._held is not None and self._held.value != refused:
                return self._held.value
            self._held = None
            return (await self._obtain(refused, wrong=wrong)).value

    async def _obtain(self, refused: str, *, wrong: bool) -> SharedToken:
        """Take the token from the row, or fetch it; only one process fetches at a time."""
        for _ in range(POLLS):
            claimed = await self._tokens.claim(self._row, seconds=CLAIM_SECONDS)
            stored = await self._tokens.read(self._row)
            if stored is not None and stored.value != refused and self._is_good(stored):
                self._held = stored
                if claimed:
                    await self._tokens.release(self._row)
                return stored
            if claimed:
                break
            await self._sleep(POLL_SECONDS)
        # A claim that never came free does no harm: two may hold the same token.
        try:
            fetched = await self._fetch(wrong)
        except BaseException:
            await self._tokens.release(self._row)
            raise
        await self._tokens.save(self._row, fetched)
        self._held = fetched
        return fetched

    def _is_good(self, token: SharedToken) -> bool:
        return token.expires_at - EARLY > self._clock.now()

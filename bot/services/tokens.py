"""Access tokens of platforms, shared by all processes through one table row each.

`claim` is the lock on fetching: whoever gets it fetches, the others wait for the row to change.
Called by the clients of the channels; `MemoryTokens` is the twin for one process without a
database (tests, `xinqing doctor`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import or_, update
from sqlalchemy.dialects import postgresql, sqlite

from bot.core.clock import Clock
from bot.db.engine import Database
from bot.db.models import PlatformToken


@dataclass(frozen=True, slots=True)
class SharedToken:
    """A token and the moment from which the platform refuses it."""

    value: str
    expires_at: datetime

    def __repr__(self) -> str:
        """Hide the value from logs and tracebacks."""
        return f"SharedToken(expires_at={self.expires_at.isoformat()})"


class TokenStore(Protocol):
    """Where the clients of one account meet."""

    async def read(self, name: str) -> SharedToken | None:
        """Return the stored token, however old."""
        ...

    async def claim(self, name: str, *, seconds: float) -> bool:
        """Take the right to fetch a token for some seconds; False when another process has it."""
        ...

    async def save(self, name: str, token: SharedToken) -> None:
        """Store a fetched token and give the claim back."""
        ...

    async def release(self, name: str) -> None:
        """Give the claim back without a token."""
        ...

    async def drop(self, name: str, value: str) -> None:
        """Forget a token that the platform refused, unless a newer one is there already."""
        ...


class DatabaseTokens:
    """Tokens in the `platform_token` table, encrypted."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def read(self, name: str) -> SharedToken | None:
        """Return the stored token, however old."""
        async with self._database.read() as session:
            row = await session.get(PlatformToken, name)
        if row is None or row.token is None or row.expires_at is None:
            return None
        return SharedToken(row.token, row.expires_at)

    async def claim(self, name: str, *, seconds: float) -> bool:
        """Take the right to fetch a token for some seconds; False when another process has it."""
        now = self._clock.now()
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        async with self._database.write() as session:
            await session.execute(insert(PlatformToken).values(name=name).on_conflict_do_nothing())
            result = await session.execute(
                update(PlatformToken)
                .where(
                    PlatformToken.name == name,
                    or_(
                        PlatformToken.refreshing_until.is_(None),
                        PlatformToken.refreshing_until <= now,
                    ),
                )
                .values(refreshing_until=now + timedelta(seconds=seconds))
                .returning(PlatformToken.name)
            )
            return result.first() is not None

    async def save(self, name: str, token: SharedToken) -> None:
        """Store a fetched token and give the claim back."""
        await self._update(
            name, token=token.value, expires_at=token.expires_at, refreshing_until=None
        )

    async def release(self, name: str) -> None:
        """Give the claim back without a token."""
        await self._update(name, refreshing_until=None)

    async def drop(self, name: str, value: str) -> None:
        """Forget a token that the platform refused, unless a newer one is there already."""
        async with self._database.write() as session:
            row = await session.get(PlatformToken, name, with_for_update=True)
            if row is not None and row.token == value:
                row.token = row.expires_at = None

    async def _update(self, name: str, **values: object) -> None:
        async with self._database.write() as session:
            await session.execute(
                update(PlatformToken).where(PlatformToken.name == name).values(**values)
            )


class MemoryTokens:
    """Tokens of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[str, SharedToken] = {}
        self._claims: dict[str, datetime] = {}

    async def read(self, name: str) -> SharedToken | None:
        """Return the stored token, however old."""
        return self._tokens.get(name)

    async def claim(self, name: str, *, seconds: float) -> bool:
        """Take the right to fetch a token for some seconds; False when it is taken."""
        now = self._clock.now()
        if self._claims.get(name, now) > now:
            return False
        self._claims[name] = now + timedelta(seconds=seconds)
        return True

    async def save(self, name: str, token: SharedToken) -> None:
        """Store a fetched token and give the claim back."""
        self._tokens[name] = token
        self._claims.pop(name, None)

    async def release(self, name: str) -> None:
        """Give the claim back without a token."""
        self._claims.pop(name, None)

    async def drop(self, name: str, value: str) -> None:
        """Forget a token that the platform refused, unless a newer one is there already."""
        held = self._tokens.get(name)
        if held is not None and held.value == value:
            del self._tokens[name]

"""Who has signed in, and what they may at this moment: one reading for all who ask at once.

Called by the pages' door and by open event streams, through `LiveEvents.logins`. Fifty open pages
hear of a change at the same moment, and each of their streams and requests needs its person's
rights. A reading begins after everybody whom it answers has asked: no right outlives its end.
"""

from collections.abc import Collection

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from bot.core.clock import Clock
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Login, Staff
from bot.services import staff
from bot.services.shared_reads import GatheredReads
from bot.services.staff import IDLE, SignedIn, StaffView


class LoginReads:
    """The open logins, read for many at once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._by_token = GatheredReads(self._of_tokens)
        self._by_id = GatheredReads(self._of_ids)

    async def identify(
        self, ring: KeyRing, token: str, *, waiting: bool = False
    ) -> SignedIn | None:
        """Return who has signed in with this cookie; None when unknown, expired, idle or closed.

        Args:
            waiting: a login that still waits for its code counts too.
        """
        found = await self._by_token.get(staff.fingerprint(ring, token))
        if found is None or (found.waits_for_code and not waiting):
            return None
        return found

    async def still(self, login_id: int) -> StaffView | None:
        """Return what a person may now, for a page that stays open; None: the login has ended."""
        found = await self._by_id.get(login_id)
        return None if found is None or found.waits_for_code else found.staff

    async def _of_tokens(self, hashes: Collection[str]) -> dict[str, SignedIn]:
        async with self._database.read() as session:
            found = await self._logins(session, Login.token_hash.in_(hashes))
            return {row.token_hash: login for row, login in found}

    async def _of_ids(self, ids: Collection[int]) -> dict[int, SignedIn]:
        async with self._database.read() as session:
            found = await self._logins(session, Login.id.in_(ids))
            return {row.id: login for row, login in found}

    async def _logins(
        self, session: AsyncSession, which: ColumnElement[bool]
    ) -> list[tuple[Login, SignedIn]]:
        now = self._clock.now()
        query = (
            select(Login, Staff)
            .join(Staff, Staff.id == Login.staff_id)
            .options(defer(Staff.phone), defer(Staff.totp_secret), defer(Staff.password_hash))
            .where(
                which,
                Login.expires_at > now,
                Login.seen_at > now - IDLE,
                Staff.active.is_(True),
            )
        )
        rows = (await session.execute(query)).all()
        people = {person.id: person for _, person in rows}
        places = await staff.places_of(session, people.keys(), now)
        views = {one: staff.seen(person, places[one]) for one, person in people.items()}
        return [(row, staff.signed_in(row, views[person.id])) for row, person in rows]

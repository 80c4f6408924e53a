"""Turns that several processes take one after the other, where no row stands for them.

SQLite lets one writer in at a time anyway. On PostgreSQL a transaction takes an advisory lock and
gives it back at its end. Called by services inside their writing transaction.
"""

from enum import IntEnum

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


class Turn(IntEnum):
    """What is done by one transaction at a time; the number is the lock's."""

    MIGRATION = 7_309_265
    AUDIT_CHAIN = 7_309_266
    SIGN_IN = 7_309_267
    TREE = 7_309_268
    STAFF_IDS = 7_309_269


async def take_turn(session: AsyncSession, turn: Turn) -> None:
    """Wait until no other transaction has this turn, and keep it until the end of this one."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(turn)})

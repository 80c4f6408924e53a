"""The audit trail's chain: what was changed, taken out or slipped in is found."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select, update

from bot.db.engine import Database
from bot.db.models import AuditEntry
from bot.services import audit

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)


async def _fill(database: Database, count: int = 5) -> None:
    for number in range(count):
        async with database.write() as session:
            await audit.record(
                session,
                staff_id=None,
                action="case.read",
                object_kind="case",
                object_id=number,
                now=NOW + timedelta(seconds=number),
                data={"b": number, "a": "码"},
            )


async def _verify(database: Database) -> int | None:
    async with database.read() as session:
        return await audit.verify(session)


async def test_an_untouched_trail_fits(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "VERIFY_BATCH", 2)
    await _fill(database)
    assert await _verify(database) is None
    async with database.read() as session:
        entries = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    assert entries[0].previous_hash == audit.GENESIS
    assert [entry.previous_hash for entry in entries[1:]] == [e.hash for e in entries[:-1]]


async def test_an_empty_trail_fits(database: Database) -> None:
    assert await _verify(database) is None


@pytest.mark.parametrize(
    "change",
    [
        {"action": "case.listed"},
        {"object_id": 99},
        {"at": NOW - timedelta(days=1)},
        {"data": {"b": 2, "a": "别"}},
        {"hash": "0" * 64},
    ],
)
async def test_a_changed_entry_is_named(database: Database, change: dict[str, object]) -> None:
    await _fill(database)
    async with database.write() as session:
        await session.execute(update(AuditEntry).where(AuditEntry.id == 3).values(**change))
    assert await _verify(database) == 3


async def test_a_removed_entry_breaks_the_next(database: Database) -> None:
    await _fill(database)
    async with database.write() as session:
        await session.execute(delete(AuditEntry).where(AuditEntry.id == 2))
    assert await _verify(database) == 3


async def test_writers_at_once_keep_one_chain(database: Database) -> None:
    await asyncio.gather(*(_fill(database, 3) for _ in range(5)))
    assert await _verify(database) is None
    async with database.read() as session:
        hashes = (await session.scalars(select(AuditEntry.previous_hash))).all()
    assert len(hashes) == len(set(hashes)) == 15

"""Key rotation: every encrypted field of every table moves to the first key, while rows come in."""

import asyncio
from datetime import UTC, datetime

import pytest
from factories import (
    make_case,
    make_contact,
    make_delivery,
    make_district,
    make_message,
    make_staff,
)
from file_world import SECRET, fill_file
from retention_world import child_left
from sqlalchemy import select, text

from bot.db import crypto, rotate
from bot.db.base import Base
from bot.db.crypto import KeyRing, Undecipherable, new_key
from bot.db.engine import Database
from bot.db.models import Message, PhoneCall, Report
from bot.db.types import EncryptedJson, EncryptedText

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
OLD, NEW = new_key("old"), new_key("new")


async def fill(database: Database, rows: int = 3) -> None:
    async with database.write() as session:
        for number in range(rows):
            contact = await make_contact(session, now=NOW)
            contact.emergency_contact = f"号码{number}"
            message = await make_message(session, contact, now=NOW, text=f"第{number}句")
            await make_delivery(session, contact, now=NOW, body=f"答{number}", message=message)
            await make_case(session, contact, now=NOW)
            await make_staff(session, now=NOW)


async def key_ids(database: Database) -> set[str]:
    """Return the key ids of every encrypted value that stands in any table."""
    found: set[str] = set()
    async with database.read() as session:
        for table in Base.metadata.sorted_tables:
            for column in table.columns:
                if isinstance(column.type, EncryptedText | EncryptedJson):
                    query = text(f'SELECT "{column.name}" FROM {table.name}')
                    values = [row[0] for row in await session.execute(query)]
                    found |= {value.partition(".")[0] for value in values if value is not None}
    return found


async def test_everything_moves_to_the_first_key(database: Database) -> None:
    crypto.install(KeyRing.parse(OLD))
    await fill(database)
    assert await key_ids(database) == {"old"}
    crypto.install(KeyRing.parse(f"{NEW},{OLD}"))
    changed = await rotate.rotate(database)
    assert changed > 12
    assert await key_ids(database) == {"new"}
    crypto.install(KeyRing.parse(NEW))
    async with database.read() as session:
        assert (await session.get_one(Message, 1)).text == "第0句"
    assert await rotate.rotate(database) == 0


async def test_the_whole_file_of_a_case_moves_too(database: Database) -> None:
    crypto.install(KeyRing.parse(OLD))
    async with database.write() as session:
        here = await make_district(session, now=NOW)
        child = await child_left(session, NOW)
        contact = await make_contact(session, now=NOW)
        case = await make_case(session, contact, now=NOW, place=here.school)
        rows = await fill_file(session, case, here.counselor, here.school, child, at=NOW)
        values = [
            (row.__tablename__, column.name, getattr(row, column.name))
            for row in rows
            for column in row.__table__.columns
            if isinstance(column.type, EncryptedText | EncryptedJson)
        ]
    empty = {(table, name) for table, name, value in values if not value}
    assert not empty, f"tests/file_world.py leaves these empty: {empty}"
    assert len({(table, name) for table, name, _ in values}) >= 21
    crypto.install(KeyRing.parse(f"{NEW},{OLD}"))
    assert await rotate.rotate(database) >= len(values)
    assert await key_ids(database) == {"new"}
    crypto.install(KeyRing.parse(NEW))
    async with database.read() as session:
        assert (await session.scalars(select(PhoneCall))).one().note == SECRET
        assert (await session.scalars(select(Report))).one().officer == SECRET


async def test_rows_written_meanwhile_are_neither_lost_nor_touched(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate, "BATCH", 2)
    crypto.install(KeyRing.parse(OLD))
    await fill(database, rows=5)
    crypto.install(KeyRing.parse(f"{NEW},{OLD}"))

    async def write_on() -> None:
        for number in range(10):
            async with database.write() as session:
                contact = await make_contact(session, now=NOW)
                await make_message(session, contact, now=NOW, text=f"后来第{number}句")

    changed, _ = await asyncio.gather(rotate.rotate(database), write_on())
    assert changed >= 5 * 5
    assert await key_ids(database) == {"new"}
    async with database.read() as session:
        texts = set(await session.scalars(select(Message.text)))
    assert texts == {f"第{n}句" for n in range(5)} | {f"后来第{n}句" for n in range(10)}


async def test_a_field_under_an_unknown_key_stops_it_and_changes_nothing_of_its_batch(
    database: Database,
) -> None:
    crypto.install(KeyRing.parse(OLD))
    await fill(database)
    crypto.install(KeyRing.parse(NEW))
    with pytest.raises(Undecipherable):
        await rotate.rotate(database)
    assert await key_ids(database) == {"old"}

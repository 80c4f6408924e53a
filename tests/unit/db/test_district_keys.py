"""Districts' own data keys: what is written where, who can read it, and how it is rotated."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from factories import make_case, make_contact, make_delivery, make_message, make_staff
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import InputInvalid
from bot.db import crypto, field_keys, rotate, tenant_keys
from bot.db.crypto import KeyRing, Undecipherable, new_key
from bot.db.engine import Database
from bot.db.field_keys import FieldKeys
from bot.db.models import Contact, GapTicket, Message, Place, Staff, TenantKey
from bot.services import places

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
LATER = NOW + tenant_keys.WRITES_AFTER
OLD, NEW = new_key("old"), new_key("new")


@pytest.fixture(autouse=True)
def _no_keys_left_behind() -> Iterator[None]:
    """Give the process back without any district's key."""
    yield
    field_keys.use(FieldKeys())


@pytest.fixture
async def two(database: Database) -> tuple[Place, Place]:
    """Two districts, each with a school that has a parent, a message, a case and an answer."""
    crypto.install(KeyRing.parse(OLD))
    async with database.write() as session:
        return await _district(session, "晴川区"), await _district(session, "雨山区")


async def _district(session: AsyncSession, name: str) -> Place:
    district = await places.add(session, kind="district", name=name, parent=None)
    school = await places.add(session, kind="school", name=f"{name}一小", parent=district)
    contact = await make_contact(session, now=NOW, place=school)
    contact.emergency_contact = f"{name}的外婆"
    message = await make_message(session, contact, now=NOW, text=f"{name}的话", state="done")
    session.add(GapTicket(message_id=message.id, question=f"{name}的问题", created_at=NOW))
    await make_delivery(session, contact, now=NOW, body=f"{name}的答复", message=message)
    case = await make_case(session, contact, now=NOW, place=school)
    case.close_note = f"{name}的小结"
    await make_staff(session, now=NOW)
    return district


async def _make(database: Database, district: Place, now: datetime = NOW) -> str:
    async with database.write() as session:
        return await tenant_keys.make(session, district.id, now)


async def _load(database: Database, now: datetime = LATER) -> None:
    async with database.read() as session:
        await tenant_keys.load(session, now)


async def _keys_of(database: Database, column: str, table: str) -> list[str]:
    async with database.read() as session:
        rows = await session.execute(text(f"SELECT {column} FROM {table} ORDER BY 1"))
        return [row[0].partition(".")[0] for row in rows if row[0] is not None]


async def test_without_a_key_of_its_own_a_district_uses_the_ring(
    database: Database, two: tuple[Place, Place]
) -> None:
    await _load(database)
    with field_keys.of_place(two[0].id):
        assert field_keys.encrypt("词", purpose="message.text").startswith("old.")
    with field_keys.of_staff([two[0].id]):
        assert field_keys.encrypt("词", purpose="message.text").startswith("old.")


async def test_a_new_key_writes_only_after_everybody_can_read_it(
    database: Database, two: tuple[Place, Place]
) -> None:
    key = await _make(database, two[0])
    await _load(database, LATER - timedelta(seconds=1))
    assert key in field_keys.in_use().by_id
    with field_keys.of_place(two[0].id):
        assert field_keys.encrypt("词", purpose="message.text").startswith("old.")
    await _load(database)
    with field_keys.of_place(two[0].id):
        stored = field_keys.encrypt("词", purpose="message.text")
    assert stored.startswith(f"{key}.")
    assert field_keys.decrypt(stored, purpose="message.text") == "词"


async def test_what_a_place_writes_lies_under_its_district_s_key(
    database: Database, two: tuple[Place, Place]
) -> None:
    key = await _make(database, two[1])
    await _load(database)
    async with database.write() as session:
        school = (await session.scalars(select(Place).where(Place.name == "雨山区一小"))).one()
        with field_keys.of_place(school.id):
            contact = await make_contact(session, now=NOW, place=school)
            message = await make_message(session, contact, now=NOW, text="新的一句")
            await make_staff(session, now=NOW)
    async with database.read() as session:
        raw = await session.scalar(text(f"SELECT text FROM message WHERE id = {message.id}"))
        assert str(raw).startswith(f"{key}.")
        assert (await session.get_one(Message, message.id)).text == "新的一句"
    assert set(await _keys_of(database, "name", "staff")) == {"old"}


async def test_nobody_reads_another_district_s_field_by_mistake(
    database: Database, two: tuple[Place, Place]
) -> None:
    for district in two:
        await _make(database, district)
    await _load(database)
    await rotate.rotate(database)
    with field_keys.of_staff([two[0].id]):
        async with database.read() as session:
            mine = select(Message).join(Contact).join(Place).where(Place.parent_id == two[0].id)
            assert [row.text for row in await session.scalars(mine)] == ["晴川区的话"]
        async with database.read() as session:
            with pytest.raises(Undecipherable, match="another district"):
                (await session.scalars(select(Message))).all()
            assert len((await session.scalars(select(Staff))).all()) == 2
    with field_keys.of_staff([two[0].id, two[1].id]):
        async with database.read() as session:
            assert len((await session.scalars(select(Message))).all()) == 2
        assert field_keys.encrypt("词", purpose="message.text").startswith("old.")


async def test_rotation_moves_old_rows_to_their_district_and_touches_nobody_else(
    database: Database, two: tuple[Place, Place]
) -> None:
    key = await _make(database, two[0])
    await _load(database)
    columns = [
        ("text", "message"),
        ("body", "delivery"),
        ("question", "gap_ticket"),
        ("spans", "assessment"),
        ("close_note", "risk_case"),
        ("emergency_contact", "contact"),
    ]
    seen: list[tuple[int, int]] = []
    changed = await rotate.rotate(database, lambda done, total: seen.append((done, total)))
    assert changed == seen[-1][0] == seen[-1][1]
    for column, table in columns:
        assert sorted(await _keys_of(database, column, table)) == [key, "old"], table
    assert await rotate.rotate(database) == 0
    second = await _make(database, two[0], LATER)
    await _load(database, LATER + tenant_keys.WRITES_AFTER)
    assert await rotate.stale(database) == changed
    await rotate.rotate(database)
    for column, table in columns:
        assert sorted(await _keys_of(database, column, table)) == [second, "old"], table
    async with database.read() as session:
        retired = {row.key_id: row.retired_at for row in await session.scalars(select(TenantKey))}
        assert retired == {key: LATER, second: None}
        assert {row.text for row in await session.scalars(select(Message))} == {
            "晴川区的话",
            "雨山区的话",
        }


async def test_a_new_ring_seals_the_data_keys_anew_and_leaves_their_fields(
    database: Database, two: tuple[Place, Place]
) -> None:
    key = await _make(database, two[0])
    await _load(database)
    await rotate.rotate(database)
    crypto.install(KeyRing.parse(f"{NEW},{OLD}"))
    await rotate.rotate(database)
    assert await _keys_of(database, "sealed", "tenant_key") == ["new"]
    assert sorted(await _keys_of(database, "text", "message")) == [key, "new"]
    crypto.install(KeyRing.parse(NEW))
    field_keys.use(FieldKeys())
    await _load(database)
    async with database.read() as session:
        assert len((await session.scalars(select(Message.text))).all()) == 2


async def test_what_changes_while_it_is_rotated_is_not_overwritten(
    database: Database, two: tuple[Place, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate, "BATCH", 1)
    crypto.install(KeyRing.parse(f"{NEW},{OLD}"))

    async def erase() -> None:
        async with database.write() as session:
            await session.execute(update(Message).values(text=""))

    await asyncio.gather(rotate.rotate(database), erase())
    async with database.read() as session:
        assert set(await session.scalars(select(Message.text))) == {""}
    assert await rotate.stale(database) == 0


async def test_a_rotation_that_broke_off_goes_on(
    database: Database, two: tuple[Place, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate, "BATCH", 1)
    crypto.install(KeyRing.parse(f"{NEW},{OLD}"))
    total = await rotate.stale(database)

    def stop(done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await rotate.rotate(database, stop)
    assert await rotate.stale(database) == total - 3
    assert await rotate.rotate(database) == total - 3


async def test_a_database_that_is_busy_for_a_while_is_waited_for(
    database: Database, two: tuple[Place, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate, "BUSY_SECONDS", 0.0)
    crypto.install(KeyRing.parse(f"{NEW},{OLD}"))
    real, refusals = rotate._batch, [1, 2, 3]

    async def busy(*arguments: Any) -> list[Any]:
        if refusals:
            refusals.pop()
            raise OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))
        return await real(*arguments)

    monkeypatch.setattr(rotate, "_batch", busy)
    assert await rotate.rotate(database) > 0
    assert await rotate.stale(database) == 0
    refusals.extend(range(rotate.TRIES))
    with pytest.raises(OperationalError):
        await rotate.rotate(database)


async def test_only_a_district_has_a_key(database: Database, two: tuple[Place, Place]) -> None:
    async with database.write() as session:
        school = (await session.scalars(select(Place).where(Place.kind == "school"))).first()
        assert school is not None
        for wrong in (school.id, 999):
            with pytest.raises(InputInvalid):
                await tenant_keys.make(session, wrong, NOW)

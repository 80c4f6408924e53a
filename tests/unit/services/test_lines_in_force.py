"""The register in force: the tenant's rows, the packaged ones, and never a broken book."""

from datetime import UTC, date, datetime

from sqlalchemy import func, select

from bot.core.hotlines import load_hotlines
from bot.db.engine import Database
from bot.db.models import HotlineRow
from bot.services import hotlines
from bot.services.hotlines import Lines

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def row(number: str, *, hours: object = "24h", region: str = "", active: bool = True) -> HotlineRow:
    return HotlineRow(
        number=number,
        name="本校热线",
        what="心理老师",
        region=region,
        hours=hours,
        kinds=["psych", "own"],
        last_verified=date(2026, 11, 1),
        source="学校",
        active=active,
    )


async def test_an_empty_table_leaves_the_packaged_register(database: Database) -> None:
    lines = Lines()
    async with database.read() as session:
        assert await lines.reload(session)
    assert lines.book.numbers() == load_hotlines().numbers()


async def test_seeding_once_gives_the_same_book(database: Database) -> None:
    async with database.write() as session:
        count = await hotlines.seed(session)
        assert count == len(load_hotlines().lines)
        assert await hotlines.seed(session) == 0
        assert await session.scalar(select(func.count(HotlineRow.id))) == count
    lines = Lines()
    async with database.read() as session:
        assert await lines.reload(session)
    assert lines.book.numbers() == load_hotlines().numbers()
    for moment in (NOON, NOON.replace(hour=17)):
        printed = lines.book.open_lines(moment, ("psych", "emergency"), "3212")
        packaged = load_hotlines().open_lines(moment, ("psych", "emergency"), "3212")
        assert [line.number for line in printed] == [line.number for line in packaged]


async def test_the_tenants_own_line_is_printed_and_a_closed_one_is_not(database: Database) -> None:
    async with database.write() as session:
        await hotlines.seed(session)
        session.add(row("057212345678"))
        session.add(row("057287654321", active=False))
        session.add(row("057200000000", hours=None))
    lines = Lines()
    async with database.read() as session:
        assert await lines.reload(session)
    printed = {line.number for line in lines.book.open_lines(NOON, ("own",))}
    assert printed == {"057212345678"}


async def test_a_broken_row_leaves_the_book_before_in_force(database: Database) -> None:
    lines = Lines()
    before = lines.book
    async with database.write() as session:
        await hotlines.seed(session)
        session.add(row("057212345678", hours=[{"from": "soon", "to": "later"}]))
    async with database.read() as session:
        assert not await lines.reload(session)
    assert lines.book is before
    assert {"110", "120"} <= lines.book.numbers()


async def test_a_table_without_the_ambulance_is_refused(database: Database) -> None:
    lines = Lines()
    async with database.write() as session:
        session.add(row("057212345678"))
    async with database.read() as session:
        assert not await lines.reload(session)
    assert "120" in lines.book.numbers()

"""A register as a file: the entry that is wrong is named, what changes is told, all or nothing."""

import asyncio
from datetime import UTC, datetime
from importlib.resources import files

import pytest
from sqlalchemy import select

from bot.core.hotlines import HotlineBook, load_hotlines
from bot.db.engine import Database, make_engine
from bot.db.models import AuditEntry, HotlineRow
from bot.services import audit, hotlines
from bot.services.hotlines import Lines, stored
from bot.services.register import RegisterInvalid, compare, publish, read_register

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
PACKAGED = files("bot.core").joinpath("hotlines.toml").read_text(encoding="utf-8")
OWN = """
[[line]]
number = "0512-65797365"
name = "本区心理热线"
what = "区心理中心"
region = ""
hours = [{ days = [5, 1], from = "20:00", to = "08:00" }]
kinds = ["own"]
last_verified = 2026-11-22
source = "区教育局"
known_hours = true
"""


def own(old: str, new: str) -> str:
    """Return the packaged register with one more line, in which something is different."""
    assert OWN.count(old) == 1
    return PACKAGED + OWN.replace(old, new)


def without(text: str, number: str, region: str = "") -> str:
    """Return a register without one of its lines."""
    blocks = text.split("[[line]]")
    kept = [
        block
        for block in blocks
        if not (f'number = "{number}"' in block and f'region = "{region}"' in block)
    ]
    assert len(kept) == len(blocks) - 1
    return "[[line]]".join(kept)


def test_the_packaged_register_can_be_read() -> None:
    book = read_register(PACKAGED, sorted(load_hotlines().numbers()))
    assert book.lines == load_hotlines().lines


@pytest.mark.parametrize(
    ("old", "new", "code", "field"),
    [
        ('name = "本区心理热线"\n', "", "missing", "name"),
        ('name = "本区', 'colour = "red"\nname = "', "unknown", "colour"),
        ('"0512-65797365"', "51265797365", "type", "number"),
        ('"0512-65797365"', '"see board"', "rule", None),
        ('"本区心理热线"', '"一\\n二"', "text", "name"),
        ('"区心理中心"', f'"{"长" * 201}"', "text", "what"),
        ('"区教育局"', '"\\u0000"', "text", "source"),
        ('["own"]', '"own"', "type", "kinds"),
        ('["own"]', "[1]", "type", "kinds"),
        ("2026-11-22", '"2026-11-22"', "type", "last_verified"),
        ("2026-11-22", "2026-11-22T08:00:00", "type", "last_verified"),
        ("true", "false", "rule", None),
        ('region = ""', "region = 3205", "type", "region"),
        ('region = ""', 'region = "苏州"', "rule", None),
        ("[5, 1]", "[8]", "rule", None),
        ("[5, 1]", "5", "rule", None),
        ('"08:00"', '"8:00"', "rule", None),
        ('"0512-65797365"', '"12356"', "twice", None),
    ],
)
def test_the_wrong_entry_is_named_with_its_place(
    old: str, new: str, code: str, field: str | None
) -> None:
    text = own(old, new)
    with pytest.raises(RegisterInvalid) as caught:
        read_register(text)
    fields = caught.value.fields
    assert (caught.value.code, fields.get("field")) == (code, field)
    assert fields["entry"] == len(load_hotlines().lines) + 1
    assert text.splitlines()[int(str(fields["line"])) - 1] == "[[line]]"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[[line]", "syntax"),
        ("", "shape"),
        ("line = 5", "shape"),
        ("line = [5]", "shape"),
        ('title = "热线"\n' + PACKAGED, "shape"),
        (without(PACKAGED, "110"), "required"),
        (without(PACKAGED, "12356"), "needed"),
    ],
)
def test_a_register_that_is_wrong_as_a_whole_is_refused(text: str, code: str) -> None:
    with pytest.raises(RegisterInvalid) as caught:
        read_register(text, ["12356", "12356"])
    assert caught.value.code == code


async def test_publishing_stores_the_file_in_its_order_and_says_what_changed(
    database: Database,
) -> None:
    async with database.write() as session:
        await hotlines.seed(session)
    text = OWN + without(PACKAGED, "12356", "3205").replace("火警与消防救援", "火警")
    book = read_register(text)
    async with database.read() as session:
        rehearsed = compare(await stored(session), book)
    async with database.write() as session:
        difference = await publish(session, book, now=NOW)
    assert difference == rehearsed
    assert {(c.kind, c.number, c.region, c.fields) for c in difference.changes} == {
        ("new", "0512-65797365", "", ()),
        ("changed", "119", "", ("what",)),
        ("gone", "12356", "3205", ()),
    }
    assert not difference.reordered
    lines = Lines()
    async with database.read() as session:
        assert await lines.reload(session)
        (entry,) = await session.scalars(select(AuditEntry))
        assert await audit.verify(session) is None
    assert lines.book.lines == book.lines
    assert (entry.action, entry.staff_id) == ("hotlines.published", None)
    assert entry.data == {"rows": len(book.lines), "new": 1, "changed": 1, "gone": 1}


async def test_the_same_file_again_changes_nothing(database: Database) -> None:
    async with database.write() as session:
        await hotlines.seed(session)
        assert not await publish(session, read_register(PACKAGED), now=NOW)
        assert list(await session.scalars(select(AuditEntry))) == []


async def test_another_order_alone_is_published_too(database: Database) -> None:
    book = read_register(PACKAGED)
    turned = HotlineBook(reversed(book.lines))
    async with database.write() as session:
        await publish(session, book, now=NOW)
        difference = await publish(session, turned, now=NOW)
    assert (difference.changes, difference.reordered) == ((), True)
    async with database.read() as session:
        rows = await stored(session)
    assert [row["number"] for row in rows] == [line.number for line in turned.lines]


async def test_a_stopped_line_and_a_broken_table_are_mended_by_a_good_file(
    database: Database,
) -> None:
    async with database.write() as session:
        values = hotlines.values_of(load_hotlines().get("119"))
        session.add(HotlineRow(**values | {"active": False, "kinds": 5}))
    lines = Lines()
    async with database.write() as session:
        assert not await lines.reload(session)
        difference = await publish(session, read_register(PACKAGED), now=NOW)
        assert await lines.changed(session)
        assert await lines.reload(session)
        assert not await lines.changed(session)
    assert lines.book.get("119").kinds == ("fire",)
    changed = [change for change in difference.changes if change.kind == "changed"]
    assert [(change.number, change.fields) for change in changed] == [("119", ("kinds", "active"))]


async def test_two_who_publish_at_once_do_not_mix_their_rows(
    database: Database, database_url: str
) -> None:
    other = Database(make_engine(database_url))
    texts = [PACKAGED, own("本区心理热线", "另一条热线"), without(PACKAGED, "12356", "3205")]

    async def announce(house: Database, text: str) -> None:
        async with house.write() as session:
            await publish(session, read_register(text), now=NOW)

    try:
        await asyncio.gather(
            *(announce(house, text) for text in texts for house in (database, other))
        )
    finally:
        await other.close()
    async with database.read() as session:
        rows = await stored(session)
        assert await audit.verify(session) is None
    assert rows in [[hotlines.values_of(x) for x in read_register(text).lines] for text in texts]

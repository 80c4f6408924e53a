"""What a dry run says of rows: on their own, beside each other, beside what is stored."""

from collections.abc import Sequence

import pytest
from factories import make_district
from hypothesis import given, settings
from hypothesis import strategies as st
from import_world import Importer, phone
from sqlalchemy import select

from bot.core.clock import FixedClock
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Child
from bot.db.models.place import GRADUATED
from bot.services import people, places
from bot.services.importing import rows
from bot.services.importing.duplicates import compare
from bot.services.importing.rows import Raw, parse
from bot.services.importing.spelling import near
from bot.services.importing.words import words

CLASS = "三年级2班"
Row = Sequence[object]


def _mother(number: str, child: str, name: str, phone_number: int) -> Row:
    """Return a row of a child with its mother."""
    return (number, child, CLASS, name, "妈妈", phone(phone_number))


def _said(*given_rows: Row) -> list[list[str]]:
    """Return the codes of rows compared with one another."""
    fields = ("student_no", "child", "class", "g1_name", "g1_relation", "g1_phone")
    raws = [
        Raw(number, {name: str(value) for name, value in zip(fields, row, strict=False) if value})
        for number, row in enumerate(given_rows, 2)
    ]
    return [list(row.codes) for row in compare(parse(raw) for raw in raws)]


@pytest.mark.parametrize(
    ("row", "codes"),
    [
        (_mother("1", "", "妈", 1), ["no_name"]),
        (("1", "甲一", "", "妈", "妈妈", phone(1)), ["no_class"]),
        (("1", "甲" * 61, CLASS, "妈", "妈妈", phone(1)), ["name_long"]),
        (("1" * 41, "甲一", CLASS, "妈", "妈妈", phone(1)), ["number_long"]),
        (("1", "甲一", CLASS, "妈", "妈妈", "1234"), ["bad_phone", "no_guardian"]),
        (("1", "甲一", CLASS, "妈", "妈妈", ""), ["no_phone"]),
        (("1", "甲一", CLASS, "", "", phone(1)), ["no_guardian_name", "no_guardian"]),
        (("1", "甲一", CLASS, "妈", "邻居", phone(1)), ["relation_unknown"]),
        (("1", "甲一", CLASS), ["no_guardian"]),
        (_mother("1", "甲一", "妈", 1), []),
    ],
)
def test_a_row_on_its_own(row: Row, codes: list[str]) -> None:
    assert _said(row) == [codes]


def test_two_guardians_of_a_row_with_one_phone() -> None:
    data = {"child": "甲一", "class": CLASS}
    for number, name in ((1, "甲妈"), (2, "甲爸")):
        data |= {f"g{number}_name": name, f"g{number}_phone": phone(1)}
    assert parse(Raw(2, data)).codes == ("shared_phone",)


def test_two_guardians_of_two_rows_with_one_phone() -> None:
    said = _said(
        _mother("1", "甲一", "甲妈", 1),
        _mother("2", "乙二", "乙妈", 1),
    )
    assert said == [[], ["shared_phone"]]


def test_a_row_twice_is_a_duplicate() -> None:
    row = tuple(_mother("1", "甲一", "甲妈", 1))
    assert _said(row, row) == [[], ["duplicate:2"]]
    assert _said(("", *row[1:]), ("", *row[1:])) == [[], ["duplicate:2"]]


def test_one_child_under_two_spellings() -> None:
    for one, two in (("晴晓明", "晴小明"), ("張大雨", "张大雨"), ("阿依·古丽", "阿依古丽")):
        said = _said(_mother("", one, "妈", 1), _mother("", two, "妈", 1))
        assert said == [[], ["two_spellings:2"]], (one, two)


def test_brothers_and_sisters_are_two_children() -> None:
    said = _said(_mother("", "晴大河", "妈", 1), _mother("", "晴小溪", "妈", 1))
    assert said == [[], []]
    numbered = _said(
        _mother("1", "晴晓明", "妈", 1),
        _mother("2", "晴小明", "妈", 1),
    )
    assert numbered == [[], []]


def test_namesakes_of_one_class_need_numbers() -> None:
    one, two = ("甲一", CLASS, "张妈", "妈妈", phone(1)), ("甲一", CLASS, "李妈", "妈妈", phone(2))
    assert _said(("", *one), ("", *two)) == [[], ["same_name:2"]]
    assert _said(("1", *one), ("2", *two)) == [[], []]


def test_father_and_mother_in_two_rows_are_put_together() -> None:
    one, two = ("甲一", CLASS, "甲妈", "妈妈", phone(1)), ("甲一", CLASS, "甲爸", "爸爸", phone(2))
    assert _said(("", *one), ("", *two)) == [[], ["again:2"]]


def test_one_number_for_two_children() -> None:
    said = _said(
        _mother("1", "甲一", "甲妈", 1),
        _mother("1", "乙二", "乙妈", 2),
    )
    assert said == [[], ["number_twice:2"]]


@given(st.text(max_size=12), st.text(max_size=12))
@settings(max_examples=40, deadline=None)
def test_any_names_can_be_compared(one: str, two: str) -> None:
    assert near(one, one)
    assert isinstance(near(one, two), bool)


def test_every_code_has_words() -> None:
    said = words()
    assert set(said["code"]) >= rows.WRONG_CODES | rows.WARN_CODES | rows.ASK_CODES
    assert not rows.ASK_CODES & (rows.WRONG_CODES | rows.WARN_CODES)
    assert not rows.WRONG_CODES & rows.WARN_CODES


@pytest.fixture
async def importer(database: Database, ring: KeyRing, clock: FixedClock) -> Importer:
    async with database.write() as session:
        made = await make_district(session, now=clock.now())
        closed = await places.add(session, kind="class", name="六年级1班", parent=made.school)
        closed.state = GRADUATED
        for name in ("四年级1班", "四(1)班"):
            await places.add(session, kind="class", name=name, parent=made.school)
        grade = await places.add(session, kind="grade", name="五年级", parent=made.school)
        await places.add(session, kind="class", name="3班", parent=grade)
    return Importer(database, clock, ring, made.school.id)


async def test_classes_are_those_of_the_school(importer: Importer) -> None:
    names = ("三年级9班", "六年级1班", "4年级1班", "五年级3班", "初一1班")
    batch_id = await importer.check(
        [(str(number), f"甲{number}", name) for number, name in enumerate(names)]
    )
    assert [codes[-1] for _, codes in await importer.rows(batch_id)] == [
        "class_unknown",
        "class_closed",
        "class_twice",
        "adds_child",
        "class_unknown",
    ]


async def test_rows_beside_what_is_stored(importer: Importer) -> None:
    await importer.done(
        [
            _mother("1", "晴晓明", "明妈", 1),
            _mother("", "甲一", "甲妈", 2),
        ]
    )
    batch_id = await importer.check(
        [
            _mother("1", "晴小明", "明妈", 1),
            _mother("1", "乙二", "乙妈", 3),
            _mother("", "甲一", "别人妈", 4),
            _mother("", "晴小明", "明妈", 1),
        ]
    )
    assert await importer.rows(batch_id) == [
        ("wrong", ["number_spelling_stored"]),
        ("wrong", ["number_twice:2"]),
        ("wrong", ["same_name_stored"]),
        ("wrong", ["duplicate:2"]),
    ]


async def test_brothers_and_sisters_with_alike_names_are_asked_about(importer: Importer) -> None:
    alike = [_mother("", "晴子涵", "涵妈", 1), _mother("", "晴子晗", "涵妈", 1)]
    batch_id = await importer.check(alike)
    assert await importer.rows(batch_id) == [
        ("ready", ["adds_child", "adds_guardian"]),
        ("ask", ["two_spellings:2", "adds_child", "adds_guardian"]),
    ]
    await importer.choose(batch_id, [3])
    await importer.choose(batch_id, [])
    await importer.apply(batch_id)
    assert [state for state, _ in await importer.rows(batch_id)] == ["done", "ask"]
    second = await importer.check(alike)
    assert (await importer.rows(second))[1] == (
        "ask",
        ["two_spellings:2", "two_spellings_stored", "adds_child", "adds_tie"],
    )
    await importer.choose(second, [3])
    assert (await importer.rows(second))[1][0] == "ready"
    await importer.apply(second)
    async with importer.database.read() as session:
        names = [child.name for child in await session.scalars(select(Child).order_by(Child.id))]
    assert names == ["晴子涵", "晴子晗"]
    await importer.undo(second)
    assert (await importer.rows(second))[1][0] == "undone"


async def test_a_fourth_guardian_is_not_lost_silently(importer: Importer) -> None:
    header = ["姓名", "班级"]
    row = ["甲一", CLASS]
    for number in range(1, 5):
        header += [f"家长{number}姓名", f"家长{number}电话"]
        row += [f"甲家{number}", phone(number)]
    batch_id = await importer.check([row, row[:-2]], header=header)
    assert [codes[0] for _, codes in await importer.rows(batch_id)] == [
        "more_guardians",
        "duplicate:2",
    ]
    await importer.apply(batch_id)
    assert (await importer.rows(batch_id))[0][0] == "done"
    assert "more_guardians" in (await importer.rows(batch_id))[0][1]


async def test_a_child_that_had_left_comes_back(importer: Importer) -> None:
    first = await importer.done([_mother("1", "甲一", "甲妈", 1)])
    async with importer.database.write() as session:
        child = await session.scalar(select(Child))
        assert child is not None
        await people.leave(session, child, importer.now)
        left = (child.id, child.left_at)
    second = await importer.done([_mother("1", "甲一", "甲妈", 1)])
    assert "comes_back" in (await importer.rows(second))[0][1]
    async with importer.database.read() as session:
        here = await session.get_one(Child, left[0])
        assert (here.state, here.left_at) == ("active", None)
    await importer.undo(second)
    async with importer.database.read() as session:
        gone = await session.get_one(Child, left[0])
        assert (gone.state, gone.left_at) == ("left", left[1])
        assert len(await people.history(session, gone.id)) == 1
    await importer.undo(first)
    assert (await importer.rows(first))[0][0] == "kept"

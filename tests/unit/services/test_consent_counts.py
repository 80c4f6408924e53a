"""Numbers of consents: no name, no small number, none that can be reckoned from the others."""

from collections.abc import Mapping

import pytest
from factories import NIGHT, seen_as

from bot.core.errors import NotFound
from bot.core.phrases import load_phrases
from bot.db.engine import Database
from bot.db.models import Contact, Place
from bot.services import consent_counts, consents, places
from bot.services.consent_counts import COVERED, SMALL, Cell
from bot.services.staff import StaffView

KIND = "school"


class Town:
    """A district with a school of three classes, and parents by the dozen."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.at: dict[str, Place] = {}
        self._numbers = iter(range(1, 1000))

    async def build(self) -> None:
        """Make the places."""
        async with self.database.write() as session:
            district = await places.add(session, kind="district", name="晴川区", parent=None)
            school = await places.add(session, kind="school", name="一小", parent=district)
            grade = await places.add(session, kind="grade", name="三年级", parent=school)
            other = await places.add(session, kind="school", name="二小", parent=district)
            self.at = {"district": district, "school": school, "grade": grade, "other": other}
            for name in ("a", "b", "c"):
                self.at[name] = await places.add(session, kind="class", name=name, parent=grade)

    async def parents(self, place: str, count: int, what: str = "yes", version: int = 9) -> None:
        """Add parents of a class who agree (`yes`), refuse (`no`) or take back (`back`)."""
        async with self.database.write() as session:
            for _ in range(count):
                contact = Contact(
                    channel="wechat",
                    account="demo",
                    external_id=f"p{next(self._numbers)}",
                    place_id=self.at[place].id,
                    created_at=NIGHT,
                )
                session.add(contact)
                await session.flush()
                if what != "no":
                    await consents.give(session, contact.id, (KIND,), now=NIGHT, version=version)
                if what != "yes":
                    await consents.decline(session, contact.id, KIND, now=NIGHT, version=version)

    def lead(self, *names: str) -> StaffView:
        """Return a lead of places."""
        from bot.db.models import Staff

        person = Staff(id=1, login="lead", name="某老师")
        return seen_as(person, lead=tuple(self.at[name] for name in names))

    async def cells(self, *names: str, state: str = "standing") -> Mapping[str, Cell]:
        """Return one number for each place, as the whole file shows it."""
        seen = self.lead(*(names or tuple(self.at)))
        async with self.database.read() as session:
            lines = await consent_counts.lines(session, seen, load_phrases(), deep=True)
        return {line.place.name: line.cell(KIND, state) for line in lines}


@pytest.fixture
async def town(database: Database) -> Town:
    """A town without any parents."""
    made = Town(database)
    await made.build()
    return made


async def test_each_answer_is_counted_once_and_upwards(town: Town) -> None:
    await town.parents("a", 6)
    await town.parents("b", 7)
    await town.parents("c", 8)
    await town.parents("a", 5, "no")
    await town.parents("b", 5, "back")
    assert await town.cells() == {
        "晴川区": 21, "一小": 21, "三年级": 21, "二小": SMALL, "a": 6, "b": 7, "c": 8,
    } | {"一小": COVERED, "三年级": COVERED, "a": COVERED}  # fmt: skip
    assert (await town.cells(state="refused"))["晴川区"] == 5
    assert (await town.cells(state="withdrawn"))["晴川区"] == 5


async def test_small_numbers_are_not_shown_and_not_reckoned(town: Town) -> None:
    await town.parents("a", 9)
    await town.parents("b", 7)
    await town.parents("c", 2)
    shown = await town.cells("grade", "a", "b", "c")
    assert shown == {"三年级": 18, "a": 9, "b": COVERED, "c": SMALL}


async def test_two_small_ones_hide_each_other(town: Town) -> None:
    await town.parents("a", 9)
    await town.parents("b", 3)
    await town.parents("c", 2)
    shown = await town.cells("grade", "a", "b", "c")
    assert shown == {"三年级": 14, "a": 9, "b": SMALL, "c": SMALL}


async def test_a_hidden_sum_is_not_added_up_from_its_parts(town: Town) -> None:
    for name in ("a", "b", "c"):
        await town.parents(name, 6)
    await town.parents("other", 3)
    shown = await town.cells("district", "school", "other", "grade", "a", "b", "c")
    assert (shown["晴川区"], shown["二小"], shown["一小"]) == (21, SMALL, COVERED)
    assert COVERED in (shown["a"], shown["b"], shown["c"])


async def test_older_words_are_counted_apart(town: Town) -> None:
    await town.parents("a", 6, version=1)
    assert (await town.cells("a", state="older"))["a"] == 6
    assert (await town.cells("a"))["a"] == 6


async def test_who_chose_again_is_one_person(town: Town) -> None:
    await town.parents("a", 6, version=1)
    async with town.database.write() as session:
        for contact_id in range(1, 7):
            await consents.give(session, contact_id, (KIND,), now=NIGHT, version=9)
    assert (await town.cells("a", state="older"))["a"] == SMALL
    assert (await town.cells("a"))["a"] == 6


async def test_nobody_sees_another_school(town: Town) -> None:
    await town.parents("other", 8)
    assert set(await town.cells("school", "grade")) == {"一小", "三年级"}
    async with town.database.read() as session:
        with pytest.raises(NotFound):
            await consent_counts.lines(
                session, town.lead("school"), load_phrases(), place_id=town.at["other"].id
            )

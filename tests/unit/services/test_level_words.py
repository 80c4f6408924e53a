"""What a place calls the levels: the nearest one counts, and the direction is always said."""

import pytest
from factories import NIGHT, make_district, seen_as
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from bot.core.errors import InputInvalid, NotAllowed
from bot.core.levels import LEVELS
from bot.db.engine import Database
from bot.db.models import AuditEntry
from bot.services import level_words

WORDS = {"1": "一级", "2": "二级", "3": "三级", "3!": "特级"}
UPSIDE_DOWN = {"1": "四级", "2": "三级", "3": "二级", "3!": "一级"}


async def test_the_nearest_place_upwards_counts(database: Database) -> None:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        lead = seen_as(town.counselor, lead=(town.school, town.class_))
        district = seen_as(
            town.district_counselor, district=(town.district, town.school, town.other_school)
        )
        places = [town.class_.id, town.other_school.id, None]
        shown = await level_words.shown_many(session, places)
        assert {words["3!"] for words in shown.values()} == {"紧急(最高)"}
        await level_words.change(session, district, town.district.id, WORDS, now=NIGHT)
        await level_words.change(session, lead, town.school.id, UPSIDE_DOWN, now=NIGHT)
        shown = await level_words.shown_many(session, places)
        assert [shown[place]["3!"] for place in places] == [
            "一级(最高)",
            "特级(最高)",
            "紧急(最高)",
        ]
        assert (await level_words.shown(session, town.class_.id))["1"] == "四级(最低)"
        (mine,) = await level_words.spoken(session, lead)
        assert (mine.own, mine.words["3"]) == (True, "二级")
        await level_words.forget(session, lead, town.school.id, now=NIGHT)
        (mine,) = await level_words.spoken(session, lead)
        assert (mine.own, mine.above, mine.words["3"]) == (False, "晴川区", "三级")
        actions = await session.scalars(select(AuditEntry.action))
        assert list(actions) == ["level_words.change"] * 3


async def test_nobody_names_the_levels_of_another_school(database: Database) -> None:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        lead = seen_as(town.counselor, lead=(town.school,))
        for place_id in (town.other_school.id, town.district.id, None, 999):
            with pytest.raises(NotAllowed):
                await level_words.change(session, lead, place_id, WORDS, now=NIGHT)
            with pytest.raises(NotAllowed):
                await level_words.forget(session, lead, place_id, now=NIGHT)
        with pytest.raises(NotAllowed):
            await level_words.change(session, town.as_counselor, town.school.id, WORDS, now=NIGHT)


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("3!", ""),
        ("2", "  "),
        ("1", "很长的九个字的叫法"),
        ("3", "三级(最低)"),
        ("2", "三级"),
        ("1", "一\n级"),
    ],
)
async def test_a_word_that_would_mislead_is_refused(
    database: Database, code: str, word: str
) -> None:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        lead = seen_as(town.counselor, lead=(town.school,))
        with pytest.raises(InputInvalid):
            await level_words.change(session, lead, town.school.id, WORDS | {code: word}, now=NIGHT)


@given(st.dictionaries(st.sampled_from(LEVELS), st.text(max_size=8)))
def test_every_level_is_shown_with_its_direction(words: dict[str, str]) -> None:
    shown = level_words.with_direction(words)
    assert set(shown) == set(LEVELS)
    assert shown["3!"].endswith("(最高)")
    assert shown["1"].endswith("(最低)")
    assert all(shown.values())

"""On whose desk a case stands, and that no code lowers its level."""

from datetime import timedelta

import pytest
from factories import SCENE, incoming, make_contact
from house import CALM, DANGER, PARENT, URGENT, WORRY, Home
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.core.levels import rank
from bot.db.models import Case
from bot.services import cases, routing
from bot.services.cases import Cause
from knowledge.risk import Level

TEACHER = "老师当全班骂我儿子是猪"
OWN = "我不想活了"
ABUSE = "爸爸天天打孩子"


async def desk_of(home: Home, text: str, *, bound: bool = True) -> tuple[str, int | None]:
    """Return the kind of place and the place of the case that a text opens."""
    if bound:
        await home.driver.follow(PARENT, SCENE)
    await home.say(text)
    case = await home.case()
    return case.tier, case.place_id


async def test_a_childs_danger_stands_on_the_schools_desk(home: Home) -> None:
    assert await desk_of(home, DANGER) == ("school", home.place.school.id)


async def test_without_a_place_it_is_the_districts(home: Home) -> None:
    assert await desk_of(home, DANGER, bound=False) == ("district", home.place.district.id)


@pytest.mark.parametrize("text", [TEACHER, OWN], ids=["a teacher's misconduct", "an adult's own"])
async def test_what_the_school_does_not_see_first(home: Home, text: str) -> None:
    assert await desk_of(home, text) == ("district", home.place.district.id)


@pytest.mark.parametrize("text", [DANGER, URGENT, WORRY, ABUSE, TEACHER, OWN])
async def test_nothing_starts_at_the_class(home: Home, text: str) -> None:
    tier, place_id = await desk_of(home, text)
    assert tier != "class"
    assert place_id != home.place.class_.id


async def test_a_case_that_turns_out_to_be_the_districts_moves_there(home: Home) -> None:
    await home.driver.follow(PARENT, SCENE)
    now = home.clock.now()
    async with home.write() as session:
        contact = await make_contact(session, now=now, place=home.place.class_)
        policy = home.house.services.policy
        await cases.open_or_raise(
            session, policy, contact, None, Cause("2", ("NSSI",), "PC", "child"), now=now
        )
        later = now + timedelta(minutes=1)
        case = await cases.open_or_raise(
            session, policy, contact, None, Cause("3", ("TCH", "SA"), "PC", "child"), now=later
        )
        assert (case.place_id, case.tier) == (home.place.district.id, "district")
        # What is the district's does not go back to the school with a worse word.
        case = await cases.open_or_raise(
            session,
            policy,
            contact,
            None,
            Cause("3!", ("SI-AT",), "PC", "child"),
            now=later + timedelta(minutes=1),
        )
        assert (case.place_id, case.tier) == (home.place.district.id, "district")


codes = st.sampled_from(["TCH", "SA", "ABU", "DV", "SI-A", "NSSI", "BUL", "CGB", "RUN", "MED"])
subjects = st.sampled_from(["self", "child", "other", "unknown"])
speakers = st.sampled_from(["PS", "PC", "PO", "T", "S", "G", "Q", "X", ""])


@given(st.lists(codes, max_size=4), subjects, speakers)
def test_the_rule_of_the_desk(categories: list[str], subject: str, who: str) -> None:
    kind = routing.desk_kind(categories, subject=subject, who=who)
    assert kind in ("school", "district")
    if "TCH" in categories or (subject == "self" and who != "S"):
        assert kind == "district"


@given(st.sampled_from(["abuse", "self_harm", "bullying", "other"]), subjects, speakers)
def test_no_guardian_is_told_where_a_guardian_may_be_the_danger(
    family: str, subject: str, who: str
) -> None:
    allowed = routing.guardian_clock_allowed(family, subject=subject, who=who)
    if family == "abuse" or (subject == "self" and who != "S"):
        assert not allowed


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([CALM, WORRY, DANGER, URGENT, "开玩笑的", "", "转人工", "好了没事了"]),
            st.sampled_from([0, 1, 30, 200]),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    )
)
async def test_no_sequence_of_messages_lowers_a_case(
    home: Home, steps: list[tuple[str, int, bool]]
) -> None:
    """Whatever is written, however long after, whoever has accepted: the level only rises."""
    parent = f"o{home.clock.now().timestamp()}"
    highest = "0"
    for text, minutes, accepted in steps:
        home.clock.advance(minutes=minutes, seconds=1)
        receipt = await home.accept(incoming(text, at=home.clock.now(), sender=parent))
        await home.route(receipt)
        contact = await home.contact(parent)
        found = await home.rows(Case, Case.contact_id == contact.id)
        assert len(found) <= 1
        for case in found:
            assert rank(case.level) >= rank(highest)
            highest = case.level
            if accepted and case.state == "open":
                await home.take_case(case.id)
        if found and rank(found[0].level) >= 2:
            message = (await home.messages())[-1]
            assert rank(message.level) >= rank(highest)


def test_the_two_lists_of_levels_are_one() -> None:
    assert [rank(level.value) for level in Level] == [level.rank for level in Level]

"""Several questions in one message: two are answered in short, the rest is offered by number."""

from collections.abc import Sequence

import pytest
from factories import incoming
from fakes import FOUND, HOMEWORK, HOMEWORK_ENTRY, OFF_TOPIC, VAGUE, FakeAnswers, FakeRetriever
from house import Home, Houses

from bot.db.models import GapTicket

PHONE = "孩子玩手机停不下来"
SCHOOL = "孩子早上不肯上学"
Found = dict[str, Sequence[tuple[str, float]]]


@pytest.fixture
def found_here() -> Found:
    """What the search of this file finds."""
    return {**FOUND, PHONE: [("T07-01", 0.9)], SCHOOL: [("T05-01", 0.9)]}


@pytest.fixture
async def home(houses: Houses, found_here: Found) -> Home:
    """A house that searches there."""
    return await houses.make(answers=FakeAnswers(FakeRetriever(found_here)))


def titles(home: Home, *ids: str) -> list[str]:
    return [home.answers.handbook.entries[one].title for one in ids]


async def test_two_are_answered_and_the_rest_is_offered(home: Home) -> None:
    reply = await home.say(f"1. {HOMEWORK}\n2. {PHONE}\n3. {SCHOOL}\n4. {OFF_TOPIC}")
    for number, entry in enumerate((HOMEWORK_ENTRY, "T07-01"), 1):
        found = home.answers.handbook.entries[entry]
        assert f"{number}. {found.title}" in reply
        assert found.one_sentence in reply
    assert f"3. {titles(home, 'T05-01')[0]}" in reply
    assert "另有1个问题" in reply
    assert len(reply.encode()) <= 2048
    (ticket,) = await home.rows(GapTicket)
    assert ticket.question == OFF_TOPIC
    assert "手册T05-01" in await home.say("3")
    assert "手册T07-01" in await home.say("2"), "the others can still be chosen"
    await home.wait(seconds=5)
    assert len(home.sent()) == 1, "nothing but the greeting was sent beside the answers"


async def test_more_after_two_in_short_gives_the_first_in_full(home: Home) -> None:
    full = home.answers.handbook.entries[HOMEWORK_ENTRY].scripts[0]
    assert full not in await home.say(f"1. {HOMEWORK}\n2. {PHONE}\n3. {SCHOOL}")
    assert full in await home.say("更多")
    assert "手册T05-01" in await home.say("3"), "what was offered can still be chosen"


async def test_question_marks_alone_make_several_where_one_has_an_answer(
    home: Home, found_here: Found
) -> None:
    odd = "孩子最近有点怪怎么办？"
    found_here[f"{PHONE}怎么办？"] = [("T07-01", 0.9)]
    found_here[f"{SCHOOL}怎么办？"] = [("T05-01", 0.9)]
    found_here[odd] = [("T02-01", 0.2)]
    reply = await home.say(f"{PHONE}怎么办？{SCHOOL}怎么办？")
    assert "【1. " in reply
    assert "【2. " in reply
    reply = await home.say(f"{odd}{PHONE}怎么办？")
    assert f"【1. {titles(home, 'T07-01')[0]}" in reply
    assert f"2. {titles(home, 'T02-01')[0]}" in reply
    assert "手册T02-01" in await home.say("2")


async def test_question_marks_alone_make_one_where_nothing_is_certain_or_else(
    home: Home, found_here: Found
) -> None:
    found_here["他总是不听怎么办？"] = [("T02-01", 0.3)]
    found_here["孩子最近有点怪怎么办？"] = [("T02-01", 0.2)]
    assert "【1. " not in await home.say("他总是不听怎么办？孩子最近有点怪怎么办？")
    found_here[f"{PHONE}怎么办？"] = found_here["孩子玩手机管不住怎么办？"] = [("T07-01", 0.9)]
    assert "【1. " not in await home.say(f"{PHONE}怎么办？孩子玩手机管不住怎么办？")


async def test_where_none_is_certain_each_question_is_offered_once(
    home: Home, found_here: Found
) -> None:
    found_here["他晚上不肯睡"] = [("T11-08", 0.3)]
    reply = await home.say(f"想问：1. {VAGUE}\n2. 他晚上不肯睡\n3. {VAGUE}")
    assert [line[:2] for line in reply.splitlines() if line[1:2] == "."] == ["1.", "2."]


async def test_ten_questions_fit_one_message(houses: Houses) -> None:
    answers = FakeAnswers(FakeRetriever({}))
    longest = sorted(answers.handbook.entries.values(), key=lambda entry: -len(entry.title))[:10]
    found = {f"第{n}件怎么办": [(entry.id, 0.9)] for n, entry in enumerate(longest)}
    home = await houses.make(answers=FakeAnswers(FakeRetriever(found)))
    text = "想问：" + "".join(f"\n{n}. {asked}" for n, asked in enumerate(found, 1))
    reply = await home.say(text)
    assert len(reply.encode()) <= 2048
    assert all(entry.title in reply for entry in longest)
    assert f"手册{longest[9].id}" in await home.say("10")


async def test_what_one_answer_leaves_of_its_room_the_other_may_use(home: Home) -> None:
    reply = await home.say(f"1. {HOMEWORK}\n2. {PHONE}")
    flags = home.answers.handbook.entries[HOMEWORK_ENTRY].red_flags
    assert flags[0].sign in reply
    assert all(step[:8] in reply for step in home.answers.handbook.entries[HOMEWORK_ENTRY].steps)


async def ask_in_group(home: Home, text: str) -> str:
    receipt = await home.accept(incoming(text, at=home.clock.now(), group="class-302"))
    return "\n".join(await home.route(receipt))


async def test_in_a_group_the_first_that_is_certain_is_answered(home: Home) -> None:
    assert "手册T07-01" in await ask_in_group(home, f"1. {OFF_TOPIC}\n2. {PHONE}\n3. {SCHOOL}")


async def test_in_a_group_one_private_question_of_several_is_enough(
    home: Home, found_here: Found
) -> None:
    found_here["早恋怎么谈"] = [("T03-05", 0.9)]
    assert "手册" not in await ask_in_group(home, f"1. {PHONE}\n2. 早恋怎么谈")

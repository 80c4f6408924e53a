"""Below the reply to a worry of level 2 stands what the handbook has to it, by number."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import product

import pytest
from factories import NIGHT
from fakes import FOUND, HOMEWORK, HOMEWORK_ENTRY, OFF_TOPIC, FakeAnswers, FakeRetriever
from house import CALM, DANGER, URGENT, WORRY, Home, Houses

from bot.core.crisis import DUTIES, FAMILIES, SPEAKERS, compose
from bot.core.hotlines import load_hotlines
from bot.core.phrases import BYTE_LIMIT
from bot.db.models import Case, GapTicket
from bot.services.entries_below import entries_fit

TITLE_MARK = "手册里也有和你说的事相近的内容"
BELOW: dict[str, Sequence[tuple[str, float]]] = {
    **FOUND,
    WORRY: [("T03-03", 0.9), ("T03-04", 0.05), ("T06-01", 0.001)],
    DANGER: [("T03-01", 0.9)],
    URGENT: [("T03-01", 0.9)],
}


class BrokenRetriever(FakeRetriever):
    """A search that fails on everything."""

    def search(self, question: str, stage: str | None = None, top_k: int = 5) -> list[object]:  # type: ignore[override]  # never returns
        raise OSError("the index is gone")


@pytest.fixture
async def home(houses: Houses) -> Home:
    """A house whose search knows what a worry is about."""
    return await houses.make(answers=FakeAnswers(FakeRetriever(BELOW)))


def title(home: Home, entry: str) -> str:
    return home.answers.handbook.entries[entry].title


async def test_the_fixed_reply_stands_whole_above_the_entries(home: Home) -> None:
    reply = await home.say(WORRY)
    fixed, _, below = reply.partition("————")
    assert TITLE_MARK in below
    assert "120" in fixed
    assert "AI自动回复" in fixed
    assert f"1. {title(home, 'T03-03')}" in below
    assert f"2. {title(home, 'T03-04')}" in below
    assert "3. " not in below, "what is hardly near is not offered"
    assert len(reply.encode()) <= 2048
    (case,) = await home.rows(Case)
    assert case.level == "2", "the case is opened as ever"


async def test_a_number_gives_the_entry(home: Home) -> None:
    await home.say(WORRY)
    assert "手册T03-03" in await home.say("1")


@pytest.mark.parametrize("text", [DANGER, URGENT])
async def test_nothing_stands_below_a_higher_danger(home: Home, text: str) -> None:
    assert TITLE_MARK not in await home.say(text)


async def test_nothing_stands_below_while_a_higher_case_is_open(home: Home) -> None:
    await home.say(DANGER)
    assert TITLE_MARK not in await home.say(WORRY)


async def test_a_search_that_breaks_costs_nothing_of_the_reply(houses: Houses) -> None:
    home = await houses.make(answers=FakeAnswers(BrokenRetriever(BELOW)))
    reply = await home.say(WORRY)
    assert "120" in reply
    assert TITLE_MARK not in reply
    assert len(await home.rows(Case)) == 1


async def test_none_of_them_notes_nothing_and_says_whom_to_ask(home: Home) -> None:
    await home.say(WORRY)
    reply = await home.say("都不是")
    assert "这几条都不是" in reply
    assert "转人工" in reply
    assert not await home.rows(GapTicket)


@pytest.mark.parametrize("text", ["都没有", "一个", "1个", "在家", "都是", "我一个人"])
async def test_what_may_answer_the_safety_question_chooses_nothing(home: Home, text: str) -> None:
    await home.say(WORRY)
    reply = await home.say(text)
    assert "120" in reply
    assert "手册T03" not in reply
    assert "编辑" not in reply
    assert "手册T03-03" in await home.say("选1"), "and the numbers stand"


async def test_an_answer_before_the_worry_is_no_step(home: Home) -> None:
    await home.say(HOMEWORK)
    await home.say("孩子划自己手臂，也有网友要她发裸照")
    assert "120" in await home.say("在家")


async def test_the_words_said_in_an_open_case_never_reach_the_editors(home: Home) -> None:
    await home.say(WORRY)
    await home.say("没用")
    await home.say(f"他就是{OFF_TOPIC}")
    tickets = await home.rows(GapTicket)
    assert tickets
    assert {ticket.question for ticket in tickets} == {""}


@pytest.mark.parametrize("begun", ["紧急联系人", "删除我的数据"])
async def test_a_step_that_was_begun_goes_on(home: Home, begun: str) -> None:
    await home.say(begun)
    before = (await home.contact()).pending
    assert TITLE_MARK not in await home.say(WORRY)
    assert (await home.contact()).pending == before


async def test_nothing_stands_below_while_a_person_holds_the_conversation(home: Home) -> None:
    await home.say(CALM)
    async with home.write() as session:
        row = await session.merge(await home.contact())
        row.holder_id, row.held_since = (
            home.place.counselor.id,
            home.clock.now() - timedelta(days=1),
        )
    assert TITLE_MARK not in await home.say(WORRY)


async def test_of_several_questions_the_nearest_to_each_stand_below(houses: Houses) -> None:
    one, two = f"1. {WORRY}怎么办", f"2. {HOMEWORK}"
    found = {**BELOW, f"{WORRY}怎么办": [("T03-03", 0.9)]}
    home = await houses.make(answers=FakeAnswers(FakeRetriever(found)))
    below = (await home.say(f"{one}\n{two}")).partition("————")[2]
    assert title(home, "T03-03") in below
    assert title(home, HOMEWORK_ENTRY) in below


def test_whose_worry_has_entries_below() -> None:
    assert entries_fit("2", ["BUL"], None)
    assert entries_fit("2", ["NSSI"], "PC")
    assert entries_fit("2", ["DIS"], "G")
    assert not entries_fit("3", ["DIS"], "PC")
    assert not entries_fit("0", [], "PC")


@pytest.mark.parametrize(
    ("categories", "who"),
    [
        (["NSSI"], "S"),
        (["BUL"], "S"),
        (["VIO", "SI-P"], "PS"),
        (["SI-P"], "X"),
        (["DIS"], "X"),
        (["OD"], "X"),
        (["MED"], "X"),
        (["CGB", "SI-P"], "PC"),
        (["PND", "ABU", "DIS"], "PC"),
        (["DIS", "DV"], "PC"),
        (["ONL", "NSSI"], "PC"),
        (["TCH"], "PC"),
    ],
)
def test_where_nothing_but_the_reply_is_shown(categories: list[str], who: str) -> None:
    assert not entries_fit("2", categories, who)


def test_every_reply_of_level_two_leaves_room_for_an_entry() -> None:
    room = 420
    for family, speaker, duty in product(FAMILIES, SPEAKERS, DUTIES):
        reply = compose(family, speaker, "2", duty, load_hotlines(), NIGHT)
        assert len(reply.text.encode()) <= BYTE_LIMIT - room, reply.key

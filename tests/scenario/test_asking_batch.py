"""`xinqing ask --jsonl` shows the very decision and words of live, for several answers too."""

from fakes import FOUND, HOMEWORK, HOMEWORK_ENTRY, VAGUE, FakeAnswers, FakeRetriever
from house import Houses

from bot.cli.batch import _answer
from bot.cli.scratch import tell
from bot.core.messages import Outcome

PHONE = "孩子玩手机停不下来"
SEVERAL = f"1. {HOMEWORK}\n2. {PHONE}\n3. 他晚上不肯睡"
FOUND_HERE = {**FOUND, PHONE: [("T07-01", 0.9)], "他晚上不肯睡": [("T11-08", 0.3)]}


async def test_the_batch_form_has_the_words_of_live(houses: Houses) -> None:
    home = await houses.make(answers=FakeAnswers(FakeRetriever(FOUND_HERE)))
    for turns in (
        [SEVERAL],
        [SEVERAL, "3"],
        [HOMEWORK, "那学校能做什么"],
        [VAGUE, "1和3"],
        [VAGUE, "都不是"],
    ):
        outcome: Outcome | None = None
        person = f"row-{turns}"[:60]
        for turn in turns:
            _, outcome = await tell(home.house, person, turn, home.clock.now())
            live = await home.say(turn, parent=f"oLive{turns}"[:60])
        row = _answer(home.house, outcome)
        assert row["text"] == live, turns


async def test_of_several_answers_the_first_is_the_rows_entry(houses: Houses) -> None:
    home = await houses.make(answers=FakeAnswers(FakeRetriever(FOUND_HERE)))
    _, outcome = await tell(home.house, "one", SEVERAL, home.clock.now())
    row = _answer(home.house, outcome)
    assert (row["kind"], row["entry"], row["score"]) == ("answer", HOMEWORK_ENTRY, 0.93)
    assert row["candidates"][0]["entry"] == HOMEWORK_ENTRY
    assert all(f"{number}. " in row["text"] for number in (1, 2, 3))
    _, outcome = await tell(home.house, "two", "都不是", home.clock.now())
    assert _answer(home.house, outcome)["kind"] == "smalltalk"
    assert {"kind", "entry", "covers", "title", "text", "version", "state", "score"} <= row.keys()

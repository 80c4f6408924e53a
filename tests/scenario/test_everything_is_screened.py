"""Promise 1: no accepted text goes past the screen, whatever else is true of it.

**Taking the screen call out of the inbox makes this file fail**: once by reading the source, once
by what the screen was asked, and once by the cases that would be missing.
"""

import ast
import inspect
from typing import Any

import pytest
from factories import incoming
from fakes import ReadyScreen
from house import CALM, DANGER, PARENT, URGENT, Home, Houses

from bot.core.messages import IncomingMessage, Kind
from bot.pipeline import inbox
from bot.pipeline.inbox import Inbox
from bot.services.screening import Screen, Screened

TEXTS = ("", CALM, DANGER, "转人工", "删除", "停止", "1", "你好", "x" * 100_000)


def judged(home: Home) -> list[str]:
    assert isinstance(home.screen, ReadyScreen)
    return home.screen.judged


def calls(function: ast.AST, name: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == name
    ]


def test_the_source_judges_before_it_stores_and_under_no_condition() -> None:
    tree = ast.parse(inspect.getsource(inbox))
    methods = {
        node.name: node
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
    }
    take_in = methods["_take_in"]
    (judge,), (store,) = calls(take_in, "_judge"), calls(take_in, "_store")
    assert judge.lineno < store.lineno
    (taken,) = calls(methods["_accept"], "_take_in")
    for method, call in ((methods["_accept"], taken), (take_in, judge)):
        straight = [node for statement in method.body for node in ast.walk(statement)]
        assert call in straight
        for node in ast.walk(method):
            if isinstance(node, ast.If | ast.IfExp | ast.Try | ast.For | ast.While):
                assert call not in ast.walk(node), "the screen call stands under a condition"
    assert len(calls(methods["_judge"], "judge")) == 1
    assert not [n for n in ast.walk(methods["_judge"]) if isinstance(n, ast.If | ast.IfExp)]


@pytest.mark.parametrize("group", [None, "group-1"], ids=["1:1", "group"])
@pytest.mark.parametrize("stale", [False, True], ids=["fresh", "stale"])
async def test_every_kind_everywhere_is_judged(home: Home, group: str | None, stale: bool) -> None:
    for kind in Kind:
        receipt = await home.accept(
            incoming(
                DANGER, at=home.clock.now(), sender=f"o-{kind}", kind=kind, group=group, stale=stale
            )
        )
        assert receipt.level == "3"
    assert judged(home) == [DANGER] * len(Kind)
    assert [case.level for case in await home.cases()] == ["3"] * len(Kind)


async def test_every_text_is_judged_whole_and_before_it_is_stored(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    judge, store = Inbox._judge, Inbox._store

    def note_judge(self: Inbox, *args: Any) -> Screened:
        order.append("judge")
        return judge(self, *args)

    async def note_store(self: Inbox, *args: Any) -> object:
        order.append("store")
        return await store(self, *args)

    monkeypatch.setattr(Inbox, "_judge", note_judge)
    monkeypatch.setattr(Inbox, "_store", note_store)
    for number, text in enumerate(TEXTS):
        await home.accept(incoming(text, at=home.clock.now(), sender=f"oParent{number:04d}"))
    assert judged(home) == list(TEXTS)
    assert order == ["judge", "store"] * len(TEXTS)


async def test_a_conversation_that_a_person_holds_is_judged(staffed: Home) -> None:
    await staffed.say("转人工")
    await staffed.hold()
    judged(staffed).clear()
    assert "120" in await staffed.say(URGENT), "a first danger to life is answered all the same"
    assert judged(staffed) == [URGENT]
    assert (await staffed.case()).level == "3!"


async def test_a_stopped_contact_and_an_unfollowing_one_are_judged(staffed: Home) -> None:
    await staffed.say("停止")
    await staffed.say(DANGER)
    assert (await staffed.case()).level == "3"


async def test_a_duplicate_gives_the_stored_level_back(home: Home) -> None:
    message = incoming(DANGER, at=home.clock.now(), platform_id="77")
    first, second = await home.accept(message), await home.accept(message)
    assert (first.level, second.level) == ("3", "3")
    assert (first.duplicate, second.duplicate) == (False, True)
    assert len(await home.assessments()) == 1


async def test_the_danger_of_a_group_opens_a_case_that_says_phone(home: Home) -> None:
    receipt = await home.accept(incoming(DANGER, at=home.clock.now(), group="class-302"))
    (line,) = await home.route(receipt)
    case = await home.case()
    assert case.phone_now
    assert "一对一" in line
    assert "12356" in line
    assert "110" in line
    assert "自杀" not in line
    assert "孩子" not in line, "nothing in a group gives away what was written"


@pytest.mark.parametrize("text", [DANGER, URGENT, "怎么跟孩子说身体的隐私"])
async def test_in_a_group_danger_and_private_topics_get_one_and_the_same_line(
    home: Home, text: str
) -> None:
    receipt = await home.accept(incoming(text, at=home.clock.now(), group="class-302"))
    other = await home.accept(incoming(DANGER, at=home.clock.now(), group="g", sender="oOther"))
    assert await home.route(receipt) == await home.route(other)


async def test_without_the_screen_these_would_be_missed(houses: Houses) -> None:
    """What a service without the screen call looks like: this is what the others fail on."""

    class Blind(Screen):
        def judge(self, text: str, **_rest: object) -> Screened:
            return super().judge("", who=None, turns=(), floor="0", weak_signs=0)

    blind = await houses.make(screen=Blind())
    await blind.say(DANGER)
    await blind.say(URGENT, parent="oParent0002")
    assert await blind.cases() == []
    seeing = await houses.make()
    await seeing.say(DANGER)
    await seeing.say(URGENT, parent="oParent0002")
    assert [case.level for case in await seeing.cases()] == ["3", "3!"]


async def test_what_nobody_wrote_is_not_taken_for_words(home: Home) -> None:
    receipt: IncomingMessage = incoming(at=home.clock.now(), kind=Kind.RECEIPT)
    assert (await home.accept(receipt)).level == "0"
    assert judged(home) == [""]


async def test_turns_of_one_person_are_judged_together(home: Home) -> None:
    """A sign a message: each is weak, together they are not (the rules' own examples)."""
    seen: list[tuple[str, ...]] = []

    class Watching(ReadyScreen):
        def judge(self, text: str, **rest: Any) -> Screened:
            seen.append(tuple(rest["turns"]))
            return super().judge(text, **rest | {"turns": ()})

    home.house.inbox._screen = Watching()
    for text in ("第一句", "第二句", "第三句"):
        await home.say(text, parent=PARENT)
    await home.say("别人的话", parent="oOther")
    assert seen == [(), ("第一句",), ("第一句", "第二句"), ()]
    home.clock.advance(hours=25)
    await home.say("第二天的话", parent=PARENT)
    assert seen[-1] == ()

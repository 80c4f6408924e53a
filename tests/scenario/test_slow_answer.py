"""An answer that is not ready in time: an acknowledgement, then one message, never both."""

import pytest
import structlog.testing
from factories import ACCOUNT
from fakes import HOMEWORK
from house import DANGER, PARENT, SEND_PATH, Home

from bot.db.models import Delivery
from bot.pipeline import router


@pytest.fixture
def hurried(staffed: Home) -> Home:
    """A platform that waits for nothing, and a search that doesn't come back."""
    for channel in staffed.house.channels.values():
        channel.passive_seconds = 0.0
    staffed.answers.gate.clear()
    return staffed


async def finish(home: Home) -> None:
    """Let the search come back, and everything that waits for it end."""
    home.answers.gate.set()
    await home.house.reception.finish(5)
    await home.work()
    await home.wait(seconds=2)


async def test_an_acknowledgement_then_one_message(hurried: Home) -> None:
    response = await hurried.driver.post(hurried.driver.prepare(PARENT, HOMEWORK))
    hurried.platform.wrote(PARENT)
    assert (response.status_code, response.text) == (200, "success")
    assert hurried.sent() == []
    await finish(hurried)
    (answer,) = hurried.sent()
    assert "手册T06-01" in answer
    (delivery,) = await hurried.rows(Delivery, Delivery.kind == "answer")
    assert (delivery.route, delivery.state) == ("api", "accepted")


async def test_the_platforms_retries_get_acknowledgements_and_no_second_answer(
    hurried: Home,
) -> None:
    prepared = hurried.driver.prepare(PARENT, HOMEWORK)
    hurried.platform.wrote(PARENT)
    for _ in range(3):
        assert await hurried.driver.deliver(prepared) is None
    await finish(hurried)
    assert await hurried.driver.deliver(prepared) is None
    await hurried.work()
    assert len(hurried.sent()) == 1
    assert hurried.answers.retriever.asked == [HOMEWORK]  # type: ignore[attr-defined]


async def test_a_danger_behind_a_search_that_hangs_is_answered_at_once(
    hurried: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "URGENT_TURN_SECONDS", 0.0)
    assert await hurried.say(HOMEWORK) == ""
    hurried.house.channels["wechat", ACCOUNT].passive_seconds = 4.5
    assert "120" in await hurried.say(DANGER)
    await hurried.work()
    assert len(hurried.alerts()) == 1
    await finish(hurried)
    assert "手册T06-01" in hurried.sent()[0]


async def test_a_search_that_never_comes_back_ends_in_the_fallback(
    hurried: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "HANDLER_SECONDS", 0.0)
    hurried.house.channels["wechat", ACCOUNT].passive_seconds = 4.5
    assert "没能回答你" in await hurried.say(HOMEWORK)
    assert (await hurried.case()).origin == "handoff"


async def test_an_answer_in_time_is_not_sent_again(staffed: Home) -> None:
    assert "手册T06-01" in await staffed.say(HOMEWORK)
    await staffed.wait(minutes=1)
    await staffed.house.deliverer.sweep()
    await staffed.work()
    assert staffed.platform.calls.count(SEND_PATH) == len(staffed.sent())
    assert not [text for text in staffed.sent() if "手册T06-01" in text]


async def test_a_failure_after_the_time_is_up_is_logged_and_swept(
    hurried: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_args: object, **_kinds: object) -> None:
        await hurried.answers.gate.wait()
        raise OSError("the database is gone")

    monkeypatch.setattr(hurried.house.router, "_commit", fail)
    assert await hurried.say(HOMEWORK) == ""
    hurried.answers.gate.set()
    with structlog.testing.capture_logs() as logs:
        await hurried.house.reception.finish(5)
    assert ("route_failed", "OSError") in [(line["event"], line.get("error")) for line in logs]
    monkeypatch.undo()
    assert (await hurried.messages())[-1].state == "stored"
    hurried.clock.advance(seconds=21)
    await hurried.house.deliverer.sweep()
    await hurried.work()
    assert "手册T06-01" in hurried.sent()[0]


async def test_when_more_comes_than_can_be_answered_danger_goes_first(
    hurried: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ordinary questions wait for a free place; a danger is stored, answered and called at once."""
    parents = [f"oCrowd{number:02}" for number in range(router.ROUTES_AT_ONCE + 6)]
    for parent in parents:
        assert await hurried.say(HOMEWORK, parent=parent) == ""
    assert len(await hurried.messages()) == len(parents) + 1, "everything is stored meanwhile"
    assert hurried.answers.begun == router.ROUTES_AT_ONCE
    hurried.house.channels["wechat", ACCOUNT].passive_seconds = 4.5
    assert "120" in await hurried.say(DANGER)
    await finish(hurried)
    await hurried.work()
    for parent in parents:
        assert len([text for text in hurried.sent(parent) if "手册T06-01" in text]) == 1


async def test_a_parents_messages_are_answered_in_their_order_however_slow(
    hurried: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in (HOMEWORK, "谢谢"):
        assert await hurried.say(text) == ""
    await finish(hurried)
    await hurried.wait(seconds=5)
    handlers = [row.handler for row in await hurried.messages()][-2:]
    assert handlers == ["questions", "smalltalk"]
    replies = [row.kind for row in await hurried.deliveries() if row.message_id]
    assert replies.index("answer") < replies.index("smalltalk")

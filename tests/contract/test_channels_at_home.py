"""The suite of every channel, in the running house: what a parent and the people on duty rely on.

Each way in of each channel runs it (`channel_cases.py`), through the real door, a database and the
worker. What the channel alone promises is in `test_channels.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
import stamina
from channel_cases import GROUP_NAME, MEBIBYTE, NAME, Way, almost_too_large, ways
from factories import NIGHT, make_district
from fakes import HOMEWORK, PRIVATE, FakeAnswers, ReadyScreen
from house import CALM, DANGER, URGENT, make_settings
from sqlalchemy import select

from bot.core.clock import FixedClock
from bot.core.ports import CallbackRequest
from bot.db.base import Base
from bot.db.crypto import KeyRing
from bot.db.models import Alarm, Assessment, Case, Delivery, Message
from bot.simulator.platform import Fault
from bot.upkeep import prepare
from bot.wiring import House, build

SECRET = "这是只有我知道的一句话 13800000000"
CRISIS = "120"
WAYS = ways()
Row = TypeVar("Row", bound=Base)


def those(wanted: Callable[[type[Way]], object]) -> pytest.MarkDecorator:
    """Run a test with the ways of which something is true."""
    found = [way for way in WAYS if wanted(way)]
    return pytest.mark.parametrize("stay", found, indirect=True, ids=lambda way: str(way.name))


every = those(lambda way: True)
spoken = those(lambda way: way.speaks)
with_window = those(lambda way: way.speaks and way.window is not None)
with_group = those(lambda way: way.speaks and way.group)


class Stay:
    """A way in, and the house behind it."""

    def __init__(self, way: Way, house: House) -> None:
        self.way = way
        self.house = house
        self.inside: list[str] = []

    async def hear(self, call: CallbackRequest) -> int:
        """Deliver a call and let everything end that follows from it; return the status."""
        status, shown = await self.way.deliver(self.house, call)
        self.inside += [shown] if shown else []
        await self.settle()
        return status

    async def settle(self) -> None:
        """Let routing end and the worker do what is due, also what waits for a second reply."""
        await self.house.reception.finish(5)
        await self.house.worker.run_due()
        self.way.clock.advance(seconds=2)
        await self.house.worker.run_due()

    def shown(self) -> list[str]:
        """Return all that the person was shown 1:1."""
        return self.inside + self.way.platform.texts(self.way.person)

    async def rows(self, model: type[Row]) -> list[Row]:
        async with self.house.services.database.read() as session:
            return list(await session.scalars(select(model)))

    async def message(self) -> Message:
        (found,) = await self.rows(Message)
        return found


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=10, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture
async def stay(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path, ring: KeyRing
) -> AsyncIterator[Stay]:
    clock = FixedClock(NIGHT)
    way: Way = request.param(clock)
    house = build(
        make_settings(tmp_path, **{"alert": {}, "database_url": database_url, **way.settings()}),
        clock,
        answers=FakeAnswers(),
        screen=ReadyScreen(),
        transport=httpx2.ASGITransport(way.app),
    )
    async with house.services.database.write() as session:
        await make_district(session, now=clock.now())
    await prepare(house)
    way.targets()
    yield Stay(way, house)
    await house.reception.finish(5)
    await house.close()
    await way.close()


# Stored, screened, answered once ----------------------------------------------------------------


@spoken
async def test_a_question_is_stored_screened_and_answered(stay: Stay) -> None:
    assert await stay.hear(stay.way.call(HOMEWORK)) == 200
    message = await stay.message()
    assert (message.text, message.state, message.level) == (HOMEWORK, "done", "0")
    assert len(stay.shown()) >= 1
    assert bool(stay.inside) is stay.way.channel.answers_inside


@spoken
async def test_a_danger_opens_a_case_and_is_answered(stay: Stay) -> None:
    await stay.hear(stay.way.call(DANGER))
    (case,) = await stay.rows(Case)
    assert (case.level, case.phone_now) == ("3", False)
    assert CRISIS in stay.shown()[0]


@spoken
async def test_one_id_in_parallel_and_again_is_taken_once(stay: Stay) -> None:
    call = stay.way.call(DANGER)
    taken = await asyncio.gather(*(stay.way.deliver(stay.house, call) for _ in range(5)))
    await stay.settle()
    assert {status for status, _ in taken} == {200}
    assert await stay.hear(call) == 200
    await stay.message()
    assert len(await stay.rows(Assessment)) == 1
    assert len(await stay.rows(Case)) == 1
    shown = {words for _, words in taken if words} | set(stay.inside)
    sent = stay.way.platform.texts(stay.way.person)
    assert len(shown) + len(sent) == 1, "one reply, however often the platform asks for it"
    assert len(await stay.rows(Delivery)) == 1


@those(lambda way: not way.speaks)
async def test_an_event_is_taken_once_and_says_nothing(stay: Stay) -> None:
    call = stay.way.call("event-1")
    for _ in range(2):
        assert await stay.hear(call) == 200
    message = await stay.message()
    assert (message.text, message.answerable) == ("", False)
    assert list(stay.way.platform.sent) == []


# Time -------------------------------------------------------------------------------------------


@with_window
@pytest.mark.parametrize("ahead", [1, -1], ids=["ahead", "behind"])
async def test_outside_the_window_it_is_stored_and_screened_but_not_answered(
    stay: Stay, ahead: int
) -> None:
    """A clock that is off by more than the window, ours or theirs."""
    assert stay.way.window is not None
    at = stay.way.clock.now() + ahead * stay.way.window * 1.01
    assert await stay.hear(stay.way.call(DANGER, at=at)) == 200
    message = await stay.message()
    assert (message.text, message.level, message.answerable) == (DANGER, "3", False)
    assert [case.level for case in await stay.rows(Case)] == ["3"]
    stay.way.clock.advance(minutes=1)
    await stay.house.deliverer.sweep()
    await stay.settle()
    assert stay.shown() == []


@those(lambda way: way.speaks and way.window is None)
async def test_without_a_window_a_late_message_is_answered(stay: Stay) -> None:
    """The connection vouches for it: it was kept for us while nobody was connected."""
    at = stay.way.clock.now().replace(hour=0)
    assert await stay.hear(stay.way.call(DANGER, at=at)) == 200
    assert (await stay.message()).answerable
    assert CRISIS in stay.shown()[0]


@spoken
async def test_known_and_late_gets_no_second_answer(stay: Stay) -> None:
    call = stay.way.call(DANGER)
    await stay.hear(call)
    before = set(stay.shown())
    stay.way.clock.advance(hours=1)
    assert await stay.hear(call) == 200
    assert (await stay.message()).answerable
    assert set(stay.shown()) == before


# Large, strange, broken -------------------------------------------------------------------------


@those(lambda way: way.speaks and way.http)
async def test_more_than_a_mebibyte_is_refused_and_alarms(stay: Stay) -> None:
    call, words = almost_too_large(stay.way, DANGER)
    larger = call.body + b" " * (MEBIBYTE + 1 - len(call.body))
    assert await stay.hear(replace(call, body=larger)) == 413
    assert [alarm.kind for alarm in await stay.rows(Alarm)] == ["callback_too_large"]
    assert await stay.hear(call) == 200
    assert (await stay.message()).text == words


@spoken
async def test_a_danger_behind_a_hundred_thousand_characters(stay: Stay) -> None:
    text = "今天学校里一切都好。" * 10_000 + DANGER
    assert await stay.hear(stay.way.call(text)) == 200
    assert (await stay.message()).text == text
    assert [case.level for case in await stay.rows(Case)] == ["3"]
    assert CRISIS in stay.shown()[0]


@spoken
async def test_a_danger_in_a_kind_that_nobody_knows(stay: Stay) -> None:
    assert await stay.hear(stay.way.strange(DANGER)) == 200
    message = await stay.message()
    assert (message.kind, message.text, message.level) == ("other", DANGER, "3")
    assert CRISIS in stay.shown()[0]


@spoken
@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (f"\x00{DANGER}\x00", DANGER),
        (f"\ud83d{DANGER}", f"\ufffd{DANGER}"),
        (f"😭{DANGER}\udc00", f"😭{DANGER}\ufffd"),
    ],
    ids=["nul", "surrogate", "low surrogate"],
)
async def test_dirty_words_are_stored_screened_and_answered(
    stay: Stay, text: str, stored: str
) -> None:
    assert await stay.hear(stay.way.call(text)) == 200
    assert (await stay.message()).text == stored
    assert CRISIS in stay.shown()[0]


@every
async def test_what_is_signed_and_broken_is_refused_and_alarms(stay: Stay) -> None:
    for wrong, call in stay.way.broken().items():
        assert await stay.hear(call) == 400, wrong
    assert await stay.rows(Message) == []
    assert [alarm.kind for alarm in await stay.rows(Alarm)] == ["callback_unreadable"]
    assert await stay.hear(stay.way.call(CALM)) == 200, "and the next one is read"


@those(lambda way: way.http)
async def test_what_is_not_signed_is_refused_and_alarms_nobody(stay: Stay) -> None:
    for wrong, call in stay.way.forged(stay.way.call(DANGER)).items():
        if wrong == "not ASCII":
            continue  # An HTTP client can't send it as a header.
        for body in (call.body, b"", b"{", b"<"):
            assert await stay.hear(replace(call, body=body)) == 403, wrong
    assert await stay.rows(Message) == []
    assert await stay.rows(Case) == []
    assert await stay.rows(Alarm) == []


# In a group -------------------------------------------------------------------------------------


@with_group
async def test_a_danger_in_a_group_gets_one_neutral_line_there(stay: Stay) -> None:
    way = stay.way
    await stay.hear(way.call(DANGER, group=way.group))
    (line,) = way.platform.texts(way.group)
    assert "12356" in line
    assert "110" in line
    for word in ("自杀", "孩子", "不想活"):
        assert word not in line, "nothing in a group gives away what was written"
    (alone,) = stay.shown()
    assert CRISIS in alone
    assert alone != line
    (case,) = await stay.rows(Case)
    assert not case.phone_now, "this person could be written to 1:1"


@with_group
async def test_whatever_is_private_gets_the_same_line_in_a_group(stay: Stay) -> None:
    way = stay.way
    for text in (DANGER, URGENT, PRIVATE):
        await stay.hear(way.call(text, group=way.group))
        way.clock.advance(hours=5)
    lines = way.platform.texts(way.group)
    assert len(lines) == 3
    assert len(set(lines)) == 1


@with_group
async def test_a_danger_whose_author_can_not_be_written_to_says_phone(stay: Stay) -> None:
    way = stay.way
    await stay.hear(way.call(DANGER, person=way.outsider, group=way.group))
    (line,) = way.platform.texts(way.group)
    assert "12356" in line
    assert way.platform.texts(way.outsider) == []
    (case,) = await stay.rows(Case)
    assert case.phone_now


@with_group
async def test_a_plain_question_is_answered_where_it_was_asked(stay: Stay) -> None:
    way = stay.way
    await stay.hear(way.call(HOMEWORK, group=way.group))
    assert len(way.platform.texts(way.group)) == 1
    assert stay.shown() == []


# Sending ----------------------------------------------------------------------------------------


@spoken
@pytest.mark.parametrize("fault", [Fault.HTML, Fault.DOWN, Fault.TOKEN_EXPIRED])
async def test_a_reply_that_was_not_taken_is_not_delivered_and_goes_out_later(
    stay: Stay, fault: Fault
) -> None:
    way = stay.way
    for target in way.targets().values():
        way.platform.fail(target.path, fault, times=2)
    # Stopped before it is routed, as after a crash: so that every channel has to send by its API.
    await stay.house.inbox.accept(await way.arrive(way.call(DANGER)))
    way.clock.advance(seconds=30)
    await stay.house.deliverer.sweep()
    await stay.house.worker.run_due()
    (delivery,) = await stay.rows(Delivery)
    assert (delivery.state == "accepted") is bool(way.platform.texts(way.person))
    way.platform.heal()
    for _ in range(3):
        way.clock.advance(minutes=10)
        await stay.house.worker.run_due()
    (delivery,) = await stay.rows(Delivery)
    assert delivery.state == "accepted"
    assert len(way.platform.texts(way.person)) == 1


# Silence ----------------------------------------------------------------------------------------


@every
async def test_no_word_no_name_and_no_secret_is_logged(
    stay: Stay, logged: Callable[[], str]
) -> None:
    way = stay.way
    calls: list[Any] = [way.call(SECRET), way.call(DANGER, group=way.group), way.strange(SECRET)]
    for call in (*calls, *list(way.broken().values())[:4]):
        await stay.hear(call)
    for target in way.targets().values():
        way.platform.fail(target.path, Fault.DOWN, times=4)
    await stay.hear(way.call(SECRET))
    text = logged()
    assert "accepted" in text
    assert "callback_refused" in text or "malformed" in text
    for secret in (
        *way.secrets,
        *way.platform._tokens,
        *(NAME, GROUP_NAME, way.person, SECRET, "只有我知道", "13800000000", DANGER, "不想活"),
    ):
        assert secret not in text

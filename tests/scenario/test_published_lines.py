"""A register published by one process is what every other one prints, without a restart."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
from factories import SCENE
from house import DANGER, PARENT, Home, Houses
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from bot import upkeep
from bot.core.hotlines import Hotline, load_hotlines
from bot.db.models import Alarm, HotlineRow
from bot.services import alarms
from bot.services.register import publish
from bot.upkeep import follow_published, look_for_published

NUMBER = "0512-65797365"


async def announce(home: Home) -> None:
    """Publish the packaged register with one more line, as another process does."""
    line = load_hotlines().get("110")
    own = Hotline(
        NUMBER, "本区心理热线", "", "", "24h", ("own",), line.last_verified, "区教育局", True
    )
    async with home.write() as session:
        await publish(session, load_hotlines().with_lines([own]), now=home.clock.now())


async def until(condition: Callable[[], bool]) -> None:
    """Let tasks run until something is so."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # a database has no events
            await asyncio.sleep(0.01)


@pytest.fixture
async def pair(houses: Houses) -> tuple[Home, Home]:
    """Two houses on one database, and a parent."""
    one, two = await houses.make(), await houses.make()
    await two.driver.follow(PARENT, SCENE)
    return one, two


def prints(home: Home) -> bool:
    """Tell whether a house prints the new number."""
    return NUMBER in home.house.services.lines.book.numbers()


async def test_what_one_publishes_is_in_the_crisis_reply_of_the_other(
    pair: tuple[Home, Home],
) -> None:
    one, two = pair
    assert NUMBER not in await two.say(DANGER)
    await announce(one)
    assert not prints(two)
    await look_for_published(two.house)
    two.clock.advance(hours=1)
    assert NUMBER in await two.say(DANGER)
    assert await two.alarms() == []


async def follows(home: Home, other: Home) -> None:
    """Have a house follow, and publish in the other one as soon as it does."""
    following = asyncio.create_task(follow_published(home.house))
    notices = home.house.services.database.notices
    if not home.house.services.database.is_sqlite:
        await until(lambda: notices.listening)
    await announce(other)
    await until(lambda: prints(home))
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
    assert not notices.listening


async def test_without_a_notice_it_is_found_by_looking(
    pair: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "PUBLISHED_SECONDS", 0.05)

    async def lost(*_: object) -> None:
        """Lose every notice."""

    monkeypatch.setattr("bot.services.register.notify", lost)
    await follows(pair[1], pair[0])


@pytest.mark.postgresql(reason="LISTEN and NOTIFY")
async def test_a_notice_brings_it_at_once(
    pair: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "PUBLISHED_SECONDS", 3600.0)
    await follows(pair[1], pair[0])


def test_five_seconds_are_kept_without_notices() -> None:
    assert upkeep.PUBLISHED_SECONDS <= 4


async def test_a_broken_register_is_told_of_once_and_the_one_before_stays(
    pair: tuple[Home, Home],
) -> None:
    one, two = pair
    await announce(one)
    await look_for_published(two.house)
    async with one.write() as session:
        await session.execute(delete(HotlineRow).where(HotlineRow.number == "110"))
    for _ in range(3):
        await look_for_published(two.house)
    assert prints(two)
    reply = await two.say(DANGER)
    assert NUMBER in reply
    assert "110" in reply
    assert await two.alarms() == ["hotlines_invalid"]
    assert (await two.rows(Alarm))[0].count == 1
    # Still wrong, but otherwise: told of again.
    async with one.write() as session:
        await session.execute(update(HotlineRow).values(name="热线"))
    await look_for_published(two.house)
    assert (await two.rows(Alarm))[0].count == 2


async def test_an_alarm_that_could_not_be_written_is_raised_at_the_next_look(
    pair: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair
    await announce(one)
    async with one.write() as session:
        await session.execute(delete(HotlineRow).where(HotlineRow.number == "110"))

    async def full(*_: object, **__: object) -> None:
        raise OSError("full")

    with monkeypatch.context() as patched:
        patched.setattr(alarms, "raise_alarm", full)
        with pytest.raises(OSError, match="full"):
            await look_for_published(two.house)
    assert await two.alarms() == []
    await look_for_published(two.house)
    assert await two.alarms() == ["hotlines_invalid"]


async def test_two_that_tell_of_it_at_once_leave_one_alarm(pair: tuple[Home, Home]) -> None:
    one, two = pair
    await announce(one)
    async with one.write() as session:
        await session.execute(delete(HotlineRow).where(HotlineRow.number == "110"))
    looks = (look_for_published(home.house) for home in pair)
    failed = [each for each in await asyncio.gather(*looks, return_exceptions=True) if each]
    assert all(isinstance(each, IntegrityError) for each in failed)
    for home in pair:
        await look_for_published(home.house)
    assert await two.alarms() == ["hotlines_invalid"]
    assert (await two.rows(Alarm))[0].count == 2


async def test_an_emptied_table_means_the_packaged_register_again(
    pair: tuple[Home, Home],
) -> None:
    one, two = pair
    await announce(one)
    await look_for_published(two.house)
    assert prints(two)
    async with one.write() as session:
        await session.execute(delete(HotlineRow))
    await look_for_published(two.house)
    assert two.house.services.lines.book.lines == load_hotlines().lines

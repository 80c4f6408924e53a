"""The month's quota: counted over processes, warned of once, projected, saved when it runs out."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from bot.core.clock import FixedClock
from bot.core.phrases import load_alerts
from bot.db.engine import Database
from bot.db.models import Alarm, QuotaUse
from bot.services import quota
from bot.services.alerts import AlertPolicy
from bot.services.quota import Budget, Meter, Room, crossed, projected_end, usage

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
ROBOT, OTHER = ("dingtalk", "school1"), ("dingtalk", "school2")
SHARED = Budget("dingtalk/district", 100, 50)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
async def meter(database: Database, clock: FixedClock) -> AsyncIterator[Meter]:
    made = make(database, clock)
    yield made
    await made.close()


def make(database: Database, clock: FixedClock) -> Meter:
    policy = AlertPolicy([], load_alerts(), "http://desk.example/desk")
    return Meter(database, clock, policy, {ROBOT: SHARED, OTHER: SHARED})


def spend(meter: Meter, calls: int, account: tuple[str, str] = ROBOT) -> None:
    for _ in range(calls):
        meter.calls_of(account)("batchSend")


async def used(database: Database, clock: FixedClock) -> list[tuple[str, int, int]]:
    async with database.read() as session:
        found = await usage(session, [SHARED, SHARED], now=clock.now())
    return [(one.what, one.used, one.percent) for one in found]


async def alarms(database: Database) -> list[str]:
    async with database.read() as session:
        return list(await session.scalars(select(Alarm.key).order_by(Alarm.key)))


async def test_robots_and_processes_of_one_organisation_are_summed(
    database: Database, clock: FixedClock, meter: Meter
) -> None:
    second = make(database, clock)
    spend(meter, 3)
    spend(second, 4, OTHER)
    meter.heard(*ROBOT)
    meter.heard("wechat", "school1")
    await asyncio.gather(meter.flush(), second.flush())
    assert await used(database, clock) == [("calls", 7, 7), ("messages", 1, 2)]
    await second.close()


async def test_nothing_is_counted_twice_and_closing_writes_the_rest(
    database: Database, clock: FixedClock
) -> None:
    meter = make(database, clock)
    spend(meter, 2)
    await meter.flush()
    await meter.flush()
    spend(meter, 1)
    await meter.close()
    assert (await used(database, clock))[0] == ("calls", 3, 3)


async def test_what_is_counted_is_written_by_itself_after_seconds(
    database: Database, clock: FixedClock, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "FLUSH_SECONDS", 0)
    spend(meter, 2)
    assert meter._writing is not None
    await asyncio.wait_for(meter._writing, 5)
    assert (await used(database, clock))[0] == ("calls", 2, 2)
    spend(meter, 1)
    await asyncio.wait_for(meter._writing, 5)
    assert (await used(database, clock))[0] == ("calls", 3, 3)


async def test_a_database_that_fails_loses_no_count(
    database: Database, clock: FixedClock, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise OSError("away")

    spend(meter, 2)
    with monkeypatch.context() as patch:
        patch.setattr(database, "write", broken)
        await meter.flush()
    spend(meter, 1)
    await meter.flush()
    assert (await used(database, clock))[0] == ("calls", 3, 3)


async def test_each_mark_raises_its_alarm_once_whoever_crosses_it(
    database: Database, clock: FixedClock, meter: Meter
) -> None:
    second = make(database, clock)
    for calls, expected in (
        (79, []),
        (1, ["quota_low:dingtalk/district/calls/80"]),
        (14, ["quota_low:dingtalk/district/calls/80"]),
        (
            9,
            ["quota_low:dingtalk/district/calls/80", "quota_low:dingtalk/district/calls/95"],
        ),
    ):
        spend(meter, calls - calls // 2)
        spend(second, calls // 2)
        await asyncio.gather(meter.flush(), second.flush())
        assert await alarms(database) == expected
    async with database.read() as session:
        assert set(await session.scalars(select(Alarm.count))) == {1}
    await second.close()


async def test_messages_have_their_own_marks(database: Database, meter: Meter) -> None:
    for _ in range(40):
        meter.heard(*ROBOT)
    await meter.flush()
    assert await alarms(database) == ["quota_low:dingtalk/district/messages/80"]


async def test_a_month_begins_at_midnight_in_china(
    database: Database, clock: FixedClock, meter: Meter
) -> None:
    clock.moment = datetime(2026, 11, 30, 15, 59, tzinfo=UTC)
    spend(meter, 5)
    clock.advance(minutes=2)
    spend(meter, 2)
    await meter.flush()
    assert (await used(database, clock))[0] == ("calls", 2, 2)
    async with database.read() as session:
        rows = await session.execute(select(QuotaUse.month, QuotaUse.calls))
        assert sorted(tuple(row) for row in rows) == [("2026-11", 5), ("2026-12", 2)]


async def test_room_grows_narrow_near_the_end_and_counts_what_is_not_written_yet(
    meter: Meter,
) -> None:
    spend(meter, 94)
    await meter.flush()
    assert await meter.room(ROBOT) is Room.PLENTY
    spend(meter, 1)
    assert await meter.room(ROBOT) is Room.SCARCE
    assert await meter.room(("wechat", "school1")) is Room.PLENTY


async def test_a_refusal_lasts_an_hour_and_raises_the_alarm(
    database: Database, clock: FixedClock, meter: Meter
) -> None:
    await meter.refused(OTHER)
    assert await meter.room(ROBOT) is Room.NONE
    assert await alarms(database) == ["quota_exhausted:dingtalk/district/calls"]
    clock.advance(hours=1)
    assert await meter.room(ROBOT) is Room.PLENTY


async def test_the_next_month_forgets_a_refusal(clock: FixedClock, meter: Meter) -> None:
    clock.moment = datetime(2026, 11, 30, 15, 50, tzinfo=UTC)
    await meter.refused(ROBOT)
    clock.advance(minutes=11)
    assert await meter.room(ROBOT) is Room.PLENTY


def test_an_end_is_projected_from_the_rate_since_the_first_use() -> None:
    since = NOW - timedelta(days=10)
    assert projected_end(50, 60, since, NOW) == NOW + timedelta(days=2)
    assert projected_end(50, 5000, since, NOW) is None
    assert projected_end(60, 60, since, NOW) == NOW
    assert projected_end(0, 60, since, NOW) is None
    assert projected_end(50, 0, since, NOW) is None
    # The first hour of the first day says little: it is taken for a whole day.
    assert projected_end(10, 20, NOW - timedelta(hours=1), NOW) == NOW + timedelta(days=1)


@given(st.lists(st.integers(0, 60), max_size=30), st.integers(1, 400))
def test_however_it_is_counted_each_mark_is_crossed_once(steps: list[int], limit: int) -> None:
    total, seen = 0, []
    for step in steps:
        seen += crossed(total, total + step, limit)
        total += step
    assert seen == [percent for percent in (80, 95) if total * 100 >= limit * percent and total]


def test_without_a_limit_nothing_is_crossed() -> None:
    assert crossed(0, 10**9, 0) == []

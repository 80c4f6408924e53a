"""Alarms reach the group at the top: the first of a kind, again once cleared, once an hour."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from bot.core.phrases import load_alerts
from bot.db.engine import Database
from bot.db.models import Alarm, Delivery, Job
from bot.services import alarms
from bot.services.alerts import AlertPolicy, AlertTarget

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
SCHOOL, DISTRICT = AlertTarget("s", "school"), AlertTarget("d", "district")


def policy(*targets: AlertTarget) -> AlertPolicy:
    return AlertPolicy(targets, load_alerts(), "http://desk.example/desk")


async def raise_one(
    database: Database,
    kind: str = "rules_invalid",
    *,
    minutes: float = 0,
    subject: str = "",
    made: AlertPolicy | None = None,
) -> None:
    async with database.write() as session:
        await alarms.raise_alarm(
            session,
            kind,
            now=NOW + timedelta(minutes=minutes),
            subject=subject,
            policy=made or policy(SCHOOL, DISTRICT),
        )


async def clear_all(database: Database) -> None:
    async with database.write() as session:
        for alarm in await session.scalars(select(Alarm)):
            await alarms.clear(session, alarm.id, staff_id=None, now=NOW)


async def posts(database: Database) -> list[Delivery]:
    async with database.read() as session:
        return list(await session.scalars(select(Delivery).order_by(Delivery.id)))


async def test_the_first_alarm_is_posted_to_the_top_without_details(
    database: Database,
) -> None:
    await raise_one(database, subject="wechat/school1")
    (post,) = await posts(database)
    assert (post.target, post.route, post.case_id, post.contact_id) == ("d", "alert", None, None)
    assert post.source == "phrase:alert.alarm@1"
    assert "http://desk.example/admin" in post.body
    for detail in ("rules", "wechat", "school1", "规则"):
        assert detail not in post.body
    async with database.read() as session:
        (job,) = await session.scalars(select(Job))
    assert (job.kind, job.lane, job.payload) == ("alert.send", "alert:d", {"delivery": post.id})
    assert job.prio > 3, "no alarm goes before a case"


async def test_the_same_alarm_is_counted_and_not_posted_again(database: Database) -> None:
    for minutes in (0, 1, 59, 120):
        await raise_one(database, minutes=minutes)
    assert len(await posts(database)) == 1


async def test_a_cleared_alarm_that_comes_back_is_posted_but_once_an_hour(
    database: Database,
) -> None:
    await raise_one(database)
    for minutes, expected in ((10, 1), (59, 1), (61, 2), (100, 2), (122, 3)):
        await clear_all(database)
        await raise_one(database, minutes=minutes)
        assert len(await posts(database)) == expected, minutes


async def test_once_an_hour_for_each_kind_whatever_its_subject(database: Database) -> None:
    for subject in ("wechat/a", "wechat/b"):
        await raise_one(database, "callback_unreadable", subject=subject)
    await raise_one(database, "callback_too_large")
    await raise_one(database, "callback")
    assert len(await posts(database)) == 3


async def test_without_a_group_it_is_only_recorded(database: Database) -> None:
    await raise_one(database, made=policy())
    assert await posts(database) == []
    async with database.read() as session:
        assert await alarms.count_open(session) == 1

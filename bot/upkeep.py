"""What a process does beside answering: prepares lanes and lines, sweeps, follows what is new.

Called by `bot.app` and by `xinqing work`.
"""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db import tenant_keys
from bot.db.notices import Topic
from bot.jobs.retention import schedule_forgetting
from bot.jobs.table import ensure_lane, ensure_schedule
from bot.pipeline import again
from bot.pipeline.courses import schedule_weekly
from bot.services import alarms, places
from bot.services.anchors import schedule_anchors
from bot.services.handbook_in_force import ALARM
from bot.services.retention import schedule_nights
from bot.services.roster_watch import schedule_roster
from bot.wiring import House

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 5.0
NIGHTLY = "30 3 * * *"
# 20 a minute is the platforms' limit for a group robot: 5 at once and 15 a minute keep below it.
ALERT_LANE = {"per_second": 0.25, "burst": 5}
# WeChat gives no limit a second for customer messages: this keeps a burst from hurting the box.
# DingTalk takes 20 calls a second for an app and interface.
CHANNEL_LANES = {
    "wechat": {"per_second": 50.0, "burst": 50},
    "dingtalk": {"per_second": 15.0, "burst": 5},
}
# A second look takes some 20 ms of a core: what piled up may cost a fifth of it, not all.
AGAIN_LANE = {"per_second": 10.0, "burst": 5}
# What is published is in force everywhere within 5 s, also where no notice tells of it.
PUBLISHED_SECONDS = 3.0
# The handbook's files tell nobody of a change; to read and index them takes some seconds more.
HANDBOOK_SECONDS = 1.0
STREAM_LOOK_SECONDS = 10.0
STREAM_DOWN = timedelta(minutes=2)


async def prepare(house: House) -> None:
    """Bring lanes and hotlines into force and record what could not be loaded."""
    services = house.services
    now = services.clock.now()
    await house.rules_in_force.follow(services.policy)
    async with services.database.write() as session:
        for name in house.senders:
            await ensure_lane(
                session,
                f"alert:{name}",
                per_second=float(ALERT_LANE["per_second"]),
                burst=int(ALERT_LANE["burst"]),
            )
        for channel, account in house.channels:
            await ensure_lane(
                session,
                f"{channel}:{account}",
                per_second=float(CHANNEL_LANES[channel]["per_second"]),
                burst=int(CHANNEL_LANES[channel]["burst"]),
            )
        await ensure_lane(
            session,
            again.LANE,
            per_second=float(AGAIN_LANE["per_second"]),
            burst=int(AGAIN_LANE["burst"]),
        )
        await ensure_schedule(
            session,
            "nightly",
            cron=NIGHTLY,
            kind="upkeep.nightly",
            payload={},
            misfire_seconds=24 * 3600,
            now=now,
        )
        await schedule_forgetting(session, now)
        await schedule_nights(session, now)
        await schedule_anchors(session, now)
        await schedule_roster(session, now)
        await schedule_weekly(session, now)
        for channel, account in await _homeless(session, house):
            await alarms.raise_alarm(
                session,
                "home_unknown",
                now=now,
                subject=f"{channel}/{account}",
                policy=services.policy,
            )
        if not await services.lines.reload(session):
            await alarms.raise_alarm(session, "hotlines_invalid", now=now, policy=services.policy)
        if services.screen.problem is not None:
            await alarms.raise_alarm(session, "rules_invalid", now=now, policy=services.policy)
        if services.screen.unaided is not None:
            await alarms.raise_alarm(
                session, "classifier_unusable", now=now, policy=services.policy
            )
        if services.answers.retriever.degraded is not None:
            await alarms.raise_alarm(session, "retrieval_degraded", now=now, policy=services.policy)
        if house.handbook_in_force.problem is not None:
            await alarms.raise_alarm(session, ALARM, now=now, policy=services.policy)


async def _homeless(session: AsyncSession, house: House) -> list[tuple[str, str]]:
    """Return the accounts whose `HOME` names no place: their contacts fall to the district."""
    return [
        key
        for key, scene in house.inbox.homes.items()
        if scene and await places.of_scene(session, scene) is None
    ]


async def sweep_forever(house: House) -> None:
    """Pick up again and again what a dead process or a broken connection left behind."""
    while True:
        try:
            await house.trouble.settle()
            await house.deliverer.sweep()
        except Exception as error:
            log.error("sweep_failed", error=type(error).__name__)
        await asyncio.sleep(SWEEP_SECONDS)


async def follow_published(house: House) -> None:
    """Take over what any process publishes: at its notice, else at the next look."""
    async with asyncio.TaskGroup() as group:
        # Each by itself: while a handbook is indexed, rules and lines are taken over all the same.
        group.create_task(_follow_tables(house), name="published tables")
        group.create_task(_follow_handbook(house), name="published handbook")


async def _follow_handbook(house: House) -> None:
    while True:
        await asyncio.sleep(HANDBOOK_SECONDS)
        try:
            await look_for_handbook(house)
        except Exception as error:
            log.error("handbook_unread", error=type(error).__name__)


async def look_for_handbook(house: House) -> None:
    """Look once whether the handbook's files have changed, and take them over."""
    await house.handbook_in_force.follow(house.services.policy)


async def _follow_tables(house: House) -> None:
    woken = asyncio.Event()
    leave = house.services.database.notices.hear(Topic.PUBLISHED, woken.set)
    try:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PUBLISHED_SECONDS):
                    await woken.wait()
            woken.clear()
            try:
                await look_for_published(house)
            except Exception as error:
                log.error("published_unread", error=type(error).__name__)
    finally:
        leave()


async def look_for_published(house: House) -> None:
    """Look once; what is wrong is told of once, and what was there before stays in force."""
    async with house.services.database.read() as session:
        await tenant_keys.load(session, house.services.clock.now())
    await _look_for_lines(house)
    await house.rules_in_force.follow(house.services.policy)


async def _look_for_lines(house: House) -> None:
    services = house.services
    async with services.database.read() as session:
        if not await services.lines.changed(session) or await services.lines.reload(session):
            return
    try:
        async with services.database.write() as session:
            now = services.clock.now()
            await alarms.raise_alarm(session, "hotlines_invalid", now=now, policy=services.policy)
    except Exception:
        services.lines.forget()
        raise


async def watch_streams(house: House) -> None:
    """Raise an alarm for a Stream connection that has been down for some minutes."""
    down: dict[str, datetime] = {}
    while house.streams:
        await look_at_streams(house, down)
        await asyncio.sleep(STREAM_LOOK_SECONDS)


async def look_at_streams(house: House, down: dict[str, datetime]) -> None:
    """Look once.

    Args:
        down: since when each robot has been without a connection; kept between two looks.
    """
    now = house.services.clock.now()
    for robot, stream in house.streams.items():
        if stream.connected:
            down.pop(robot, None)
        elif now - down.setdefault(robot, now) >= STREAM_DOWN:
            await house.trouble.alarm("stream_down", ("dingtalk", robot))

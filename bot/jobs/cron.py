"""Cron arithmetic: when a schedule is due next, and whether a missed slot is still run.

Pure; called by `bot.jobs.table` (new schedules) and `bot.jobs.chores` (due ones).
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from bot.core.errors import ConfigInvalid


def next_slot(cron: str, tz: str, after: datetime) -> datetime:
    """Return the first slot strictly after a moment, in UTC.

    Args:
        cron: five fields, or six with seconds first (https://github.com/cuu508/cronsim).
        tz: the zone in which people read the fields.

    Raises:
        ConfigInvalid: the expression, or the zone, makes no sense or never comes.
    """
    try:
        return next(CronSim(cron, after.astimezone(ZoneInfo(tz)))).astimezone(UTC)
    except (CronSimError, ZoneInfoNotFoundError, StopIteration) as error:
        raise ConfigInvalid(f"schedule {cron!r} in {tz!r}: {type(error).__name__}") from error


def last_slot(cron: str, tz: str, until: datetime) -> datetime:
    """Return the last slot at or before a moment, in UTC."""
    whole_second = until.astimezone(ZoneInfo(tz)).replace(microsecond=0)
    return next(CronSim(cron, whole_second + timedelta(seconds=1), reverse=True)).astimezone(UTC)


def slot_to_run(
    cron: str, tz: str, due: datetime, now: datetime, misfire_seconds: int
) -> datetime | None:
    """Return the slot to run now for a schedule that was due; None when it came too late.

    After an outage only the last missed slot is run, and only within `misfire_seconds` of it.
    """
    slot = max(due, last_slot(cron, tz, now))
    return slot if now - slot <= timedelta(seconds=misfire_seconds) else None

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
    return _first(cron, tz, after, reverse=False)


def last_slot(cron: str, tz: str, until: datetime) -> datetime:
    """Return the last slot at or before a moment, in UTC.

    Raises:
        ConfigInvalid: as above.
    """
    return _first(cron, tz, until.replace(microsecond=0) + timedelta(seconds=1), reverse=True)


def slot_to_run(
    cron: str, tz: str, due: datetime, now: datetime, misfire_seconds: int
) -> datetime | None:
    """Return the slot to run now for a schedule that was due; None when it came too late.

    After an outage only the last missed slot is run, and only within `misfire_seconds` of it.
    """
    slot = max(due, last_slot(cron, tz, now))
    return slot if now - slot <= timedelta(seconds=misfire_seconds) else None


def _first(cron: str, tz: str, moment: datetime, *, reverse: bool) -> datetime:
    try:
        slots = CronSim(cron, moment.astimezone(ZoneInfo(tz)), reverse)
        return next(slots).astimezone(UTC)
    except (CronSimError, ZoneInfoNotFoundError, StopIteration) as error:
        raise ConfigInvalid(f"schedule {cron!r} in {tz!r}: {type(error).__name__}") from error

"""Time limits of a case: what is due when, what was met, what is overdue. One function for all.

Called by the desk's queue and pages, the overdue board, the ladder, drills and figures, through
`bot.services.case_times`. The values are those of DOMAIN §2.2; red levels (3 and 3!) run day and
night, level 2 in duty time, level 1 in school days, level 0 has no clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.core.levels import highest, rank

ACK, WORDS, GUARDIAN = "ack", "words", "guardian"
RUNNING, MET, LATE, OVERDUE, STOPPED = "running", "met", "late", "overdue", "stopped"

_ACK: Mapping[str, timedelta] = {"3!": timedelta(seconds=60), "3": timedelta(minutes=5)}
_GUARDIAN: Mapping[str, timedelta] = {"3!": timedelta(minutes=10), "3": timedelta(hours=1)}
_RED_WORDS = timedelta(minutes=15)
ACK_ON_DUTY = timedelta(minutes=30)
_CALM_DAYS = 3
_DAY = timedelta(hours=24)

# The ladder calls at these moments after a case was raised, then again and again.
CALLS: Mapping[str, tuple[timedelta, ...]] = {
    "3!": tuple(timedelta(minutes=m) for m in (0, 3, 6, 10)),
    "3": tuple(timedelta(minutes=m) for m in (0, 5, 10, 15)),
}
CALL_AGAIN: Mapping[str, timedelta] = {"3!": timedelta(minutes=5), "3": timedelta(minutes=15)}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, aware: somebody is on duty, or school is open."""

    starts_at: datetime
    ends_at: datetime

    def in_utc(self) -> "Span":
        """Return the same stretch in UTC."""
        return Span(self.starts_at.astimezone(UTC), self.ends_at.astimezone(UTC))


@dataclass(frozen=True, slots=True)
class Moments:
    """What happened to a case, and when; all aware.

    Args:
        raised_at: opened, or raised the last time; every clock begins here anew.
        accepted_at: None while the case is open (again).
        words_at: the first words of a person to the parent; before `raised_at` they don't count.
        guardian_at: a guardian was told; before `raised_at` it doesn't count.
        judged_level: a person's judgement; for what is due after accepting it counts instead of
            the machine's level, unless the case was raised above it afterwards.
    """

    raised_at: datetime
    accepted_at: datetime | None = None
    words_at: datetime | None = None
    guardian_at: datetime | None = None
    closed_at: datetime | None = None
    judged_level: str | None = None
    judged_at: datetime | None = None

    def in_utc(self) -> "Moments":
        """Return the same moments in UTC: a difference within one zone ignores summer time."""
        return Moments(
            self.raised_at.astimezone(UTC),
            accepted_at=_utc(self.accepted_at),
            words_at=_utc(self.words_at),
            guardian_at=_utc(self.guardian_at),
            closed_at=_utc(self.closed_at),
            judged_level=self.judged_level,
            judged_at=_utc(self.judged_at),
        )


@dataclass(frozen=True, slots=True)
class Clock:
    """One time limit.

    Args:
        name: `ack` (a person accepts), `words` (a person's first words) or `guardian` (told).
        state: `running`, `met`, `late` (met too late), `overdue` (not met yet, or never), or
            `stopped` (the case was closed in time without it).
    """

    name: str
    begins: datetime
    due: datetime
    met_at: datetime | None
    state: str

    def left(self, now: datetime) -> timedelta:
        """Return what is left; never more than the whole limit, negative once it is overdue."""
        return min(self.due - now.astimezone(UTC), self.due - self.begins)


def clocks(
    level: str,
    moments: Moments,
    *,
    guardian: bool,
    now: datetime,
    duty: Iterable[Span] = (),
    school_days: Iterable[Span] = (),
) -> tuple[Clock, ...]:
    """Return the time limits of a case, in the order in which they fall due.

    A moment before its clock began (the machine's time was set back, or it was done before the
    case was raised) counts as met at the beginning for accepting, and not at all for words and
    the guardian: a wrong time shows a limit as missed rather than hiding that it was.

    Args:
        level: the machine's level.
        guardian: whether a guardian may be told at all (DESIGN §4).
        duty: covered stretches from `raised_at` on, for level 2; with none the clock runs on.
        school_days: hours of school days from `raised_at` on, for levels 1 and 2.
    """
    moments = moments.in_utc()
    judged = _judged(level, moments)
    first = highest((level, judged))
    begins = _begins(level, judged, moments)
    days = sorted((day.in_utc() for day in school_days), key=lambda span: span.ends_at)
    limits: list[tuple[str, datetime, datetime, datetime | None]] = []
    accept_by = _accept_by(first, moments.raised_at, duty)
    if accept_by is not None:
        limits.append((ACK, moments.raised_at, accept_by, moments.accepted_at))
    words_by = _words_by(judged, begins, accept_by, days)
    if words_by is not None:
        limits.append((WORDS, begins, words_by, _since(moments, moments.words_at)))
    if guardian and judged in _GUARDIAN:
        told = _since(moments, moments.guardian_at)
        limits.append((GUARDIAN, begins, begins + _GUARDIAN[judged], told))
    found = (_clock(*limit, closed_at=moments.closed_at, now=now) for limit in limits)
    return tuple(sorted(found, key=lambda clock: clock.due))


def most_pressing(found: Sequence[Clock]) -> Clock | None:
    """Return the clock to look at: the longest overdue, else the next one due; None: none runs."""
    pressing = [clock for clock in found if clock.state in (OVERDUE, RUNNING)]
    return min(pressing, key=lambda clock: (clock.state != OVERDUE, clock.due), default=None)


def next_call(
    level: str, step: int, *, raised_at: datetime, now: datetime, duty: Iterable[Span] = ()
) -> datetime:
    """Return when a step of the ladder is called; beyond the last step it is called again.

    Args:
        duty: covered stretches from `now` on; levels below 3 wait half an hour of them.
    """
    now, raised_at = now.astimezone(UTC), raised_at.astimezone(UTC)
    planned = CALLS.get(level)
    if planned is None:
        return after_duty_time(duty, now, ACK_ON_DUTY)
    if step < len(planned):
        return max(now, raised_at + planned[step])
    return now + CALL_AGAIN[level]


def after_duty_time(spans: Iterable[Span], start: datetime, length: timedelta) -> datetime:
    """Return the moment at which `length` of covered time has passed since `start`.

    Overlapping spans count once. With too little cover ahead the clock runs through: no case waits
    for ever because the roster is empty.
    """
    left = length
    cursor = start = start.astimezone(UTC)
    for span in sorted((span.in_utc() for span in spans), key=lambda span: span.starts_at):
        begin = max(cursor, span.starts_at)
        if span.ends_at <= begin:
            continue
        if span.ends_at - begin >= left:
            return begin + left
        left -= span.ends_at - begin
        cursor = span.ends_at
    return start + length


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment is not None else None


def _judged(level: str, moments: Moments) -> str:
    """Return the level that counts after accepting."""
    judged = moments.judged_level
    if judged is None or moments.judged_at is None:
        return level
    fresh = moments.judged_at >= moments.raised_at
    return judged if fresh or rank(judged) > rank(level) else level


def _begins(level: str, judged: str, moments: Moments) -> datetime:
    """Return when the clocks after accepting begin: a higher judgement starts them anew."""
    if moments.judged_at is not None and rank(judged) > rank(level):
        return max(moments.raised_at, moments.judged_at)
    return moments.raised_at


def _accept_by(level: str, raised_at: datetime, duty: Iterable[Span]) -> datetime | None:
    if level in _ACK:
        return raised_at + _ACK[level]
    return after_duty_time(duty, raised_at, ACK_ON_DUTY) if level == "2" else None


def _words_by(
    level: str, begins: datetime, accept_by: datetime | None, days: Sequence[Span]
) -> datetime | None:
    """Return until when a person has to write or speak first.

    Level 2: before the end of the school day in which it has to be accepted. Level 1: before the
    end of the third whole school day.
    """
    if rank(level) >= rank("3"):
        return begins + _RED_WORDS
    if level == "2":
        start = max(begins, accept_by or begins)
        return next((day.ends_at for day in days if day.ends_at >= start), start + _DAY)
    if level == "1":
        whole = [day.ends_at for day in days if day.starts_at >= begins]
        return whole[_CALM_DAYS - 1] if len(whole) >= _CALM_DAYS else begins + _CALM_DAYS * _DAY
    return None


def _since(moments: Moments, moment: datetime | None) -> datetime | None:
    return moment if moment is not None and moment >= moments.raised_at else None


def _clock(
    name: str,
    begins: datetime,
    due: datetime,
    moment: datetime | None,
    *,
    closed_at: datetime | None,
    now: datetime,
) -> Clock:
    met_at = None if moment is None else max(moment, begins)
    if met_at is not None:
        state = MET if met_at <= due else LATE
    elif closed_at is not None:
        state = STOPPED if closed_at <= due else OVERDUE
    else:
        state = RUNNING if now <= due else OVERDUE
    return Clock(name, begins, due, met_at, state)

"""Duty: who covers a moment, where the gaps are, and how duty time passes."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from factories import make_district, make_shift
from hypothesis import given
from hypothesis import strategies as st

from bot.core.case_clocks import Span, after_duty_time
from bot.db.engine import Database
from bot.services import roster
from bot.services.roster import uncovered

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


spans = st.lists(
    st.tuples(st.integers(-600, 3000), st.integers(1, 600)).map(
        lambda pair: Span(at(pair[0]), at(pair[0] + pair[1]))
    ),
    max_size=8,
)
lengths = st.integers(1, 900).map(lambda minutes: timedelta(minutes=minutes))


def covered_minutes(found: list[Span], start: datetime, end: datetime) -> int:
    """Count covered minutes the slow and plain way."""
    count = int((end - start).total_seconds() // 60)
    moments = (start + timedelta(minutes=n, seconds=30) for n in range(count))
    return sum(any(s.starts_at <= moment < s.ends_at for s in found) for moment in moments)


@given(spans, lengths)
def test_after_so_much_duty_time_just_that_much_was_covered(
    found: list[Span], length: timedelta
) -> None:
    end = after_duty_time(found, NOW, length)
    assert end > NOW
    total = covered_minutes(found, NOW, at(4000))
    wanted = int(length.total_seconds() // 60)
    if total >= wanted:
        assert covered_minutes(found, NOW, end) == wanted
        assert end >= NOW + length
    else:
        assert end == NOW + length, "no case waits for ever because the roster is empty"


@given(spans, st.randoms())
def test_the_order_of_the_shifts_does_not_matter(found: list[Span], random: object) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert after_duty_time(found, NOW, HOUR) == after_duty_time(shuffled, NOW, HOUR)
    assert uncovered(found, NOW, at(600)) == uncovered(shuffled, NOW, at(600))


@given(spans)
def test_what_is_not_covered_is_a_hole_and_nothing_else(found: list[Span]) -> None:
    end = at(2000)
    holes = uncovered(found, NOW, end)
    assert all(NOW <= hole.starts_at < hole.ends_at <= end for hole in holes)
    assert all(a.ends_at <= b.starts_at for a, b in pairwise(holes))
    empty = sum((hole.ends_at - hole.starts_at for hole in holes), timedelta())
    assert empty == timedelta(minutes=2000 - covered_minutes(found, NOW, end))


async def test_who_covers_a_place(database: Database) -> None:
    async with database.write() as session:
        place = await make_district(session, now=NOW)
        await make_shift(session, place.school, place.counselor, start=NOW, hours=8)
        for where, moment, expected in (
            (place.school, NOW, True),
            (place.class_, NOW, True),
            (place.district, NOW, False),
            (place.other_school, NOW, False),
            (place.school, NOW - timedelta(seconds=1), False),
            (place.school, NOW + 8 * HOUR - timedelta(seconds=1), True),
            (place.school, NOW + 8 * HOUR, False),
        ):
            assert await roster.covered(session, where, moment) is expected
        assert not await roster.covered(session, None, NOW)
        await make_shift(session, place.district, place.counselor, start=NOW)
        assert await roster.covered(session, place.other_school, NOW), "the district stands in"


async def test_a_shift_that_can_wake_no_phone_does_not_count(database: Database) -> None:
    async with database.write() as session:
        place = await make_district(session, now=NOW)
        await make_shift(session, place.school, place.counselor, start=NOW, wakes=False)
        assert not await roster.covered(session, place.school, NOW)
        (gap,) = await roster.gaps(session, place.school, now=NOW, ahead=HOUR)
        assert gap == Span(NOW, NOW + HOUR)


async def test_the_gaps_of_a_week(database: Database) -> None:
    async with database.write() as session:
        place = await make_district(session, now=NOW)
        await make_shift(session, place.school, place.counselor, start=NOW - HOUR, hours=9)
        await make_shift(session, place.school, place.counselor, start=NOW + 10 * HOUR, hours=200)
        (gap,) = await roster.gaps(session, place.school, now=NOW)
        assert (gap.starts_at, gap.ends_at) == (NOW + 8 * HOUR, NOW + 10 * HOUR)
        gaps = await roster.gaps(session, place.other_school, now=NOW)
        assert gaps == [Span(NOW, NOW + timedelta(days=7))]

"""The time limits of a case: the values of DOMAIN §2.2, and what holds whatever the times are."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import case_clocks
from bot.core.case_clocks import Clock, Moments, Span, after_duty_time, clocks, next_call

RAISED = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LEVELS = ("0", "1", "2", "3", "3!")
# Summer time begins and ends in these within the days below; Shanghai has none.
ZONES = ("Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "UTC")
AUTUMN = datetime(2026, 10, 24, tzinfo=UTC)


def by_name(found: tuple[Clock, ...]) -> dict[str, Clock]:
    return {clock.name: clock for clock in found}


def limits(level: str, moments: Moments | None = None, **spans: list[Span]) -> dict[str, timedelta]:
    """Return each clock's length from the raising on."""
    found = clocks(
        level,
        moments or Moments(RAISED),
        guardian=True,
        now=RAISED,
        duty=spans.get("duty", ()),
        school_days=spans.get("days", ()),
    )
    return {clock.name: clock.due - RAISED for clock in found}


def span(start: timedelta, length: timedelta) -> Span:
    return Span(RAISED + start, RAISED + start + length)


SCHOOL = [span(n * DAY + 9 * HOUR, 9 * HOUR) for n in range(5)]


def test_the_limits_are_those_of_the_table() -> None:
    assert limits("0") == {}
    assert limits("3") == {"ack": 5 * MINUTE, "words": 15 * MINUTE, "guardian": HOUR}
    assert limits("3!") == {"ack": MINUTE, "words": 15 * MINUTE, "guardian": 10 * MINUTE}
    on_duty = [span(2 * HOUR, 20 * MINUTE), span(10 * HOUR, 8 * HOUR)]
    assert limits("2", duty=on_duty, days=SCHOOL) == {
        "ack": 10 * HOUR + 10 * MINUTE,
        "words": 18 * HOUR,
    }
    assert limits("1", days=SCHOOL) == {"words": 2 * DAY + 18 * HOUR}


def test_nobody_on_duty_and_no_school_day_known_runs_straight_through() -> None:
    assert limits("2") == {"ack": 30 * MINUTE, "words": 30 * MINUTE + DAY}
    assert limits("1") == {"words": 3 * DAY}


def test_red_runs_at_night_whatever_the_roster() -> None:
    for level in ("3", "3!"):
        assert limits(level) == limits(level, duty=[span(9 * HOUR, HOUR)], days=SCHOOL)


def test_level_2_accepted_on_a_free_day_is_due_on_the_next_school_day() -> None:
    on_duty = [span(timedelta(), HOUR)]
    assert limits("2", duty=on_duty, days=SCHOOL)["words"] == 18 * HOUR


def test_the_guardian_has_no_clock_where_none_may_run() -> None:
    found = clocks("3!", Moments(RAISED), guardian=False, now=RAISED)
    assert "guardian" not in by_name(found)


@pytest.mark.parametrize(
    ("accepted", "now", "state"),
    [
        (None, 5 * MINUTE, "running"),
        (None, 5 * MINUTE + timedelta(microseconds=1), "overdue"),
        (5 * MINUTE, DAY, "met"),
        (6 * MINUTE, DAY, "late"),
    ],
)
def test_states(accepted: timedelta | None, now: timedelta, state: str) -> None:
    at = None if accepted is None else RAISED + accepted
    found = by_name(clocks("3", Moments(RAISED, at), guardian=True, now=RAISED + now))
    assert found["ack"].state == state


def test_a_closed_case_stops_what_was_in_time_and_keeps_what_was_missed() -> None:
    moments = Moments(RAISED, accepted_at=RAISED + MINUTE, closed_at=RAISED + 20 * MINUTE)
    found = by_name(clocks("3", moments, guardian=True, now=RAISED + DAY))
    states = {name: clock.state for name, clock in found.items()}
    assert states == {"ack": "met", "words": "overdue", "guardian": "stopped"}


def test_a_higher_judgement_begins_anew_and_a_lower_one_counts_after_accepting() -> None:
    judged = RAISED + 2 * HOUR
    higher = Moments(RAISED, judged_level="3", judged_at=judged)
    assert limits("2", higher)["guardian"] == 3 * HOUR
    lower = replace(higher, judged_level="2")
    assert limits("3!", lower, days=SCHOOL) == {"ack": MINUTE, "words": 18 * HOUR}
    raised_since = replace(lower, raised_at=RAISED + 3 * HOUR)
    found = by_name(clocks("3!", raised_since, guardian=True, now=RAISED))
    assert found["guardian"].due == RAISED + 3 * HOUR + 10 * MINUTE


def test_the_most_pressing_is_the_longest_overdue_then_the_next_due() -> None:
    at = RAISED + 20 * MINUTE
    found = clocks("3", Moments(RAISED), guardian=True, now=at)
    pressing = case_clocks.most_pressing(found)
    assert pressing is not None
    assert pressing.name == "ack"
    met = Moments(RAISED, accepted_at=RAISED, words_at=RAISED)
    pressing = case_clocks.most_pressing(clocks("3", met, guardian=True, now=at))
    assert pressing is not None
    assert (pressing.name, pressing.left(at)) == ("guardian", 40 * MINUTE)
    assert case_clocks.most_pressing(clocks("0", met, guardian=True, now=at)) is None


def test_a_clock_that_was_set_back_never_gives_more_time_than_the_limit() -> None:
    (ack, *_) = clocks("3", Moments(RAISED), guardian=True, now=RAISED - DAY)
    assert ack.state == "running"
    assert ack.left(RAISED - DAY) == 5 * MINUTE


zones = st.sampled_from(ZONES).map(ZoneInfo) | st.integers(-12, 14).map(
    lambda hours: timezone(timedelta(hours=hours))
)
# Days around the end of summer time in Europe and America, and its beginning on Lord Howe.
moments_in_time = st.builds(
    lambda minutes, zone: (AUTUMN + timedelta(minutes=minutes)).astimezone(zone),
    st.integers(-30 * 1440, 30 * 1440),
    zones,
)
maybe = st.none() | moments_in_time
some_spans = st.lists(
    st.builds(
        lambda start, minutes: Span(start, start.astimezone(UTC) + timedelta(minutes=minutes)),
        moments_in_time,
        st.integers(0, 2000),
    ),
    max_size=6,
)
happened = st.builds(
    Moments,
    moments_in_time,
    accepted_at=maybe,
    words_at=maybe,
    guardian_at=maybe,
    closed_at=maybe,
    judged_level=st.none() | st.sampled_from(LEVELS),
    judged_at=maybe,
)
levels = st.sampled_from(LEVELS)


@given(levels, happened, st.booleans(), some_spans, some_spans, moments_in_time)
def test_nothing_is_met_before_it_began_nor_due_before_it_began(
    level: str,
    moments: Moments,
    guardian: bool,
    duty: list[Span],
    days: list[Span],
    now: datetime,
) -> None:
    found = clocks(level, moments, guardian=guardian, now=now, duty=duty, school_days=days)
    for clock in found:
        assert clock.begins >= moments.raised_at
        assert clock.due >= clock.begins
        assert (clock.met_at is not None) == (clock.state in ("met", "late"))
        if clock.met_at is not None:
            assert clock.met_at >= clock.begins
        assert clock.left(now) <= clock.due - clock.begins
    if moments.accepted_at is None and level in ("2", "3", "3!"):
        assert by_name(found)["ack"].state in ("running", "overdue", "stopped"), "never hidden"


@given(levels, happened, some_spans, some_spans, moments_in_time, st.integers(0, 90 * 1440))
def test_a_later_look_never_turns_what_is_overdue_into_running(
    level: str,
    moments: Moments,
    duty: list[Span],
    days: list[Span],
    now: datetime,
    minutes: int,
) -> None:
    later = now.astimezone(UTC) + timedelta(minutes=minutes)
    was, then = (
        clocks(level, moments, guardian=True, now=at, duty=duty, school_days=days)
        for at in (now, later)
    )
    for before, after in zip(was, then, strict=True):
        assert before.due == after.due
        assert after.state == before.state or (before.state, after.state) == ("running", "overdue")


@given(levels, happened, some_spans, some_spans, moments_in_time, zones)
def test_the_zone_in_which_a_time_is_told_changes_nothing(
    level: str,
    moments: Moments,
    duty: list[Span],
    days: list[Span],
    now: datetime,
    zone: timezone | ZoneInfo,
) -> None:
    def told(moment: datetime | None) -> datetime | None:
        return None if moment is None else moment.astimezone(zone)

    elsewhere = Moments(
        moments.raised_at.astimezone(zone),
        told(moments.accepted_at),
        told(moments.words_at),
        told(moments.guardian_at),
        told(moments.closed_at),
        moments.judged_level,
        told(moments.judged_at),
    )
    here = clocks(level, moments, guardian=True, now=now, duty=duty, school_days=days)
    there = clocks(
        level,
        elsewhere,
        guardian=True,
        now=now.astimezone(zone),
        duty=[Span(s.starts_at.astimezone(zone), s.ends_at.astimezone(zone)) for s in duty],
        school_days=days,
    )
    assert here == there


@given(levels, some_spans, some_spans, st.randoms())
def test_the_order_and_the_overlap_of_spans_do_not_matter(
    level: str, duty: list[Span], days: list[Span], random: object
) -> None:
    shuffled = [*duty, *duty]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    turned = days[::-1]
    was = clocks(level, Moments(AUTUMN), guardian=True, now=AUTUMN, duty=duty, school_days=days)
    assert was == clocks(
        level, Moments(AUTUMN), guardian=True, now=AUTUMN, duty=shuffled, school_days=turned
    )


@given(levels, happened, st.integers(1, 1440), moments_in_time)
def test_a_raise_begins_anew(level: str, moments: Moments, minutes: int, now: datetime) -> None:
    latest = max(
        moment.astimezone(UTC)
        for moment in (moments.raised_at, moments.words_at, moments.guardian_at)
        if moment is not None
    )
    raised = replace(
        moments,
        raised_at=latest + timedelta(minutes=minutes),
        accepted_at=None,
        closed_at=None,
        judged_level=None,
    )
    for clock in clocks(level, raised, guardian=True, now=now):
        assert clock.met_at is None, "what was done before says nothing about the new danger"
        assert clock.begins == raised.raised_at


@given(levels, st.integers(0, 9), moments_in_time, moments_in_time, some_spans)
def test_the_ladder_never_calls_in_the_past_and_always_calls_again(
    level: str, step: int, raised: datetime, now: datetime, duty: list[Span]
) -> None:
    at = next_call(level, step, raised_at=raised, now=now, duty=duty)
    assert at >= now
    if step >= 4 and level in case_clocks.CALL_AGAIN:
        assert at - now.astimezone(UTC) == case_clocks.CALL_AGAIN[level]


def test_the_steps_of_the_ladder() -> None:
    def steps(level: str) -> list[timedelta]:
        return [next_call(level, n, raised_at=RAISED, now=RAISED) - RAISED for n in range(4)]

    assert steps("3!") == [n * MINUTE for n in (0, 3, 6, 10)]
    assert steps("3") == [n * MINUTE for n in (0, 5, 10, 15)]
    on_duty = [span(HOUR, 2 * HOUR)]
    assert next_call("2", 1, raised_at=RAISED, now=RAISED, duty=on_duty) == RAISED + 90 * MINUTE


@given(some_spans, moments_in_time, st.integers(1, 900))
def test_duty_time_is_never_shorter_than_time(
    duty: list[Span], start: datetime, minutes: int
) -> None:
    length = timedelta(minutes=minutes)
    assert after_duty_time(duty, start, length) >= start.astimezone(UTC) + length

"""The register of public lines: opening hours, regions, and what may be called reachable."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.hotlines import (
    DAY_MINUTES,
    Hotline,
    HotlineBook,
    HotlineError,
    Interval,
    dump_hours,
    load_hotlines,
    parse_hours,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
MONDAY = datetime(2026, 11, 23, tzinfo=SHANGHAI)
NOON = MONDAY.replace(hour=12)
NIGHT = MONDAY.replace(hour=3)
PUBLIC = {
    "110", "120", "119", "12110", "12356", "12355", "12345", "12338", "12348", "12309", "96110",
    "12377",
}  # fmt: skip


def line(*spans: Interval, number: str = "051285550000", region: str = "") -> Hotline:
    return Hotline(
        number=number,
        name="区心理中心",
        what="",
        region=region,
        hours=spans,
        kinds=("own",),
        last_verified=date(2026, 11, 22),
        source="test",
        known_hours=bool(spans),
    )


def test_the_register_holds_the_public_lines_and_no_other() -> None:
    assert load_hotlines().numbers() == PUBLIC


@pytest.mark.parametrize("number", ["110", "120", "119", "12110"])
@pytest.mark.parametrize("hour", range(24))
def test_emergency_lines_never_close(number: str, hour: int) -> None:
    assert load_hotlines().get(number).open_at(MONDAY.replace(hour=hour))


@pytest.mark.parametrize(
    ("hour", "minute", "is_open"),
    [(0, 0, False), (3, 0, False), (7, 59, False), (8, 0, True), (12, 0, True), (23, 59, True)],
)
def test_12356_counts_as_open_only_where_every_18_hour_day_is(
    hour: int, minute: int, is_open: bool
) -> None:
    moment = MONDAY.replace(hour=hour, minute=minute)
    assert load_hotlines().get("12356").open_at(moment) is is_open


def test_moments_are_read_in_shanghai_time() -> None:
    psych = load_hotlines().get("12356")
    assert psych.open_at(datetime(2026, 11, 23, 4, 0, tzinfo=UTC))  # noon in Shanghai
    assert not psych.open_at(datetime(2026, 11, 22, 19, 0, tzinfo=UTC))  # 03:00 in Shanghai


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        load_hotlines().get("110").open_at(datetime(2026, 11, 23, 12))  # noqa: DTZ001


@pytest.mark.parametrize("number", ["12355", "12345", "12338", "12348", "12309", "96110", "12377"])
def test_a_line_of_unknown_hours_is_never_called_open(number: str) -> None:
    book = load_hotlines()
    hotline = book.get(number)
    assert not hotline.known_hours
    assert not any(hotline.open_at(MONDAY + timedelta(hours=hour)) for hour in range(168))
    assert hotline not in book.open_lines(NOON, hotline.kinds)
    assert hotline not in book.dated_lines(hotline.kinds)


def test_the_narrowest_region_goes_first() -> None:
    book = load_hotlines()
    assert book.get("12356", "320506").open_at(NIGHT)  # a Suzhou district answers day and night
    assert not book.get("12356", "3301").open_at(NIGHT)
    assert [item.number for item in book.open_lines(NIGHT, ["youth"], "460100")] == ["12355"]
    assert book.open_lines(NIGHT, ["youth"]) == ()


def test_a_later_row_of_the_same_region_replaces_the_earlier() -> None:
    local = replace(load_hotlines().get("12356"), hours="24h")
    assert load_hotlines().with_lines([local]).get("12356").open_at(NIGHT)


def test_a_tenants_line_is_listed_by_its_own_hours() -> None:
    office = line(Interval(frozenset({1, 2, 3, 4, 5}), 9 * 60, 17 * 60))
    book = load_hotlines().with_lines([office])
    assert book.open_lines(NOON, ["own"]) == (office,)
    assert book.open_lines(NOON - timedelta(days=1), ["own"]) == ()
    assert book.dated_lines(["own"]) == ()  # not the same every day, so it has no short form


def test_an_unknown_number_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        load_hotlines().get("10086")


@pytest.mark.parametrize("number", ["110", "120", "12110"])
def test_a_book_without_an_emergency_line_is_refused(number: str) -> None:
    rows = load_hotlines()._lines
    with pytest.raises(HotlineError, match=number):
        HotlineBook(row for row in rows if row.number != number)
    closed = [
        replace(row, hours=(), known_hours=False) if row.number == number else row for row in rows
    ]
    with pytest.raises(HotlineError, match=number):
        HotlineBook(closed)


@pytest.mark.parametrize(
    "change",
    [
        {"number": "see board"},
        {"name": ""},
        {"name": "一" * 21},
        {"known_hours": False},
        {"region": "苏州"},
    ],
)
def test_a_wrong_row_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(HotlineError):
        replace(load_hotlines().get("12356"), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "broken",
    ["name = ", 'hours = "always"', 'hours = [{ from = "8:00", to = "24:00" }]', "colour = 1"],
)
def test_a_broken_register_names_the_row(broken: str) -> None:
    key, _, value = broken.partition(" = ")
    row = {
        "number": '"12356"', "name": '"心理援助"', "what": '""', "region": '""', "hours": '"24h"',
        "kinds": "[]", "last_verified": "2026-11-22", "source": '""', "known_hours": "true",
    }  # fmt: skip
    row[key] = value
    text = "[[line]]\n" + "\n".join(f"{name} = {given}" for name, given in row.items() if given)
    with pytest.raises(HotlineError):
        load_hotlines(text)


spans = st.builds(
    lambda days, start, length: Interval(frozenset(days), start, start + length),
    st.sets(st.integers(1, 7), min_size=1),
    st.integers(0, DAY_MINUTES - 1),
    st.integers(1, DAY_MINUTES),
)


@given(st.lists(spans, min_size=1, max_size=4), st.integers(0, 7 * DAY_MINUTES - 1))
def test_open_at_agrees_with_the_minutes_laid_out_one_by_one(
    hours: list[Interval], minute: int
) -> None:
    week = 7 * DAY_MINUTES
    opened = {
        ((day - 1) * DAY_MINUTES + at) % week
        for span in hours
        for day in span.days
        for at in range(span.start, span.end)
    }
    moment = MONDAY + timedelta(minutes=minute)
    assert line(*hours).open_at(moment) is (minute in opened)
    assert line(*hours).open_at(moment.astimezone(UTC)) is (minute in opened)


@given(st.lists(spans, max_size=4))
def test_hours_survive_being_stored(hours: list[Interval]) -> None:
    assert parse_hours(dump_hours(tuple(hours))) == tuple(hours)


def test_hours_across_midnight_belong_to_the_day_they_begin_on() -> None:
    friday_night = line(Interval(frozenset({5}), 22 * 60, 26 * 60))
    friday = MONDAY + timedelta(days=4)
    assert friday_night.open_at(friday.replace(hour=23))
    assert friday_night.open_at((friday + timedelta(days=1)).replace(hour=1, minute=59))
    assert not friday_night.open_at((friday + timedelta(days=1)).replace(hour=2))
    assert not friday_night.open_at(friday.replace(hour=1))

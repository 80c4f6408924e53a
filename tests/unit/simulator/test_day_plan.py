"""The plan of a simulated day: all of it from its seed, and everything that is to break in it."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.simulator.day.plan import (
    DAY_SECONDS,
    SKEW,
    STALE_BY,
    Breakage,
    Kind,
    Mark,
    Plan,
    Way,
    make_plan,
)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), channel=st.sampled_from(["wechat", "dingtalk", "all"]))
def test_the_same_seed_makes_the_same_day(seed: int, channel: str) -> None:
    plan = make_plan(seed, messages=40, channel=channel)
    assert plan == make_plan(seed, messages=40, channel=channel)
    assert len(plan.messages) == 40
    assert len({one.number for one in plan.messages}) == 40
    assert [one.at for one in plan.messages] == sorted(one.at for one in plan.messages)


def test_another_seed_makes_another_day() -> None:
    assert make_plan(1, messages=40, channel="all") != make_plan(2, messages=40, channel="all")


@pytest.mark.parametrize(
    ("channel", "ways"),
    [
        ("wechat", {Way.WECHAT}),
        ("dingtalk", {Way.DINGTALK, Way.STREAM}),
        ("all", set(Way)),
    ],
)
def test_a_day_is_over_its_channels_only(channel: str, ways: set[Way]) -> None:
    plan = make_plan(1, messages=200, channel=channel)
    assert {one.way for one in plan.messages} == ways
    assert {one.kind for one in plan.messages} >= {Kind.QUESTION, Kind.CHAT, Kind.DANGER}
    assert all(one.way is not Way.WECHAT for one in plan.messages if one.group)
    streamed = {Breakage.ASKED, Breakage.HUNG_UP, Breakage.DROPPED, Breakage.QUOTA}
    assert bool(streamed & {one.kind for one in plan.troubles}) is (Way.STREAM in ways)


@pytest.fixture(scope="module")
def whole_day() -> Plan:
    """Two thousand messages; the screen reads each of them, which takes half a minute."""
    return make_plan(3, messages=2000, channel="all")


def test_everything_breaks_in_a_whole_day(whole_day: Plan) -> None:
    plan = whole_day
    assert {one.kind for one in plan.troubles} == set(Breakage)
    assert {one.mark for one in plan.messages} == set(Mark)
    assert {one.kind for one in plan.messages} == set(Kind)
    assert all(0 <= one.at < DAY_SECONDS + 60 for one in plan.messages)


def test_marks_say_how_far_a_message_is_off(whole_day: Plan) -> None:
    plan = whole_day
    shifts = {one.mark: abs(one.shift) for one in plan.messages}
    assert (shifts[Mark.STALE], shifts[Mark.SKEWED]) == (STALE_BY, SKEW)
    assert all(one.copies > 1 for one in plan.messages if one.mark is Mark.COPIES)
    late = [one for one in plan.messages if one.mark is Mark.STALE]
    assert all(one.way is not Way.STREAM for one in late), "no staleness is known there"


def test_only_some_people_meet_a_danger() -> None:
    plan = make_plan(1, messages=400, channel="all")
    people = Counter(one.person for one in plan.messages)
    worried = {one.person for one in plan.messages if one.kind is Kind.DANGER}
    assert 0 < len(worried) < len(people) / 2

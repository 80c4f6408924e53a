"""The clock of the night, what a reason weighs, and the order of the queue."""

import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.clock import SHANGHAI
from bot.core.levels import LEVELS, rank
from bot.services.case_rights import TEXT
from bot.services.desk import QueueRow, urgency
from bot.services.priority import NIGHT, SILENCE, is_night, weight, wordless
from bot.services.triggers import load_triggers

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
ROW = QueueRow(
    case_id=1,
    scope=TEXT,
    level="3",
    family="self_harm",
    speaker="unknown",
    subject="child",
    origin="screen",
    state="open",
    place="晴川一小",
    words=(),
    excerpt="",
    since=NOW,
    overdue=False,
    phone_now=False,
    uncovered=False,
    drill=False,
    step=0,
    accepted_by="",
    mine=False,
    closed_at=None,
    close_reason="",
)
CODES = (NIGHT, SILENCE, *(f"trigger:{one.code}" for one in load_triggers()))


@pytest.mark.parametrize(
    ("clock", "night"),
    [
        ("21:59:59.999999", False),
        ("22:00:00", True),
        ("23:40:00", True),
        ("00:00:00", True),
        ("05:59:59", True),
        ("05:59:59.999999", True),
        ("06:00:00", False),
        ("12:00:00", False),
    ],
)
def test_the_edges_of_the_night(clock: str, night: bool) -> None:
    moment = datetime.fromisoformat(f"2026-11-22T{clock}").replace(tzinfo=SHANGHAI)
    assert is_night(moment) is night
    assert is_night(moment.astimezone(UTC)) is night


@given(st.integers(946_684_800_000, 4_102_444_800_000), st.integers(-12 * 60, 14 * 60))
def test_the_night_is_chinas_whatever_zone_a_moment_is_told_in(epoch: int, minutes: int) -> None:
    """China has had no summer time since 1991, so that UTC+8 is a second way to reckon."""
    moment = datetime.fromtimestamp(epoch / 1000, UTC)
    elsewhere = moment.astimezone(timezone(timedelta(minutes=minutes)))
    in_china = (epoch // 1000 + 8 * 3600) % 86_400
    expected = in_china >= 22 * 3600 or in_china < 6 * 3600
    assert is_night(moment) is is_night(elsewhere) is expected


@given(st.lists(st.sampled_from(CODES), unique=True))
def test_a_sort_of_reason_counts_once(codes: list[str]) -> None:
    triggers = [code for code in codes if code.startswith("trigger:")]
    assert weight(codes) == (NIGHT in codes) + (SILENCE in codes) + bool(triggers)
    assert set(wordless(codes)) == set(codes) - set(triggers)


rows = st.builds(
    lambda level, priority, minutes: replace(
        ROW, level=level, priority=priority, since=NOW - timedelta(minutes=minutes)
    ),
    st.sampled_from(LEVELS),
    st.integers(0, 3),
    st.integers(0, 10_000),
)


@given(st.lists(rows, max_size=12))
def test_level_then_priority_then_the_longest_wait(found: list[QueueRow]) -> None:
    queue = sorted(found, key=urgency)
    for before, after in pairwise(queue):
        assert rank(before.level) >= rank(after.level)
        if before.level == after.level:
            assert before.priority >= after.priority
            if before.priority == after.priority:
                assert before.since <= after.since


def test_no_priority_lifts_a_case_over_a_higher_level() -> None:
    waited = replace(ROW, level="3", priority=3, since=NOW - timedelta(hours=9))
    urgent = replace(ROW, level="3!", priority=0)
    assert sorted([waited, urgent], key=urgency) == [urgent, waited]


def test_every_code_has_its_chinese_words() -> None:
    labels = tomllib.loads(files("bot.web").joinpath("labels.toml").read_text("utf-8"))
    assert set(labels["priority"]) == set(CODES)
    assert SILENCE in labels["step"]

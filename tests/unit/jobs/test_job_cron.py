"""Schedules: the next slot, and what an outage leaves of the missed ones."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import ConfigInvalid
from bot.jobs.cron import last_slot, next_slot, slot_to_run

SHANGHAI = "Asia/Shanghai"
START = datetime(2024, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 6 * 365 * 86_400_000).map(lambda ms: START + timedelta(milliseconds=ms))


def test_fields_are_read_as_people_in_china_read_them() -> None:
    noon_utc = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    assert next_slot("0 8 * * *", SHANGHAI, noon_utc) == datetime(2026, 3, 3, 0, 0, tzinfo=UTC)
    assert next_slot("0 8 * * *", "UTC", noon_utc) == datetime(2026, 3, 3, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "tz"), [("61 * * * *", SHANGHAI), ("", SHANGHAI), ("0 8 * * *", "Asia/Nowhere")]
)
def test_nonsense_is_refused(cron: str, tz: str) -> None:
    with pytest.raises(ConfigInvalid):
        next_slot(cron, tz, datetime(2026, 3, 2, tzinfo=UTC))


@given(MOMENTS, st.sampled_from(["*/5 * * * *", "17 3 * * *", "0 8 * * 1", "30 18 28 2 *"]))
def test_last_and_next_slot_enclose_a_moment(moment: datetime, cron: str) -> None:
    last, following = last_slot(cron, SHANGHAI, moment), next_slot(cron, SHANGHAI, moment)
    assert last <= moment < following
    assert next_slot(cron, SHANGHAI, last) == following


@given(MOMENTS, st.integers(0, 300_000), st.integers(0, 7_200))
def test_only_the_last_missed_slot_runs_and_only_in_time(
    due: datetime, late: int, misfire: int
) -> None:
    due = next_slot("*/10 * * * *", SHANGHAI, due)
    now = due + timedelta(seconds=late)
    slot = slot_to_run("*/10 * * * *", SHANGHAI, due, now, misfire)
    if late % 600 <= misfire:
        assert slot == due + timedelta(seconds=late - late % 600)
    else:
        assert slot is None

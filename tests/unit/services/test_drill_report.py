"""What a drill's report says went wrong, and when it has passed."""

from hypothesis import given
from hypothesis import strategies as st

from bot.core.case_clocks import ACK, GUARDIAN, LATE, MET, OVERDUE, RUNNING, STOPPED, WORDS
from bot.db.models.delivery import ACCEPTED, FAILED, QUEUED, READ, UNREACHABLE
from bot.services.drill_report import ARRIVED, DECISIVE, passed, problems

STATES = st.sampled_from([MET, LATE, OVERDUE, RUNNING, STOPPED])
CALLS = st.lists(st.sampled_from([ACCEPTED, READ, FAILED, QUEUED, UNREACHABLE]), max_size=4)


@given(STATES, STATES, STATES, CALLS, st.booleans(), st.booleans(), st.booleans())
def test_passed_is_in_time_and_proven_and_closed_by_a_person(
    ack: str,
    words: str,
    guardian: str,
    calls: list[str],
    accepted: bool,
    closed: bool,
    uncovered: bool,
) -> None:
    found = problems(
        {ACK: ack, WORDS: words, GUARDIAN: guardian},
        calls,
        accepted=accepted,
        closed=closed,
        uncovered=uncovered,
    )
    wanted = accepted and ack == MET and bool(ARRIVED & set(calls)) and closed
    assert passed({"problems": found}) is wanted
    assert len(found) == len(set(found))
    assert ("words_missed" in found) is (words != MET)
    assert ("guardian_missed" in found) is (guardian != MET)
    decisive = [code in DECISIVE for code in found]
    assert decisive == sorted(decisive, reverse=True), "what decides comes first"


def test_a_level_without_a_clock_misses_nothing() -> None:
    assert problems({}, [ACCEPTED], accepted=True, closed=True, uncovered=False) == []

"""What the six screening questions advise (DOMAIN §2.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.services.cssrs import QUESTIONS, screen

ALL_NO = dict.fromkeys(QUESTIONS, "no")
LEVELS = ("1", "2", "3")
ANSWERS = st.fixed_dictionaries(
    {name: st.sampled_from(("yes", "no", "unknown", "")) for name in QUESTIONS[:5]}
    | {"q6": st.sampled_from(("no", "within", "earlier", "yes_when_unknown", "unknown", ""))}
)


@pytest.mark.parametrize(
    ("yes", "band", "level"),
    [
        ({}, "none", "1"),
        ({"q1": "yes"}, "low", "2"),
        ({"q2": "yes"}, "low", "2"),
        ({"q3": "yes"}, "moderate", "2"),
        ({"q6": "earlier"}, "moderate", "2"),
        ({"q4": "yes"}, "high", "3"),
        ({"q5": "yes"}, "high", "3"),
        ({"q6": "within"}, "high", "3"),
        ({"q6": "yes_when_unknown"}, "high", "3"),
    ],
)
def test_the_table_of_levels(yes: dict[str, str], band: str, level: str) -> None:
    found = screen(ALL_NO | yes, minor=False)
    assert (found.band, found.level, found.minor_plain) == (band, level, False)
    assert set(found.by) == set(yes)


def test_a_minors_plain_wish_is_level_three() -> None:
    found = screen(ALL_NO | {"q2": "yes"}, minor=True)
    assert (found.band, found.level, found.minor_plain) == ("low", "3", True)


def test_what_was_not_asked_is_named() -> None:
    assert screen({}, minor=True).open == QUESTIONS
    assert screen({"q1": "no", "q2": "no", "q6": "no"}, minor=True).open == ()
    assert screen({"q1": "no", "q2": "yes", "q6": "no"}, minor=True).open == ("q3", "q4", "q5")


@given(ANSWERS, st.booleans(), st.sampled_from(QUESTIONS))
def test_a_yes_never_advises_less(answers: dict[str, str], minor: bool, name: str) -> None:
    more = answers | {name: "within" if name == "q6" else "yes"}
    before, after = screen(answers, minor=minor), screen(more, minor=minor)
    assert LEVELS.index(after.level) >= LEVELS.index(before.level)
    assert LEVELS.index(screen(answers, minor=True).level) >= LEVELS.index(
        screen(answers, minor=False).level
    )

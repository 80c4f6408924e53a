"""The screen without its classifier for a moment: rules alone, said so, never higher for it."""

from aided import OBLIQUE, AidedScreen
from fakes import ReadyScreen
from house import DANGER

from bot.services.screening import Screened


def judge(screen: ReadyScreen, text: str, *, aided: bool, floor: str = "0") -> Screened:
    return screen.judge(text, who=None, turns=(), floor=floor, weak_signs=0, aided=aided)


def test_left_out_it_is_not_asked_and_the_judgement_says_so() -> None:
    screen = AidedScreen()
    alone, both = judge(screen, OBLIQUE, aided=False), judge(screen, OBLIQUE, aided=True)
    assert (alone.fresh, alone.hurried, alone.unaided) == ("0", True, False)
    assert (both.fresh, both.hurried, both.unaided) == ("3", False, False)
    assert screen.reader.asked == [OBLIQUE], "once, with the second"
    assert alone.verdict is not None
    assert both.verdict is not None
    assert "reader" not in alone.verdict.rule_version
    assert both.verdict.rule_version == f"{alone.verdict.rule_version}+reader"


def test_a_danger_that_the_rules_see_is_as_high_without_it() -> None:
    screen = AidedScreen()
    assert judge(screen, DANGER, aided=False).fresh == judge(screen, DANGER, aided=True).fresh


def test_an_open_case_is_not_lowered() -> None:
    assert judge(AidedScreen(), OBLIQUE, aided=False, floor="3").level == "3"


def test_where_there_is_no_classifier_none_was_left_out() -> None:
    assert not judge(ReadyScreen(), OBLIQUE, aided=False).hurried


def test_one_that_breaks_is_unaided_and_not_hurried() -> None:
    screen = AidedScreen()
    screen.reader.broken = True
    found = judge(screen, OBLIQUE, aided=True)
    assert (found.fresh, found.unaided, found.hurried) == ("0", True, False)


def test_rules_that_break_are_for_a_person_also_when_in_a_hurry() -> None:
    screen = AidedScreen()
    screen.rules = None
    found = judge(screen, OBLIQUE, aided=False)
    assert (found.level, found.failed, found.hurried) == ("3", True, False)

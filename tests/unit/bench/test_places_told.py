"""The places benchmark's truth: what somebody has to be told, by what stands in the tables."""

from bot.bench.places import Held, Offered

COURSE = Offered(1, "11月28日（周六）14:30–16:00", "多功能厅")
HELD = Held(1, frozenset({"a"}), ("b", "c"))


def test_who_holds_a_place_and_who_waits_are_told_so() -> None:
    assert COURSE.truth("a", HELD).startswith("报好了")
    assert "多功能厅" in COURSE.truth("a", HELD)
    assert "候补第1位" in COURSE.truth("b", HELD)
    assert "候补第2位" in COURSE.truth("c", HELD)


def test_who_is_nowhere_is_told_nothing_true() -> None:
    assert COURSE.truth("d", HELD) == ""

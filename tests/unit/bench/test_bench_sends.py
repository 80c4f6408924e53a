"""The job benchmark's counting: what is lost, doubled, late or unfair must show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.bench.sends import Line, Sink, at_half, evenness, losses, most_within


def test_the_sink_is_read_in_order_and_a_cut_line_is_left_out() -> None:
    content = (
        "up:7:1500 1000000000\nmain:1 3000000000\nup:8:500 1500000000\nmain:0 2000000000\nmain:2 4"
    )
    sink = Sink.parse(content)
    assert [line.key for line in sink.sends] == ["main:0", "main:1"]
    assert sink.ups == [1.0, 1.5]
    assert sink.cpu_at_start == 2.0
    assert (sink.seconds, sink.per_second) == (1.0, 2.0)
    assert sink.by_lane() == {"main": [2.0, 3.0]}


def test_an_empty_sink_has_no_rate() -> None:
    assert (Sink.parse("").seconds, Sink.parse("").per_second) == (0.0, 0.0)


def test_lost_and_doubled_sends_are_counted() -> None:
    sends = [Line("a:0", 1.0), Line("a:1", 2.0), Line("a:1", 3.0), Line("a:1", 4.0)]
    assert losses(sends, ["a:0", "a:1", "a:2"]) == {"lost": 1, "doubled": 2}


def test_a_timer_is_late_by_its_first_send() -> None:
    content = "timer:5000:0 5250000000\ntimer:5000:0 9000000000\nmain:0 6000000000\n"
    assert Sink.parse(content).late() == pytest.approx([0.25])


def test_the_fullest_stretch_is_found() -> None:
    assert most_within([], 1.0) == 0
    assert most_within([0.0, 0.5, 0.99, 1.0, 1.2, 5.0], 1.0) == 4
    assert most_within([0.0, 1.0, 2.0], 1.0) == 1


@given(st.lists(st.integers(0, 200), max_size=40), st.integers(1, 50))
def test_no_stretch_from_any_send_holds_more(moments: list[int], length: int) -> None:
    times = sorted(float(moment) for moment in moments)
    slow = max((sum(a <= b < a + length for b in times) for a in times), default=0)
    assert most_within(times, float(length)) == slow


def test_evenness_is_one_for_equal_shares_and_small_for_a_greedy_lane() -> None:
    assert evenness([3, 3, 3, 3]) == 1.0
    assert evenness([4, 0, 0, 0]) == 0.25
    assert evenness([0, 0]) == 0.0


def test_shares_are_compared_at_half_time() -> None:
    sends = [Line(key, n) for n, key in enumerate(["a:0", "b:0", "a:1", "a:2", "b:1", "b:2"])]
    assert at_half(sends, ["a", "b"]) == {"least": 1, "most": 2, "evenness": 0.9}

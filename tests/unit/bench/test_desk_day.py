"""The simulated day at the desk: the same seed, the same day; nobody is forgotten in any order."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.bench import desk_day
from bot.bench.databases import SQLITE
from bot.bench.desk_day import DAY, LEVELS, MIDNIGHT, Arrival, arrivals, bench_desk
from bot.db import crypto


@given(seed=st.integers(), many=st.integers(1, 60))
def test_a_day_is_in_order_and_the_same_again(seed: int, many: int) -> None:
    day = arrivals(seed, many)
    assert day == arrivals(seed, many)
    assert len(day) == many
    assert [one.at for one in day] == sorted(one.at for one in day)
    assert all(MIDNIGHT <= one.at < MIDNIGHT + DAY for one in day)
    assert all(one.lasts > timedelta() and one.level in LEVELS for one in day)


async def test_everybody_is_taken_in_every_order_and_danger_first_in_ours(
    monkeypatch: Any, ring: crypto.KeyRing
) -> None:
    """One counselor talks while four others come: ours takes 3! first, then 3, 2 and the rest."""
    talk = timedelta(minutes=30)
    levels = ("0", "0", "2", "3", "3!")
    minutes = (0, 1, 2, 3, 4)
    day = [
        Arrival(number, MIDNIGHT + timedelta(minutes=minute), level, talk)
        for number, (level, minute) in enumerate(zip(levels, minutes, strict=True))
    ]
    monkeypatch.setattr(desk_day, "arrivals", lambda _seed, _many: day)
    try:
        found: Any = await bench_desk(seed=1, many=5, counselors=1, database=SQLITE)
    finally:
        crypto.install(ring)
    waited = found["time_to_first_take"]
    ours = waited["the desk's queue"]
    assert [ours[level]["max_min"] for level in ("3!", "3", "2", "0")] == [26, 57, 88, 119]
    first = waited["first in, first out"]
    assert [first[level]["max_min"] for level in ("3!", "3", "2", "0")] == [116, 87, 58, 29]
    assert waited["in turn"] == first
    assert sum(ours[level]["arrivals"] for level in ours) == 5

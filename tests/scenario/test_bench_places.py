"""A short `xinqing bench places`: everybody at once, never more places than there are."""

from typing import Any

import pytest

from bot.bench.places import bench_places


@pytest.mark.slow
async def test_the_last_places_go_round_once_and_everybody_is_told_the_truth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XINQING_ENCODER", "none")  # what is measured is not the search
    found: dict[str, Any] = await bench_places(people=20, places=3, processes=2)
    assert (found["booked"], found["waiting"], found["taken_as_the_course_says"]) == (3, 17, 3)
    assert found["answers_failed"] == 0
    assert found["told_the_truth"] == 20
    after = found["one_gives_up"]
    assert (after["booked"], after["taken_as_the_course_says"]) == (3, 3)
    assert after["first_who_waited_got_it"]
    assert after["others_wait_in_their_order"]
    assert after["first_was_told"]
    assert after["others_told"] == 0

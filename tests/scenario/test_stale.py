"""A correctly signed callback whose time is far from ours: never thrown away, never answered."""

from datetime import timedelta

import pytest
from house import CALM, DANGER, PARENT, Home


@pytest.mark.parametrize("age", [timedelta(hours=2), timedelta(hours=-2)], ids=["old", "ahead"])
async def test_stale_and_new_is_stored_screened_and_alerted_only_not_answered(
    staffed: Home, age: timedelta
) -> None:
    prepared = staffed.driver.prepare(PARENT, DANGER, at=staffed.clock.now() - age)
    response = await staffed.driver.post(prepared)
    assert (response.status_code, response.text) == (200, "success")
    message = (await staffed.messages())[-1]
    assert (message.text, message.answerable, message.level) == (DANGER, False, "3")
    case = await staffed.case()
    assert (case.level, case.message_id) == ("3", message.id)
    await staffed.work()
    assert len(staffed.alerts()) == 1
    staffed.clock.advance(minutes=1)
    assert await staffed.house.deliverer.sweep() == 0
    await staffed.work()
    assert staffed.sent() == []


async def test_stale_and_known_gets_the_stored_words(staffed: Home) -> None:
    prepared = staffed.driver.prepare(PARENT, DANGER)
    first = await staffed.driver.deliver(prepared)
    staffed.clock.advance(hours=3)
    assert await staffed.driver.deliver(prepared) == first is not None
    assert len(await staffed.messages()) == 2
    assert len(await staffed.cases()) == 1


async def test_what_was_stale_stays_unanswered_when_it_comes_again(staffed: Home) -> None:
    prepared = staffed.driver.prepare(PARENT, CALM, at=staffed.clock.now() - timedelta(hours=2))
    for _ in range(2):
        assert (await staffed.driver.post(prepared)).text == "success"
    assert [m.answerable for m in await staffed.messages()] == [True, False]


async def test_within_ten_minutes_it_is_fresh(staffed: Home) -> None:
    prepared = staffed.driver.prepare(PARENT, CALM, at=staffed.clock.now() - timedelta(minutes=9))
    assert await staffed.driver.deliver(prepared) is not None

"""A parent on WeChat sees that a counselor writes: for half a minute, and it costs no message."""

from house import CALM, DANGER, Home

from bot.services import typing_signs
from bot.simulator.platform import Fault

PATH = "/cgi-bin/message/custom/typing"


async def _writing(home: Home) -> bool:
    async with home.write() as session:
        by, now = home.place.as_counselor, home.clock.now()
        return await typing_signs.writing(session, by, 1, now=now)


def _shown(home: Home) -> int:
    return home.platform.calls.count(PATH)


async def test_it_is_shown_soon_after_the_parents_words_and_costs_nothing(staffed: Home) -> None:
    await staffed.say(DANGER)
    await staffed.take_case(1)
    assert not await _writing(staffed)  # nobody holds the conversation yet
    await staffed.hold()
    await staffed.work()
    used = (await staffed.contact()).window_used
    assert await _writing(staffed)
    assert await _writing(staffed)  # the same quarter of a minute: one sign
    await staffed.work()
    assert _shown(staffed) == 1
    staffed.clock.advance(seconds=16)
    assert await _writing(staffed)
    await staffed.work()
    assert _shown(staffed) == 2
    staffed.clock.advance(seconds=20)
    assert not await _writing(staffed)
    assert (await staffed.contact()).window_used == used
    await staffed.say(CALM)
    assert await _writing(staffed)


async def test_what_the_platform_says_to_it_changes_nothing(staffed: Home) -> None:
    await staffed.say(DANGER)
    await staffed.take_case(1)
    await staffed.hold()
    await staffed.work()
    staffed.platform.fail(PATH, Fault.DOWN, times=9)
    assert await _writing(staffed)
    await staffed.work()
    staffed.clock.advance(minutes=5)
    await staffed.work()
    assert _shown(staffed) <= 3
    case = await staffed.case()
    assert not case.phone_now

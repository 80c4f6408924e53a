"""What one person sends in one go is read in the order it was sent, however long each reading is.

A cry for help comes in pieces. Reading takes another thread, longer for a longer text; **without
`Turns` the short piece overtakes the long one** and the screen reads the pieces the wrong way.
"""

import asyncio

import pytest
from factories import incoming
from fakes import ReadyScreen
from house import Home

FIRST, SECOND, OTHERS = "家里最近事情多，我说得长一些", "短的", "别人家的问题"


class SlowReading:
    """In place of `Screen.warm`: reads the first piece until the gate opens."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()

    async def warm(self, text: str) -> None:
        """Read at once whatever isn't the first piece."""
        if text == FIRST:
            await self.gate.wait()


async def test_a_long_piece_is_stored_before_the_short_one_after_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = SlowReading()
    monkeypatch.setattr(home.screen, "warm", reading.warm)
    now = home.clock.now()
    pieces = [
        asyncio.create_task(home.accept(incoming(text, at=now, sender="o-one")))
        for text in (FIRST, SECOND)
    ]
    other = await home.accept(incoming(OTHERS, at=now, sender="o-other"))
    assert other.message_id == 1, "nobody waits for somebody else's reading"
    reading.gate.set()
    first, second = await asyncio.gather(*pieces)
    assert first.message_id < second.message_id
    assert isinstance(home.screen, ReadyScreen)
    assert home.screen.judged == [OTHERS, FIRST, SECOND]

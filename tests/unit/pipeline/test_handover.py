"""Marking passive replies: whoever flushes last waits for what is being written."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fakes import HOMEWORK
from house import PARENT, Home
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Delivery


async def test_the_last_flush_waits_for_one_that_is_under_way(
    staffed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that stopped meanwhile would send the reply a second time after its restart."""
    database, gate, reached = staffed.house.services.database, asyncio.Event(), asyncio.Event()
    write = database.write

    @asynccontextmanager
    async def slow() -> AsyncIterator[AsyncSession]:
        reached.set()
        await gate.wait()
        async with write() as session:
            yield session

    await staffed.driver.say(PARENT, HOMEWORK)
    monkeypatch.setattr(database, "write", slow)
    first = asyncio.create_task(staffed.house.handover.flush())
    await reached.wait()
    last = asyncio.create_task(staffed.house.handover.flush())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not last.done()
    gate.set()
    await asyncio.gather(first, last)
    (answer,) = await staffed.rows(Delivery, Delivery.kind == "answer")
    assert answer.state == "accepted"

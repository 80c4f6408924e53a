"""The passive slot: a reply leaves in the callback's answer or later, never both."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from bot.pipeline.slot import PassiveSlot, wait


@given(st.lists(st.sampled_from(["take", "close"]), max_size=6))
def test_it_is_taken_once_or_given_up(acts: list[str]) -> None:
    slot = PassiveSlot()
    done = [act for act in acts if getattr(slot, act)()]
    assert len(set(done)) <= 1
    assert done.count("take") <= 1
    if acts:
        assert done[0] == acts[0]


async def test_an_answer_in_time_is_returned() -> None:
    async def answer() -> str:
        return "words"

    task = asyncio.create_task(answer())
    assert await wait(task, PassiveSlot(), 60) == "words"


async def test_when_time_is_up_the_slot_is_closed_and_the_work_goes_on() -> None:
    gate, slot = asyncio.Event(), PassiveSlot()

    async def answer() -> bool:
        await gate.wait()
        return slot.take()

    task = asyncio.create_task(answer())
    assert await wait(task, slot, 0) is None
    gate.set()
    assert await task is False, "it has to leave another way"


async def test_a_reply_that_is_being_committed_is_worth_a_moment() -> None:
    gate, slot = asyncio.Event(), PassiveSlot()

    async def answer() -> str:
        slot.take()
        await gate.wait()
        return "words"

    task = asyncio.create_task(answer())
    waiting = asyncio.create_task(wait(task, slot, 0))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    gate.set()
    assert await waiting == "words"

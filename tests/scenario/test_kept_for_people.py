"""WeChat's five messages: while a case is open, what the service says leaves some to people."""

import pytest
from house import CALM, DANGER, Home

from bot.core.messages import Reply
from bot.db.models import Delivery
from bot.services import conversations, deliveries
from bot.services.deliveries import KEPT, KEPT_FOR_PEOPLE


async def _by_itself(home: Home, kind: str, number: int) -> Delivery:
    contact = await home.contact()
    async with home.write() as session:
        row = await deliveries.add(
            session,
            contact,
            Reply("（系统提示）", kind, "phrase:test@1"),
            key=f"test:{kind}:{number}",
            now=home.clock.now(),
        )
    return row


async def test_the_service_leaves_two_to_people(staffed: Home) -> None:
    await staffed.say(DANGER)
    await staffed.take_case(1)
    await staffed.work()  # 值班老师已收到
    left = 4
    for number in range(left):
        row = await _by_itself(staffed, "service", number)
        kept = left - number <= KEPT_FOR_PEOPLE
        assert (row.state, row.reason) == (("failed", KEPT) if kept else ("queued", ""))
    await staffed.hold()
    for words in ("我在。", "孩子现在在哪里？"):
        await staffed.write_as_counselor(words)
    await staffed.work()
    sent = await staffed.rows(Delivery, Delivery.kind == "person")
    assert [row.state for row in sent] == ["accepted", "accepted"]


async def test_a_dangers_reply_always_goes(staffed: Home) -> None:
    await staffed.say(DANGER)
    await staffed.take_case(1)
    await staffed.work()
    rows = [await _by_itself(staffed, "risk", number) for number in range(4)]
    assert [row.state for row in rows] == ["queued"] * 4


async def test_without_a_case_nothing_is_kept(staffed: Home) -> None:
    await staffed.say(CALM)
    rows = [await _by_itself(staffed, "service", number) for number in range(5)]
    assert [row.state for row in rows] == ["queued"] * 5


@pytest.mark.parametrize("closed", [False, True])
async def test_the_last_word_of_a_case_is_said(staffed: Home, closed: bool) -> None:
    await staffed.say(DANGER)
    await staffed.take_case(1)
    await staffed.hold()
    for words in ("一", "二"):
        await staffed.write_as_counselor(words)
    await staffed.work()
    if closed:
        await staffed.close_case(1, reason="safe_with_plan", note="家长在陪")
    else:
        async with staffed.write() as session:
            now = staffed.clock.now()
            await conversations.release(session, staffed.place.as_counselor, 1, now=now)
    await staffed.work()
    last = (await staffed.rows(Delivery))[-1]
    words = "先跟到这里" if closed else "接下来由AI自动回复"
    assert words in last.body
    assert (last.state, last.reason) == (("accepted", "") if closed else ("failed", KEPT))

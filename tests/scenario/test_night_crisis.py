"""23:40 on a Sunday: a parent writes that the child doesn't want to live any more."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest
from factories import NIGHT, make_shift
from house import (
    CALM,
    DANGER,
    DISTRICT_GROUP,
    GROUP,
    PARENT,
    URGENT,
    WORRY,
    Home,
)

from bot.core.hotlines import load_hotlines
from bot.core.phrases import load_phrases
from bot.db.models import Assessment, Case, Delivery, Job, Message
from bot.services import cases
from bot.simulator.driver import ServiceBroken

NOTIFYING, NOBODY, RECEIVED = "正在通知", "现在没有值班老师", "值班老师已收到"


def numbers_in(text: str) -> set[str]:
    """Return every phone number that a text prints; hours have two digits."""
    return set(re.findall(r"\d{3,}", text))


def open_numbers(moment: datetime) -> set[str]:
    return {line.number for line in load_hotlines().lines if line.open_at(moment)}


@pytest.mark.parametrize(
    ("text", "level"), [(URGENT, "3!"), (DANGER, "3"), (WORRY, "2"), (CALM, "0")]
)
async def test_the_sentences_of_these_tests_have_their_levels(
    home: Home, text: str, level: str
) -> None:
    screened = home.screen.judge(text, who=None, turns=(), floor="0", weak_signs=0)
    assert screened.level == screened.fresh == level


async def test_the_fixed_reply_with_the_lines_that_are_open(staffed: Home) -> None:
    reply = await staffed.say(DANGER)
    assert "110" in reply
    assert "120" in reply
    assert "12356" in reply, "open until midnight"
    assert numbers_in(reply) <= open_numbers(NIGHT)
    assert NOTIFYING in reply
    assert "已通知" not in reply
    assert RECEIVED not in reply
    assert len(reply.encode()) <= 2048
    delivery = (await staffed.deliveries("passive"))[-1]
    assert delivery.source.startswith("crisis:self_harm.parent_about_child.3.on")
    assert delivery.state == "accepted"


async def test_after_midnight_a_closed_line_is_not_printed(staffed: Home) -> None:
    staffed.clock.advance(hours=1)
    reply = await staffed.say(DANGER)
    assert "12356" not in reply
    assert {"110", "120"} <= numbers_in(reply) <= open_numbers(staffed.clock.now())


async def test_one_transaction_holds_message_assessment_case_and_alert(
    staffed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {model: len(await staffed.rows(model)) for model in (Message, Assessment, Case, Job)}

    async def fail(*_args: object, **_kinds: object) -> None:
        raise OSError("the disk is full")

    # The last thing that accepting does: by then everything else has been written.
    monkeypatch.setattr(cases, "publish", fail)
    prepared = staffed.driver.prepare(PARENT, DANGER)
    with pytest.raises(ServiceBroken) as caught:
        await staffed.driver.deliver(prepared)
    assert caught.value.status == 503, "not acknowledged, so that the platform sends it again"
    for model, count in before.items():
        assert len(await staffed.rows(model)) == count
    monkeypatch.undo()
    assert NOTIFYING in (await staffed.driver.deliver(prepared) or "")
    await staffed.house.handover.flush()
    case, message = await staffed.case(), (await staffed.messages())[-1]
    assert (case.level, case.message_id, case.state) == ("3", message.id, "open")
    (assessment,) = [row for row in await staffed.assessments() if row.message_id == message.id]
    assert (assessment.level, assessment.fresh_level) == ("3", "3")
    assert len(await staffed.jobs("alert.send", "ready")) == 1
    assert len(await staffed.jobs("ladder.step", "sched")) == 1


async def test_the_alert_leaves_with_a_receipt_and_without_the_parents_words(
    staffed: Home,
) -> None:
    await staffed.say(DANGER)
    assert staffed.alerts() == []
    await staffed.work()
    (alert,) = staffed.alerts()
    assert "3级" in alert
    assert "/desk" in alert
    for secret in (DANGER, "不想活", PARENT, "三年级2班"):
        assert secret not in alert
    (delivery,) = await staffed.deliveries("alert")
    assert (delivery.state, delivery.receipt, delivery.target) == ("accepted", "ok", "school")
    assert delivery.finished_at == staffed.clock.now()
    assert "alert_accepted" in await staffed.events()
    await staffed.work()
    assert len(staffed.alerts()) == 1


@pytest.mark.parametrize(
    ("text", "minutes"), [(URGENT, (3, 6, 10)), (DANGER, (5, 10, 15))], ids=["3!", "3"]
)
async def test_the_ladder_climbs_until_somebody_accepts(
    staffed: Home, text: str, minutes: tuple[int, ...]
) -> None:
    await staffed.say(text)
    start = staffed.clock.now()
    await staffed.work()
    assert (len(staffed.alerts()), len(staffed.alerts(DISTRICT_GROUP))) == (1, 0)
    for step, minute in enumerate(minutes, 1):
        staffed.clock.moment = start + timedelta(minutes=minute, seconds=-1)
        await staffed.work()
        assert len(staffed.alerts()) == step, "not before its time"
        await staffed.wait(seconds=1)
        assert len(staffed.alerts()) == step + 1
        assert len(staffed.alerts(DISTRICT_GROUP)) == step
        assert f"已等{minute}分钟" in staffed.alerts()[-1]
        assert (await staffed.case()).step == step
    # At the top it goes on calling, until somebody accepts.
    await staffed.wait(minutes=15)
    assert len(staffed.alerts(DISTRICT_GROUP)) > len(minutes)
    case = await staffed.case()
    await staffed.take_case(case.id)
    assert await staffed.jobs("ladder.step", "ready", "sched", "leased") == [], "at once"
    count = len(staffed.alerts())
    for _ in range(6):
        await staffed.wait(minutes=15)
    assert len(staffed.alerts()) == count


async def test_a_level_2_climbs_after_half_an_hour_of_duty_time(home: Home) -> None:
    start = home.clock.now()
    async with home.write() as session:
        morning = start + timedelta(hours=8)
        await make_shift(
            session, home.place.district, home.place.district_counselor, start=morning, hours=8
        )
    await home.say(WORRY)
    case = await home.case()
    assert (case.level, case.uncovered) == ("2", True)

    def called() -> int:
        """Count the calls at the district's desk, where a contact without a class belongs."""
        return sum("等人接手" in text for text in home.alerts(DISTRICT_GROUP))

    await home.work()
    assert called() == 1
    await home.wait(hours=8, minutes=29)
    assert called() == 1
    await home.wait(minutes=1)
    assert called() == 2


async def test_accepting_tells_the_parent_and_only_then(staffed: Home) -> None:
    await staffed.say(DANGER)
    before = await staffed.say("我在门口守着他")
    assert NOTIFYING in before
    assert RECEIVED not in before, "nobody has accepted it"
    await staffed.work()
    assert staffed.sent() == []
    await staffed.take_case((await staffed.case()).id)
    await staffed.work()
    (told,) = staffed.sent()
    assert RECEIVED in told
    case = await staffed.case()
    assert (case.state, case.accepted_by) == ("accepted", staffed.place.counselor.id)
    again = await staffed.say("他现在在房间里")
    assert RECEIVED in again
    assert NOTIFYING not in again


async def test_a_retraction_lowers_nothing(staffed: Home) -> None:
    await staffed.say(DANGER)
    reply = await staffed.say("开玩笑的")
    assert (await staffed.case()).level == "3"
    assert (await staffed.case()).state == "open"
    assert [message.level for message in await staffed.messages()][1:] == ["3", "3"]
    assert "120" in reply, "it still gets what matters now, not small talk"
    assert "还是要由老师看过才算数" in reply
    await staffed.wait(minutes=5)
    assert len(staffed.alerts()) == 2, "the ladder climbs on"


async def test_nobody_on_duty_is_said_and_the_alert_leaves_all_the_same(home: Home) -> None:
    reply = await home.say(DANGER)
    assert NOBODY in reply
    assert NOTIFYING not in reply
    assert {"110", "120"} <= numbers_in(reply)
    await home.work()
    assert len(home.alerts(DISTRICT_GROUP)) == 1
    assert home.alerts(GROUP) == [], "who is bound to no class is the district's, not a school's"
    case = await home.case()
    assert case.uncovered
    assert "uncovered" in await home.events()


async def test_a_shift_that_can_wake_no_phone_is_no_cover(home: Home) -> None:
    await home.on_duty(wakes=False)
    await home.driver.follow(PARENT, "class-302")
    assert NOBODY in await home.say(DANGER)


async def test_a_second_message_in_the_same_moment_is_a_message_of_its_own(staffed: Home) -> None:
    """Bots in this field lose it; see PEERS §4.2."""
    first, second = await asyncio.gather(staffed.say(CALM), staffed.say(DANGER))
    assert NOTIFYING in second
    assert first
    assert {m.text for m in await staffed.messages() if m.kind == "text"} == {CALM, DANGER}
    assert all(m.state == "done" for m in await staffed.messages())
    assert (await staffed.case()).level == "3"


async def test_a_worse_message_calls_again_and_restarts_the_ladder(staffed: Home) -> None:
    await staffed.say(WORRY)
    await staffed.work()
    await staffed.take_case((await staffed.case()).id)
    staffed.clock.advance(minutes=1)
    reply = await staffed.say(URGENT)
    case = await staffed.case()
    assert (case.level, case.state) == ("3!", "open")
    assert case.raised_at == staffed.clock.now()
    assert NOTIFYING in reply, "the whole reply for the new level"
    await staffed.work()
    assert "3!级" in staffed.alerts()[-1]
    await staffed.wait(minutes=3)
    assert len(staffed.alerts()) == 3


async def test_every_printed_sentence_is_a_reviewed_one(staffed: Home) -> None:
    """What a parent got over a night can be traced to phrases, parts and entries."""
    for text in (CALM, DANGER, "开玩笑的", "转人工", "孩子写作业拖到十点多，一催就炸"):
        await staffed.say(text)
    await staffed.take_case((await staffed.case()).id)
    await staffed.work()
    known = {phrase.key for phrase in load_phrases()}
    for delivery in await staffed.rows(Delivery, Delivery.route != "alert"):
        for source in delivery.source.split("+"):
            family, _, key = source.partition(":")
            assert family in ("phrase", "crisis", "entry")
            assert family != "phrase" or key.partition("@")[0] in known
            assert key.partition("@")[2].isdigit()


async def test_the_moments_are_kept_in_utc(staffed: Home) -> None:
    await staffed.say(DANGER)
    case = await staffed.case()
    assert case.opened_at == NIGHT
    assert case.opened_at.tzinfo == UTC

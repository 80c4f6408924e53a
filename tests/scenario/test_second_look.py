"""More comes than can be read: the rules judge alone at once, and the classifier afterwards.

The rules judge every text while it is stored, as ever. **Without the second look** what only the
classifier sees in a busy minute, or while it is broken, would be nobody's.
"""

import pytest
from aided import OBLIQUE, PLAIN, AidedScreen
from factories import SCENE, incoming
from fakes import HOMEWORK
from house import CALM, DANGER, PARENT, Home, Houses
from sqlalchemy import update

import handlers
from bot.core.clock import epoch_ms
from bot.core.messages import Kind
from bot.db.models import Alarm, Case, Delivery, Job, Lane, Message
from bot.pipeline.again import KIND, PATIENCE, TRIES

CLASS = "cidClass302=="


@pytest.fixture
async def home(houses: Houses) -> Home:
    """A house with a classifier, somebody on duty, and a parent who was greeted."""
    made = await houses.make(screen=AidedScreen())
    await made.on_duty()
    await made.driver.follow(PARENT, SCENE)
    await made.house.handover.flush()
    await made.say(CALM)
    await made.wait(seconds=2)
    made.platform.sent.clear()
    reader(made).asked.clear()
    return made


def reader(home: Home):  # type: ignore[no-untyped-def]
    assert isinstance(home.screen, AidedScreen)
    return home.screen.reader


def crowd(home: Home, *, yes: bool = True) -> None:
    """Let the inbox be behind with every message, or with none."""
    home.house.inbox.crowd.many = 1 if yes else 1000


async def second_looks(home: Home, *states: str) -> int:
    return len(await home.jobs(KIND, *states))


async def look_again(home: Home) -> None:
    """Let the job run once more, as after a worker that died behind its work."""
    async with home.write() as session:
        now = epoch_ms(home.clock.now())
        await session.execute(
            update(Job).where(Job.kind == KIND).values(state="ready", run_at=now, attempts=0)
        )
    await home.work()
    assert await second_looks(home, "done") == await second_looks(home)


async def crises(home: Home) -> list[str | None]:
    """Return where crisis replies were sent outside of callbacks: a group, None for 1:1."""
    rows = await home.rows(Delivery, Delivery.kind == "risk", Delivery.route == "api")
    assert len({row.key for row in rows}) == len(rows)
    return [row.group for row in rows if row.state == "accepted"]


# What happens -------------------------------------------------------------------------------------


async def test_the_rules_at_once_and_the_classifier_afterwards(home: Home) -> None:
    crowd(home)
    answer = await home.say(OBLIQUE)
    assert answer, "answered like any other message"
    assert reader(home).asked == []
    assert await home.cases() == []
    before = (await home.assessments())[-1]
    assert (before.fresh_level, "reader" in before.rule_version) == ("0", False)
    assert await second_looks(home, "ready") == 1
    await home.work()
    case = await home.case()
    message = (await home.messages())[-1]
    assert (case.level, case.origin, case.message_id) == ("3", "screen", message.id)
    assert message.level == "3"
    after = (await home.assessments())[-1]
    assert (after.level, after.fresh_level) == ("3", "3")
    assert after.rule_ids[0] == "model.SI-P"
    assert "reader" in after.rule_version
    await home.wait(seconds=2)
    assert await crises(home) == [None]
    assert len(home.alerts()) == 1


async def test_what_is_harmless_by_both_causes_nothing(home: Home) -> None:
    crowd(home)
    await home.say(PLAIN)
    said = len(await home.deliveries())
    await home.work()
    assert await second_looks(home, "done") == 1
    assert reader(home).asked
    assert await home.cases() == []
    assert len(await home.deliveries()) == said
    assert home.sent() == []
    judged = (await home.assessments())[-1]
    assert (judged.level, "reader" in judged.rule_version) == ("0", True)


async def test_it_is_asked_with_the_turns_that_stood_before(home: Home) -> None:
    crowd(home)
    for text in (PLAIN, HOMEWORK):
        await home.say(text)
    await home.work()
    asked = reader(home).asked
    assert {f"{CALM}|{PLAIN}", f"{CALM}|{PLAIN}|{HOMEWORK}"} <= set(asked)
    assert not any(f"{HOMEWORK}|" in text for text in asked), "nothing that came after it"


async def test_who_comes_in_a_quiet_moment_is_read_at_once(home: Home) -> None:
    assert "120" in await home.say(OBLIQUE)
    assert (await home.case()).level == "3"
    assert await second_looks(home) == 0


async def test_a_danger_that_the_rules_see_waits_for_nobody(home: Home) -> None:
    crowd(home)
    assert "120" in await home.say(DANGER)
    assert (await home.case()).level == "3"
    await home.work()
    events, said = await home.events(), len(await home.deliveries())
    await look_again(home)
    assert await home.events() == events
    assert len(await home.deliveries()) == said
    assert await crises(home) == []


async def test_without_a_classifier_there_is_no_second_look(houses: Houses) -> None:
    plain = await houses.make()
    crowd(plain)
    await plain.say(OBLIQUE)
    assert await second_looks(plain) == 0


async def test_what_has_no_words_needs_none(home: Home) -> None:
    crowd(home)
    await home.accept(incoming("", at=home.clock.now(), kind=Kind.IMAGE, media_id="m"))
    assert await second_looks(home) == 0


# Nothing twice ------------------------------------------------------------------------------------


async def test_killed_behind_its_work_it_does_nothing_twice(home: Home) -> None:
    crowd(home)
    await home.say(OBLIQUE)
    await home.work()
    await home.wait(seconds=2)
    events, said = await home.events(), len(await home.deliveries())
    for _ in range(2):
        await look_again(home)
    assert len(await home.cases()) == 1
    assert await home.events() == events
    assert len(await home.deliveries()) == said
    assert await crises(home) == [None]


async def test_killed_before_it_another_process_does_it(home: Home, houses: Houses) -> None:
    crowd(home)
    await home.say(OBLIQUE)
    other = await houses.make(screen=AidedScreen())
    await other.work()
    assert (await other.case()).level == "3"
    assert await crises(other) == [None]


async def test_not_answered_yet_it_is_answered_once(home: Home) -> None:
    """The process died between storing and answering; the second look is faster than the sweep."""
    crowd(home)
    receipt = await home.accept(incoming(OBLIQUE, at=home.clock.now(), sender=PARENT))
    home.platform.wrote(PARENT)
    await home.work()
    assert await home.route(receipt) == ()
    await home.wait(seconds=2)
    assert len(home.sent()) == 1
    assert await crises(home) == [None]
    assert (await home.messages())[-1].handler == "risk"


async def test_a_later_message_brought_the_reply_already(home: Home) -> None:
    crowd(home)
    await home.say(OBLIQUE)
    crowd(home, yes=False)
    assert "120" in await home.say(DANGER)
    await home.work()
    await home.wait(seconds=2)
    assert len(await home.cases()) == 1
    assert await crises(home) == []


async def test_a_stale_one_opens_the_case_and_is_not_answered(home: Home) -> None:
    crowd(home)
    await home.accept(incoming(OBLIQUE, at=home.clock.now(), sender=PARENT, stale=True))
    await home.work()
    await home.wait(seconds=2)
    assert (await home.case()).level == "3"
    assert home.sent() == []


async def test_in_a_group_it_is_said_to_the_person_alone(home: Home) -> None:
    home.dingtalk.groups.add(CLASS)
    crowd(home)
    await home.hear(home.robot.message("u001", f"@心晴 {OBLIQUE}", group=CLASS))
    await home.house.reception.finish(5)
    in_group = len([row for row in await home.deliveries() if row.group == CLASS])
    await home.work()
    await home.wait(seconds=2)
    assert (await home.case()).level == "3"
    assert len([row for row in await home.deliveries() if row.group == CLASS]) == in_group
    assert await crises(home) == [None]


async def test_where_a_person_has_taken_over_no_fixed_words_follow(home: Home) -> None:
    await home.say(DANGER)
    await home.work()
    await home.take_case((await home.case()).id)
    await home.hold((await home.contact()).id)
    await home.work()
    home.platform.sent.clear()
    crowd(home)
    await home.say(OBLIQUE)
    await home.work()
    await home.wait(seconds=2)
    assert await crises(home) == []
    assert (await home.assessments())[-1].fresh_level == "3"


async def test_outside_the_platforms_window_the_case_says_to_phone(home: Home) -> None:
    crowd(home)
    await home.say(OBLIQUE)
    home.clock.advance(hours=49)
    await home.work()
    await home.wait(seconds=2)
    case = await home.case()
    assert (case.level, case.phone_now) == ("3", True)
    assert await crises(home) == []


async def test_what_was_erased_meanwhile_is_not_looked_at(home: Home) -> None:
    crowd(home)
    await home.say(OBLIQUE)
    async with home.write() as session:
        await session.execute(update(Message).values(text=""))
    await home.work()
    assert reader(home).asked == []
    assert await home.cases() == []
    assert await second_looks(home, "done") == 1


async def test_a_reply_that_cannot_be_chosen_leaves_case_and_alert(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_args: object) -> None:
        raise LookupError("no part")

    monkeypatch.setattr(handlers.risk, "handle", fail)
    crowd(home)
    # Answered before: the router asks the same handler.
    await home.accept(incoming(OBLIQUE, at=home.clock.now(), sender=PARENT))
    await home.work()
    assert (await home.case()).level == "3"
    assert len(home.alerts()) >= 1
    assert "handler_failed" in await home.alarms()


# Waiting and failing ------------------------------------------------------------------------------


async def test_while_the_house_is_busy_it_waits_but_not_for_ever(home: Home) -> None:
    crowd(home)
    await home.say(OBLIQUE)
    home.house.inbox.crowd.many = 0
    for _ in range(20):
        await home.wait(seconds=5)
    (job,) = await home.jobs(KIND)
    assert (job.state in ("ready", "sched"), job.attempts) == (True, 0)
    assert await home.cases() == []
    home.clock.advance(seconds=PATIENCE.total_seconds())
    await home.work()
    assert (await home.case()).level == "3"


async def test_it_has_a_lane_of_its_own_with_a_limit(home: Home) -> None:
    (lane,) = await home.rows(Lane, Lane.name == "screen")
    assert (lane.per_second, lane.burst) == (10.0, 5)


async def test_broken_at_the_door_and_mended_a_minute_later(home: Home) -> None:
    reader(home).broken = True
    await home.say(OBLIQUE)
    assert "classifier_unusable" in await home.alarms()
    assert await home.cases() == []
    await home.work()
    assert await second_looks(home, "sched", "ready") == 1
    reader(home).broken = False
    for _ in range(10):
        await home.wait(seconds=10)
    assert (await home.case()).level == "3"
    assert await crises(home) == [None]
    assert await second_looks(home, "done") == 1


async def test_broken_for_good_it_is_given_up_with_an_alarm(home: Home) -> None:
    reader(home).broken = True
    await home.say(OBLIQUE)
    for _ in range(TRIES + 5):
        await home.wait(minutes=20)
    assert await second_looks(home, "dead") == 1
    alarms = await home.rows(Alarm, Alarm.key == f"classifier_unusable:{KIND}")
    assert len(alarms) == 1
    assert await home.rows(Case) == []
    assert OBLIQUE not in repr([job.error for job in await home.jobs(KIND)])

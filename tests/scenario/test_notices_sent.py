"""A notice goes to each guardian once, over the way that is open."""

import pytest
from factories import make_staff
from house import Home
from notice_world import World, make_world, of, send, sent, states, write
from sqlalchemy import update

from bot.core.errors import Conflict, InputInvalid, NotAllowed, NotFound
from bot.db.models import AuditEntry, Contact, Delivery, Guardianship, Job, Notice
from bot.services import notices, staff
from bot.simulator.platform import Fault

CUSTOM = "/cgi-bin/message/custom/send"
BATCH = "/v1.0/robot/oToMessages/batchSend"


@pytest.fixture
async def world(home: Home) -> World:
    return await make_world(home)


# Preview and sending ------------------------------------------------------------------------------


async def test_the_preview_counts_children_guardians_and_ways(world: World) -> None:
    notice = await write(world)
    async with world.home.house.services.database.read() as session:
        found = await notices.preview(session, notice.id, world.home.clock.now())
    assert (found.children, found.guardians, found.reachable) == (4, 4, 3)
    assert dict(found.ways) == {"wechat": 1, "dingtalk": 2}
    assert dict(found.unreachable) == {"no_contact": 1}


async def test_each_guardian_gets_it_once_over_their_own_way(world: World) -> None:
    notice = await sent(world)
    for name in ("mum1", "dad1", "mum2"):
        (text,) = world.heard(name)
        assert text.startswith("【通知】家长会\n周五下午两点")
        assert "三年级2班 林静" in text
        assert "请回复“收到”" in text
    found = await states(world, notice)
    assert (found.counts["accepted"], found.counts["unreachable"], found.people) == (3, 1, 4)
    assert found.reasons == {"no_contact": 1}
    assert (found.children_total, found.children_confirmed) == (4, 0)
    (row,) = await world.home.rows(Notice)
    assert row.state == "sent"
    contact = await world.home.contact("mum1")
    assert contact.window_used == 1
    assert {delivery.body for delivery in await world.home.rows(Delivery)} == {""}


async def test_a_guardian_on_two_channels_gets_it_once_over_the_robot(world: World) -> None:
    async with world.home.write() as session:
        session.add(world.contact("mum1-ding", world.guardians["mum1"], "dingtalk"))
    await sent(world)
    assert len(world.heard("mum1-ding")) == 1
    assert world.heard("mum1") == []


async def test_the_last_message_of_a_window_is_kept_for_an_answer(world: World) -> None:
    async with world.home.write() as session:
        await session.execute(
            update(Contact).where(Contact.external_id == "mum1").values(window_used=4)
        )
    notice = await sent(world)
    assert await of(world, notice, "mum1") == [("unreachable", "window_closed")]
    assert world.heard("mum1") == []


async def test_blocked_stopped_unfollowed_and_erased_are_listed_with_the_reason(
    world: World,
) -> None:
    now = world.home.clock.now()
    async with world.home.write() as session:
        await session.execute(
            update(Guardianship)
            .where(Guardianship.guardian_id == world.guardians["mum1"].id)
            .values(custody_block=True)
        )
        for name, values in (("dad1", {"stopped_at": now}), ("mum2", {"following": False})):
            await session.execute(
                update(Contact).where(Contact.external_id == name).values(**values)
            )
        gran = await session.merge(world.guardians["gran3"])
        gran.erased_at = now
    notice = await sent(world)
    for name, reason in (
        ("mum1", "custody_block"),
        ("dad1", "stopped"),
        ("mum2", "unfollowed"),
        ("gran3", "erased"),
    ):
        assert await of(world, notice, name) == [("unreachable", reason)]
    assert not [one for one in world.home.platform.sent if "家长会" in one.text]


async def test_one_blocked_for_one_of_two_children_is_told_of_the_other(world: World) -> None:
    twin = world.children[1]
    async with world.home.write() as session:
        await session.execute(
            update(Guardianship).where(Guardianship.child_id == twin.id).values(custody_block=True)
        )
    notice = await sent(world)
    assert len(world.heard("mum2")) == 1
    rows = {row.child_id: row for row in (await states(world, notice)).children}
    assert [one.reason for one in rows[twin.id].guardians] == ["custody_block"]
    assert [one.state for one in rows[world.children[2].id].guardians] == ["accepted"]


async def test_what_changes_between_plan_and_sending_counts(world: World) -> None:
    world.home.platform.fail(BATCH, Fault.DOWN)
    notice = await sent(world)
    assert await of(world, notice, "dad1") == [("queued", "")]
    async with world.home.write() as session:
        await session.execute(
            update(Guardianship)
            .where(Guardianship.guardian_id == world.guardians["dad1"].id)
            .values(custody_block=True)
        )
    await world.home.wait(minutes=1)
    assert world.heard("dad1") == []
    assert await of(world, notice, "dad1") == [("unreachable", "custody_block")]
    assert len(world.heard("mum2")) == 1


async def test_double_sending_is_one_notice_and_changed_ones_conflict(world: World) -> None:
    notice = await write(world)
    again = await write(world)
    assert again.id == notice.id
    by, now = await world.view(), world.home.clock.now()
    async with world.home.write() as session:
        with pytest.raises(Conflict):
            await notices.send(session, by, notice.id, 99, now)
    await send(world, notice)
    await send(world, notice)
    await world.home.work()
    await send(world, notice)
    await world.home.work()
    assert len(world.heard("mum1")) == 1
    sent_entries = await world.home.rows(AuditEntry, AuditEntry.action == "notice.sent")
    assert len(sent_entries) == 1


async def test_another_schools_teacher_can_do_nothing(world: World) -> None:
    home, notice = world.home, await write(world)
    async with home.write() as session:
        stranger = await make_staff(session, now=home.clock.now())
        school = home.place.other_school
        await staff.grant(session, staff_id=stranger.id, place_id=school.id, role="teacher")
    now = home.clock.now()
    async with home.write() as session:
        by = await staff.view(session, stranger, now)
        with pytest.raises(NotAllowed):
            await notices.draft(
                session,
                by,
                place_id=world.place.id,
                title="x",
                body="y",
                confirm=True,
                key="foreign",
                now=now,
            )
        for act in (
            notices.send(session, by, notice.id, notice.row_version, now),
            notices.remind(session, by, notice.id, now),
            notices.withdraw(session, by, notice.id, now),
            notices.get(session, by, notice.id),
        ):
            with pytest.raises(NotFound):
                await act
        await notices.discard(session, by, notice.id)
    assert len(await home.rows(Notice)) == 1


@pytest.mark.parametrize(
    ("title", "body"), [("", "好"), ("长" * 41, "好"), ("好", " "), ("好", "长" * 501)]
)
async def test_a_notice_that_could_not_be_sent_is_not_written(
    world: World, title: str, body: str
) -> None:
    by = await world.view()
    async with world.home.write() as session:
        with pytest.raises(InputInvalid):
            await notices.draft(
                session,
                by,
                place_id=world.place.id,
                title=title,
                body=body,
                confirm=True,
                key="long",
                now=world.home.clock.now(),
            )


# When the platform fails --------------------------------------------------------------------------


async def test_an_answer_that_never_came_is_unknown_and_not_sent_again(world: World) -> None:
    world.home.platform.fail(CUSTOM, Fault.NOT_JSON)
    notice = await sent(world)
    assert await of(world, notice, "mum1") == [("unknown", "unknown")]
    for _ in range(5):
        await world.home.wait(minutes=30)
    assert await of(world, notice, "mum1") == [("unknown", "unknown")]
    assert world.home.platform.calls.count(CUSTOM) == 1


async def test_a_platform_that_is_down_is_tried_again(world: World) -> None:
    world.home.platform.fail(BATCH, Fault.DOWN, times=2)
    notice = await sent(world)
    for _ in range(4):
        await world.home.wait(minutes=1)
    assert [len(world.heard(name)) for name in ("dad1", "mum2")] == [1, 1]
    assert (await states(world, notice)).counts["accepted"] == 3


async def test_somebody_who_left_the_organisation_is_not_reachable(world: World) -> None:
    world.home.platform.unfollow("dad1")
    notice = await sent(world)
    assert await of(world, notice, "dad1") == [("unreachable", "unfollowed")]


async def test_a_worker_that_died_while_sending_leaves_it_unknown(world: World) -> None:
    home = world.home
    home.platform.fail(CUSTOM, Fault.DOWN)
    notice = await sent(world)
    assert await of(world, notice, "mum1") == [("queued", "")]
    async with home.write() as session:
        await session.execute(
            update(Job)
            .where(Job.kind == "notice.send", Job.state == "sched")
            .values(state="leased", owner="dead", lease_until=0)
        )
    await home.wait(minutes=1)
    assert world.heard("mum1") == []
    assert await of(world, notice, "mum1") == [("unknown", "worker_lost")]
    assert (await states(world, notice)).counts["unknown"] == 1

"""What a member of staff may not do on the pages they may not do in DingTalk either."""

from collections.abc import Awaitable, Callable

import pytest
from house import Home
from notice_world import World, make_world
from sqlalchemy import select, update

from bot.db.models import AuditEntry, Delivery, Job, Notice, Staff, StaffRole
from bot.services import places, staff

WISH = "通知 三年级2班 周五下午两点家长会，请回复收到"
Change = Callable[[World], Awaitable[None]]


@pytest.fixture
async def world(home: Home) -> World:
    return await make_world(home)


async def says(world: World, text: str) -> str:
    (answer, *_) = await world.dingtalk_says("t001", text)
    return answer


async def _role(world: World, **values: object) -> None:
    async with world.home.write() as session:
        theirs = update(StaffRole).where(StaffRole.staff_id == world.teacher.id)
        await session.execute(theirs.values(**values))


async def _ended(world: World) -> None:
    await _role(world, ends_at=world.home.clock.now())


async def _not_begun(world: World) -> None:
    await _role(world, starts_at=world.home.clock.now().replace(year=2027))


async def _other_school(world: World) -> None:
    await _role(world, place_id=world.home.place.other_school.id)


async def _role_without_the_action(world: World) -> None:
    await _role(world, role="counselor")


async def _committee(world: World) -> None:
    await _role(world, role="committee")


async def _account_closed(world: World) -> None:
    async with world.home.write() as session:
        account = update(Staff).where(Staff.id == world.teacher.id)
        await session.execute(account.values(active=False))


async def _moved_to_another_class(world: World) -> None:
    async with world.home.write() as session:
        school = await session.merge(world.home.place.school)
        other = await places.add(session, kind="class", name="五年级1班", parent=school)
        person = update(StaffRole).where(StaffRole.staff_id == world.teacher.id)
        await session.execute(person.values(ends_at=world.home.clock.now()))
        await staff.grant(session, staff_id=world.teacher.id, place_id=other.id, role="teacher")


CHANGES: tuple[Change, ...] = (
    _ended,
    _not_begun,
    _other_school,
    _role_without_the_action,
    _committee,
    _account_closed,
    _moved_to_another_class,
)


async def _written(world: World) -> tuple[int, int, int]:
    """Return how much stands in the tables of what a notice would leave behind."""
    async with world.home.house.services.database.read() as session:
        notices = (await session.scalars(select(Notice.id))).all()
        told = (await session.scalars(select(Delivery.id).where(Delivery.notice_id > 0))).all()
        jobs = select(Job.id).where(Job.kind.startswith("notice."))
        return len(notices), len(told), len((await session.scalars(jobs)).all())


@pytest.mark.parametrize("change", CHANGES)
async def test_without_the_right_nothing_is_written(world: World, change: Change) -> None:
    await change(world)
    for text in (WISH, "发送", "通知进度"):
        answer = await says(world, text)
        assert "家长会" not in answer, "the preview"
        assert "正在发给" not in answer
    assert await _written(world) == (0, 0, 0)
    async with world.home.house.services.database.read() as session:
        trail = select(AuditEntry).where(AuditEntry.action.startswith("notice."))
        assert (await session.scalars(trail)).all() == []


@pytest.mark.parametrize("change", CHANGES)
async def test_a_right_that_ends_before_it_is_sent_stops_it(world: World, change: Change) -> None:
    assert "准备发给" in await says(world, WISH)
    await change(world)
    assert "正在发给" not in await says(world, "发送")
    assert await _written(world) == (1, 0, 0)
    async with world.home.house.services.database.read() as session:
        assert (await session.scalars(select(Notice.state))).all() == ["draft"]


async def test_what_was_sent_is_the_schools_and_goes_on_when_the_author_leaves(
    world: World,
) -> None:
    """The right is asked when it is sent; whoever may write there can withdraw it afterwards."""
    await says(world, WISH)
    frame = world.home.robot.message("t001", "发送")
    await world.home.hear(frame)
    await world.home.house.reception.finish(5)
    await _account_closed(world)
    await world.home.wait(seconds=5)
    assert [text for text in world.heard("mum1") if text.startswith("【通知】")]

"""A class with families on both platforms, and its teacher, for tests of notices."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from house import ROBOT, Home
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Child, Contact, Delivery, Guardian, Notice, Place, Staff
from bot.services import notices, people, staff
from bot.services.staff import StaffView

ACCOUNT = "school1"
TITLE, BODY = "家长会", "周五下午两点在教室开家长会，请回复收到。"


@dataclass
class World:
    """The families of one class.

    Args:
        contacts: by a short name of the guardian, such as `mum1`.
    """

    home: Home
    teacher: Staff
    place: Place
    children: list[Child] = field(default_factory=list)
    guardians: dict[str, Guardian] = field(default_factory=dict)

    async def view(self) -> StaffView:
        """Return the teacher with their rights now."""
        async with self.home.house.services.database.read() as session:
            return await staff.view(session, self.teacher, self.home.clock.now())

    async def child(self, session: AsyncSession, name: str, place: Place | None = None) -> Child:
        """Add a child of the class."""
        child = await people.add_child(
            session,
            place_id=(place or self.place).id,
            name=name,
            now=self.home.clock.now(),
            ring=self.home.house.services.ring,
        )
        self.children.append(child)
        return child

    async def guardian(
        self,
        session: AsyncSession,
        name: str,
        *children: Child,
        channel: str = "",
        window: bool = True,
    ) -> Guardian:
        """Add a guardian, with a contact on a channel where one is named."""
        now = self.home.clock.now()
        ring = self.home.house.services.ring
        guardian = await people.add_guardian(session, name="家长", now=now, ring=ring)
        for child in children:
            await people.tie(session, guardian, child, "M", now)
        self.guardians[name] = guardian
        if channel:
            session.add(self.contact(name, guardian, channel, window=window))
            await session.flush()
        return guardian

    def contact(
        self, name: str, guardian: Guardian, channel: str, *, window: bool = True
    ) -> Contact:
        """Return a guardian's contact; the platform knows them too."""
        now, wechat = self.home.clock.now(), channel == "wechat"
        self.home.platform.follow(name)
        if wechat and window:
            self.home.platform.wrote(name)
        return Contact(
            channel=channel,
            account=ACCOUNT if wechat else ROBOT,
            external_id=name,
            guardian_id=guardian.id,
            place_id=self.place.id,
            created_at=now,
            greeted_at=now,
            window_until=now + timedelta(hours=48) if wechat and window else None,
            window_limit=(5 if window else 0) if wechat else -1,
            window_used=0,
        )

    def heard(self, name: str) -> list[str]:
        """Return what a guardian was sent."""
        return self.home.platform.texts(name)

    async def wechat_says(self, name: str, text: str) -> str:
        """Write as a guardian on WeChat; return the answer."""
        return await self.home.say(text, parent=name)

    async def dingtalk_says(self, name: str, text: str) -> list[str]:
        """Write as somebody on DingTalk over the Stream; return what they were sent after it."""
        before = len(self.heard(name))
        await self.home.hear(self.home.robot.message(name, text))
        await self.home.house.reception.finish(5)
        await self.home.work()
        # The robot's lane takes a few at once.
        await self.home.wait(seconds=2)
        return self.heard(name)[before:]


async def make_world(home: Home, *, families: bool = True) -> World:
    """Add a teacher of the class, and three families of it."""
    now = home.clock.now()
    async with home.write() as session:
        teacher = Staff(
            login="teacher",
            name="林静",
            password_hash="unused",
            must_change_password=False,
            created_at=now,
            external_id="t001",
        )
        session.add(teacher)
        await session.flush()
        await staff.grant(
            session, staff_id=teacher.id, place_id=home.place.class_.id, role="teacher"
        )
        home.platform.follow("t001")
        world = World(home, teacher, home.place.class_)
        if families:
            await _families(world, session)
    return world


async def _families(world: World, session: AsyncSession) -> None:
    one = await world.child(session, "安安")
    await world.guardian(session, "mum1", one, channel="wechat")
    await world.guardian(session, "dad1", one, channel="dingtalk")
    two, twin = await world.child(session, "乐乐"), await world.child(session, "可可")
    await world.guardian(session, "mum2", two, twin, channel="dingtalk")
    three = await world.child(session, "宁宁")
    await world.guardian(session, "gran3", three)


async def write(world: World, *, key: str = "n1", confirm: bool = True, body: str = BODY) -> Notice:
    by = await world.view()
    async with world.home.write() as session:
        return await notices.draft(
            session,
            by,
            place_id=world.place.id,
            title=TITLE,
            body=body,
            confirm=confirm,
            key=key,
            now=world.home.clock.now(),
        )


async def send(world: World, notice: Notice) -> None:
    by = await world.view()
    async with world.home.write() as session:
        await notices.send(
            session,
            by,
            notice.id,
            notice.row_version,
            world.home.clock.now(),
        )


async def sent(world: World, **more: Any) -> Notice:
    notice = await write(world, **more)
    await send(world, notice)
    await world.home.work()
    return notice


async def states(world: World, notice: Notice) -> notices.NoticeStates:
    async with world.home.house.services.database.read() as session:
        return await notices.states(session, notice.id)


async def of(world: World, notice: Notice, name: str) -> list[tuple[str, str]]:
    guardian = world.guardians[name].id
    rows = await world.home.rows(
        Delivery, Delivery.notice_id == notice.id, Delivery.guardian_id == guardian
    )
    return [(row.state, row.reason) for row in rows]

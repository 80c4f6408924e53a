"""Children, guardians and notices for the teacher's page tests. Everybody is invented."""

from types import SimpleNamespace
from typing import Any, cast

from desk_world import World
from factories import make_message
from sqlalchemy import select

from bot.db.models import Contact, Delivery, Notice, Place
from bot.db.models.delivery import ACCEPTED
from bot.pipeline.notices import Notices
from bot.services import contacts, notice_confirm, notice_feedback, notices, people, staff

TITLE, BODY = "周五家长会", "周五下午两点，在三楼会议室，请带笔。"


async def add_family(
    world: World,
    child: str,
    *,
    place: str = "class_a",
    parent: str = "",
    phone: str = "",
    bound: bool = True,
    following: bool = True,
) -> int:
    """Add a child with one guardian (none without a name) and return the child's id."""
    ring, now = world.services.ring, world.now
    async with world.services.database.write() as session:
        row = await people.add_child(
            session, place_id=world.places[place].id, name=child, now=now, ring=ring
        )
        if not parent:
            return row.id
        guardian = await people.add_guardian(session, name=parent, phone=phone, now=now, ring=ring)
        await people.tie(session, guardian, row, "M", now)
        if bound:
            contact = Contact(
                channel="dingtalk",
                account="demo",
                external_id=f"parent-{child}",
                guardian_id=guardian.id,
                following=following,
                created_at=now,
                window_limit=contacts.UNCOUNTED,
            )
            session.add(contact)
            await session.flush()
            world.contacts[child] = contact.id
        return row.id


async def add_class(world: World) -> dict[str, int]:
    """Add three children: one reached, one whose mother has left, one without anybody bound."""
    return {
        "安安": await add_family(world, "安安", parent="安安妈妈", phone="13800000001"),
        "宁宁": await add_family(
            world, "宁宁", parent="宁宁妈妈", phone="13800000002", following=False
        ),
        "乐乐": await add_family(world, "乐乐", parent="乐乐妈妈", bound=False),
    }


async def write(
    world: World, *, by: str = "teacher", place: str = "class_a", title: str = TITLE, key: str = "k"
) -> int:
    """Write a draft as somebody and return its id."""
    async with world.services.database.write() as session:
        view = await staff.view(session, world.staff[by], world.now)
        row = await notices.draft(
            session,
            view,
            place_id=world.places[place].id,
            title=title,
            body=BODY,
            confirm=True,
            key=f"{key}-{by}-{title}",
            now=world.now,
        )
        return row.id


async def send(world: World, notice_id: int, *, by: str = "teacher") -> None:
    """Send a draft as somebody and write its deliveries."""
    async with world.services.database.write() as session:
        view = await staff.view(session, world.staff[by], world.now)
        row = await session.get_one(Notice, notice_id)
        await notices.send(session, view, notice_id, row.row_version, world.now)
    await expand(world, notice_id)


async def expand(world: World, notice_id: int) -> None:
    """Do what the job does that writes a notice's deliveries."""
    jobs = Notices(cast(Any, world.services), {}, {}, cast(Any, None))
    async with world.services.database.write() as session:
        row = await session.get_one(Notice, notice_id)
        run = SimpleNamespace(payload={"notice": notice_id, "round": row.rounds})
        await jobs.expand(session, cast(Any, run))


async def arrive(world: World, notice_id: int) -> None:
    """Let the platform take everything that waits."""
    async with world.services.database.write() as session:
        rows = await session.scalars(
            select(Delivery).where(Delivery.notice_id == notice_id, Delivery.state == "queued")
        )
        for row in rows:
            row.state = ACCEPTED


async def confirm(world: World, notice_id: int, child: str) -> None:
    """Let a child's mother confirm in chat."""
    async with world.services.database.write() as session:
        await notice_confirm.confirm(
            session, world.contacts[child], notice_id=notice_id, way="chat", now=world.now
        )


async def write_back(world: World, notice_id: int, child: str, words: str) -> None:
    """Let a child's mother answer a notice in chat."""
    async with world.services.database.write() as session:
        contact = await session.get_one(Contact, world.contacts[child])
        message = await make_message(session, contact, now=world.now, text=words)
        await session.flush()
        await notice_feedback.add(
            session,
            notice_id=notice_id,
            contact_id=contact.id,
            message_id=message.id,
            text=words,
            now=world.services.clock.now(),
        )


async def stored(world: World, notice_id: int) -> Notice:
    """Return a notice as it stands."""
    async with world.services.database.read() as session:
        return await session.get_one(Notice, notice_id)


async def close_place(world: World, place: str) -> None:
    """Close a class."""
    async with world.services.database.write() as session:
        row = await session.get_one(Place, world.places[place].id)
        row.state = "closed"

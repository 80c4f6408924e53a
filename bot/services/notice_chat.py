"""Who writes to DingTalk's robot about notices, to which places, and how far theirs have come.

Who writes is known by the id in their organisation, on connections that vouch for it, and only for
the places that robot belongs to. Called by `handlers.notices` and by worries; changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.class_names import Named, says
from bot.core.clock import to_shanghai
from bot.db.models import Contact, Notice, Place, Staff
from bot.db.models.notice import DRAFT
from bot.db.models.place import OPEN
from bot.services import places, rights, staff
from bot.services.container import Services
from bot.services.handling import StoredMessage
from bot.services.notices import WRITE
from bot.services.staff import StaffView

KINDS = ("school", "grade", "class")
ABOVE = ("school", "grade")
LATEST = 3


async def author(
    session: AsyncSession,
    services: Services,
    message: StoredMessage,
    contact_id: int,
    now: datetime,
) -> StaffView | None:
    """Return the member of staff who wrote, with their rights at the robot's places only."""
    home = services.chat_staff.get(message.account)
    if not message.vouched or message.channel != "dingtalk" or message.group or home is None:
        return None
    contact = await session.get_one(Contact, contact_id)
    found = (
        await session.scalars(
            select(Staff)
            .where(Staff.external_id == contact.external_id, Staff.active.is_(True))
            .limit(2)
        )
    ).all()
    if len(found) != 1:
        return None
    seen = await staff.view(session, found[0], now)
    if not home:
        return seen
    root = await places.of_scene(session, home)
    path = root.path if root is not None else "none"
    below = set(await session.scalars(select(Place.id).where(Place.path.startswith(path))))
    return replace(seen, places={role: ids & below for role, ids in seen.places.items()})


async def writable(session: AsyncSession, by: StaffView) -> list[Named]:
    """Return the open places that a person may write notices to, in the order of the tree."""
    return await places_of(session, by, WRITE)


async def places_of(
    session: AsyncSession, by: StaffView, action: str, *, kinds: Sequence[str] = KINDS
) -> list[Named]:
    """Return the open places at which a person may do something, in the order of the tree."""
    ids = rights.places_for(by, action)
    found = (
        await session.scalars(
            select(Place)
            .where(Place.id.in_(ids), Place.kind.in_(kinds), Place.state == OPEN)
            .order_by(Place.path)
        )
    ).all()
    above = {int(part) for place in found for part in place.path.split("/") if part}
    every = {row.id: row for row in await session.scalars(select(Place).where(Place.id.in_(above)))}
    return [_named(place, every) for place in found]


async def draft_of(session: AsyncSession, by: StaffView, notice_id: int) -> Notice | None:
    """Return a person's own notice that is not sent yet."""
    notice = await session.get(Notice, notice_id)
    if notice is None or notice.author_id != by.id or notice.state != DRAFT:
        return None
    return notice


async def latest(session: AsyncSession, by: StaffView) -> list[tuple[Notice, str]]:
    """Return the last notices that a person has sent, each with its place's name."""
    rows = await session.execute(
        select(Notice, Place.name)
        .join(Place, Place.id == Notice.place_id)
        .where(Notice.author_id == by.id, Notice.kind == "notice", Notice.state != DRAFT)
        .order_by(Notice.id.desc())
        .limit(LATEST)
    )
    return [
        (notice, f"{name}（{to_shanghai(notice.sent_at or notice.created_at):%m-%d}）")
        for notice, name in rows
    ]


def _named(place: Place, every: Mapping[int, Place]) -> Named:
    """Return a place with the names of the school and the grade above it."""
    above = [every[int(part)] for part in place.path.split("/") if part]
    names = [one.name for one in above if one.id != place.id and one.kind in ABOVE]
    return Named(place.id, place.name, tuple(name for name in names if not says(place.name, name)))

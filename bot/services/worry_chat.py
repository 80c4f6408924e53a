"""Whom a teacher means who writes to DingTalk's robot about a worry. Called by `handlers.worries`.

Only children of the classes that the writer may raise a worry about, at the robot's places.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core import worry_wish
from bot.db.models import Child, Message
from bot.db.models.person import ACTIVE
from bot.services import notice_chat, places, priority, roster, worries
from bot.services.staff import StaffView
from bot.services.worries import Reason


@dataclass(frozen=True, slots=True)
class Meant:
    """What a message says.

    Args:
        children: those it may be about, with their class and name.
        words: what else it says.
    """

    children: Mapping[int, tuple[str, str]]
    words: str


async def meant(session: AsyncSession, by: StaffView, text: str) -> Meant | None:
    """Return whom a message is about; None when it is no worry."""
    asked = worry_wish.rest(text)
    if asked is None:
        return None
    classes = await notice_chat.places_of(session, by, worries.RAISE, kinds=("class",))
    names = {place.id: place.full for place in classes}
    query = select(Child).where(Child.place_id.in_(names), Child.state == ACTIVE)
    children = {
        child.id: (child.place_id or 0, child.name) for child in await session.scalars(query)
    }
    found, words = worry_wish.find(asked, classes, children)
    return Meant({one: (names[children[one][0]], children[one][1]) for one in found}, words)


async def again(
    session: AsyncSession, by: StaffView, message_id: int, child_id: int
) -> Meant | None:
    """Return what a message says of one child; None when it is no longer so."""
    message = await session.get(Message, message_id)
    said = await meant(session, by, message.text) if message is not None else None
    if said is None or child_id not in said.children:
        return None
    return Meant({child_id: said.children[child_id]}, said.words)


async def covered(session: AsyncSession, child_id: int, now: datetime) -> bool:
    """Say whether somebody who can be woken is on duty for a child's school."""
    child = await session.get_one(Child, child_id)
    school = await places.ancestor(session, child.place_id, "school")
    return await roster.covered(session, school, now)


def minutes(reason: Reason, now: datetime) -> int:
    """Return within how many minutes a teacher should have an answer."""
    return worries.promised(reason.night if priority.is_night(now) else reason.level)

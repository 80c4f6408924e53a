"""What a teacher's message to DingTalk's robot is about, when it is about notices.

Who writes is known by the id in their organisation, on connections that vouch for it, and only for
the places that robot belongs to. Called by `handlers.notices`; changes nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import to_shanghai
from bot.db.models import Contact, Notice, Place, Staff
from bot.db.models.notice import DRAFT
from bot.db.models.place import OPEN
from bot.services import class_names, places, rights, staff
from bot.services.class_names import Named
from bot.services.container import Services
from bot.services.handling import StoredMessage
from bot.services.notices import TITLE_MOST, WRITE
from bot.services.staff import StaffView

_COMMAND = re.compile(
    r"\s*(?:请?发(?:一?个|一?条|一下)?)?通知(?P<gap>[\s,，:：、]*)(?P<rest>.*)", re.DOTALL
)
_CLAUSE = re.compile(r"[\s,，。;；!！?？、]+")
_ASKS = ("收到", "确认", "回复", "回执")
KINDS = ("school", "grade", "class")
SHORT_TITLE = 24
LATEST = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """A notice that a message asks for.

    Args:
        places: those that bear the name; none: no place of the teacher's was named.
        spaced: something stood between the word and the rest, so that it is a command whatever
            the rest says.
    """

    places: Sequence[Named]
    body: str
    spaced: bool

    @property
    def title(self) -> str:
        """Return its first words, to name it by."""
        first = _CLAUSE.split(self.body.strip(), maxsplit=1)[0]
        return first[:SHORT_TITLE] or self.body.strip()[:TITLE_MOST]

    @property
    def asks(self) -> bool:
        """Say whether it asks for a confirmation."""
        return any(word in self.body for word in _ASKS)


def looks_like(text: str) -> bool:
    """Say whether a message begins like a notice, with something after the word."""
    match = _COMMAND.fullmatch(text)
    return match is not None and bool(match["gap"]) and bool(match["rest"].strip())


def read(text: str, theirs: Sequence[Named]) -> Wish | None:
    """Read a notice out of a message; None when it is none."""
    match = _COMMAND.fullmatch(text)
    if match is None:
        return None
    found, rest = class_names.find(match["rest"], theirs)
    return Wish(found, rest.strip(), bool(match["gap"]) or not match["rest"])


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
    ids = rights.places_for(by, WRITE)
    found = (
        await session.scalars(
            select(Place)
            .where(Place.id.in_(ids), Place.kind.in_(KINDS), Place.state == OPEN)
            .order_by(Place.path)
        )
    ).all()
    above = {int(part) for place in found for part in place.path.split("/") if part}
    every = {row.id: row for row in await session.scalars(select(Place).where(Place.id.in_(above)))}
    return class_names.named(found, every)


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

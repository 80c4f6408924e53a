"""Whom a notice concerns, and by which way each of them can be told now.

Called by `bot.services.notices` (preview), by the job that expands a notice and again by the one
that sends it, so that what has changed meanwhile counts. Reads only.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Child, Contact, Guardian, Guardianship, Notice, NoticeChild, Place
from bot.db.models.person import ACTIVE
from bot.services import contacts

# The ways out, best first: DingTalk's robot 1:1, WeChat's customer-service message while the
# person's window is open, WeChat's template message.
DINGTALK, WINDOW, TEMPLATE = "dingtalk", "wechat", "template"
WAYS = (DINGTALK, WINDOW, TEMPLATE)
# Why no way leads to somebody.
NO_CONTACT, CLOSED, UNFOLLOWED = "no_contact", "window_closed", "unfollowed"
STOPPED, CUSTODY, ERASED = "stopped", "custody_block", "erased"
# What is told: a notice of the school, something of a course that one has signed up for, or what
# courses there are, which nobody asked for.
NOTICE, BOOKING, NEWS = "notice", "booking", "news"
# Of several reasons on several channels the one that is easiest to mend is told.
_MENDABLE = (CLOSED, STOPPED, UNFOLLOWED)
# The last message of WeChat's window stays for an answer, above all for one in a crisis.
KEPT_OF_WINDOW = 1
AT_ONCE = 500
# Columns, not whole contacts: a school has thousands, and their names are not needed.
_CONTACT = (
    Contact.id,
    Contact.channel,
    Contact.account,
    Contact.guardian_id,
    Contact.following,
    Contact.stopped_at,
    Contact.courses_stopped_at,
    Contact.notices_stopped_at,
    Contact.window_until,
    Contact.window_limit,
    Contact.window_used,
)


class Reachable(contacts.Window, Protocol):
    """The columns of a contact that decide over its way."""

    @property
    def id(self) -> int: ...
    @property
    def channel(self) -> str: ...
    @property
    def account(self) -> str: ...
    @property
    def guardian_id(self) -> int | None: ...
    @property
    def stopped_at(self) -> datetime | None: ...
    @property
    def courses_stopped_at(self) -> datetime | None: ...
    @property
    def notices_stopped_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Way:
    """How somebody can be told now.

    Args:
        name: one of `WAYS`; empty: not at all, then `reason` says why.
        lane: of the job that sends.
    """

    name: str = ""
    contact_id: int | None = None
    lane: str = ""
    reason: str = ""


def purpose_of(notice: Notice) -> str:
    """Return what a notice is for: `NOTICE`, `BOOKING` or `NEWS`."""
    if notice.kind == "notice":
        return NOTICE
    return NEWS if notice.course_id is None else BOOKING


def children_below(place: Place) -> Select[int]:
    """Return the query for the ids of the children at and below a place."""
    places = select(Place.id).where(Place.path.startswith(place.path))
    return select(Child.id).where(Child.place_id.in_(places), Child.state == ACTIVE)


def children_open(notice_id: int) -> Select[int]:
    """Return the query for the ids of a notice's children that nobody has confirmed for."""
    return select(NoticeChild.child_id).where(
        NoticeChild.notice_id == notice_id, NoticeChild.confirmed_at.is_(None)
    )


def children_concerned(notice_id: int) -> Select[int]:
    """Return the query for the ids of all children of a notice that is out."""
    return select(NoticeChild.child_id).where(NoticeChild.notice_id == notice_id)


async def guardians_of(session: AsyncSession, child_ids: Collection[int]) -> list[int]:
    """Return the ids of the guardians of some children, each once, in order."""
    rows = await session.scalars(
        select(Guardianship.guardian_id)
        .where(Guardianship.child_id.in_(child_ids), Guardianship.ended_at.is_(None))
        .distinct()
        .order_by(Guardianship.guardian_id)
    )
    return list(rows)


async def ways(
    session: AsyncSession,
    guardian_ids: Collection[int],
    children: Select[int],
    *,
    now: datetime,
    templates: Collection[str],
) -> dict[int, Way]:
    """Return for each guardian how they can be told now.

    Args:
        children: all children the notice concerns; who may be told of none of them is not told.
        templates: WeChat accounts that have a template message for notices.
    """
    found: dict[int, Way] = {}
    for ids in _parts(sorted(guardian_ids)):
        told = await _may_be_told(session, ids, children)
        known = await _contacts(session, ids)
        erased = set(
            await session.scalars(
                select(Guardian.id).where(Guardian.id.in_(ids), Guardian.erased_at.is_not(None))
            )
        )
        for guardian_id in ids:
            if guardian_id in erased:
                found[guardian_id] = Way(reason=ERASED)
            elif guardian_id not in told:
                found[guardian_id] = Way(reason=CUSTODY)
            else:
                mine = known.get(guardian_id, [])
                found[guardian_id] = best(way_to(one, now, templates) for one in mine)
    return found


async def ways_to_contacts(
    session: AsyncSession,
    contact_ids: Collection[int],
    *,
    purpose: str,
    now: datetime,
    templates: Collection[str],
) -> dict[int, Way]:
    """Return for each contact how it can be told now.

    Args:
        purpose: of what it is told, see `purpose_of`.
    """
    found: dict[int, Way] = {}
    for ids in _parts(sorted(contact_ids)):
        rows = await session.execute(select(*_CONTACT).where(Contact.id.in_(ids)))
        found |= {row.id: way_to(cast(Reachable, row), now, templates, purpose) for row in rows}
    return found


def way_to(
    contact: Reachable, now: datetime, templates: Collection[str], purpose: str = NOTICE
) -> Way:
    """Return how one contact can be told now.

    WeChat's template message is for notices of a service that somebody uses; what courses there
    are, unasked, is advertising there and leaves only while the person's window is open.
    Source: developers.weixin.qq.com, template messages: no marketing, nothing that was not asked.
    """
    reason = _closed(contact, now, purpose)
    lane = f"{contact.channel}:{contact.account}"
    if not reason:
        name = WINDOW if contact.channel == "wechat" else DINGTALK
        return Way(name, contact.id, lane)
    formed = contact.channel == "wechat" and contact.account in templates and purpose != NEWS
    if reason == CLOSED and formed:
        # A lane of its own: its limit for the day may not hold up answers.
        return Way(TEMPLATE, contact.id, f"{lane}:{TEMPLATE}")
    return Way(contact_id=contact.id, reason=reason)


def best(found: Iterable[Way]) -> Way:
    """Return the best of several ways; without any the reason that is easiest to mend."""
    every = list(found)
    for name in WAYS:
        for way in every:
            if way.name == name:
                return way
    for reason in _MENDABLE:
        for way in every:
            if way.reason == reason:
                return way
    return Way(reason=NO_CONTACT)


async def count(
    session: AsyncSession, place: Place, *, now: datetime, templates: Collection[str]
) -> tuple[int, Counter[str], Counter[str]]:
    """Count the children below a place and their guardians by way, and by reason without one."""
    scope = children_below(place)
    children = list(await session.scalars(scope))
    guardians: set[int] = set()
    for ids in _parts(children):
        guardians.update(await guardians_of(session, ids))
    found = await ways(session, guardians, scope, now=now, templates=templates)
    by_way = Counter(way.name for way in found.values() if way.name)
    return len(children), by_way, Counter(way.reason for way in found.values() if not way.name)


def _closed(contact: Reachable, now: datetime, purpose: str) -> str:
    """Return why the contact's own channel takes no message now; empty: it does.

    A booking is a service that somebody asked for: it ends only where everything is stopped.
    """
    kinds = {NOTICE: contact.notices_stopped_at, NEWS: contact.courses_stopped_at}
    if contact.stopped_at is not None or kinds.get(purpose) is not None:
        return STOPPED
    if not contact.following:
        return UNFOLLOWED
    left = contacts.budget_left(contact, now)
    return CLOSED if left is not None and left <= KEPT_OF_WINDOW else ""


async def _may_be_told(
    session: AsyncSession, guardian_ids: Sequence[int], children: Select[int]
) -> set[int]:
    (child_id,) = children.selected_columns
    # Asked for each tie by itself: listing all children of a school for every part would take long.
    concerned = children.where(child_id == Guardianship.child_id).correlate(Guardianship).exists()
    rows = await session.scalars(
        select(Guardianship.guardian_id)
        .where(
            Guardianship.guardian_id.in_(guardian_ids),
            Guardianship.ended_at.is_(None),
            Guardianship.custody_block.is_(False),
            concerned,
        )
        .distinct()
    )
    return set(rows)


async def _contacts(
    session: AsyncSession, guardian_ids: Sequence[int]
) -> dict[int, list[Reachable]]:
    rows = await session.execute(
        select(*_CONTACT).where(Contact.guardian_id.in_(guardian_ids)).order_by(Contact.id)
    )
    found: dict[int, list[Reachable]] = {}
    for row in rows:
        found.setdefault(row.guardian_id, []).append(cast(Reachable, row))
    return found


def _parts(ids: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))

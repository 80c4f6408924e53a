"""Who has looked at what the school registered of a family, as far as the law lets it be shown.

Counts by role, never names; nothing of counselors, cases, permits and reports. Called by
`bot.services.own_data` for the parents' page.
Source: Personal Information Protection Law, articles 44, 48 (to know, to have explained).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import (
    AuditEntry,
    Child,
    Enrolment,
    NoticeChild,
    Place,
    StaffRole,
)

# Who may be named as a reader: never a counselor.
SHOWN_ROLES = ("teacher", "lead", "admin", "district")
# Reads of the roster, of lists and of phones: never anything of a case.
_ROSTER = ("people.listed", "people.phones", "people.read", "binding.listed", "request.listed")
_NOTICES = ("notice.names_shown", "notice.phones_shown")
_COURSES = ("course.list_read", "course.list_exported")
SHOWN_READS = (*_ROSTER, *_NOTICES, *_COURSES)


@dataclass(frozen=True, slots=True)
class Reads:
    """How often people of a role were shown something, and when last."""

    action: str
    role: str
    count: int
    last: datetime


async def of_contact(
    session: AsyncSession, contact_id: int, guardian_id: int | None, children: Sequence[int]
) -> tuple[Reads, ...]:
    """Count the recorded reads of a family's data by role."""
    query = (
        select(AuditEntry.action, StaffRole.role, AuditEntry.id, AuditEntry.at, AuditEntry.data)
        .join(StaffRole, StaffRole.staff_id == AuditEntry.staff_id)
        .where(
            or_(*await _objects(session, contact_id, guardian_id, children)),
            StaffRole.role.in_(SHOWN_ROLES),
        )
    )
    seen: dict[int, tuple[str, str, datetime]] = {}
    for action, role, entry_id, at, data in await session.execute(query):
        if action in _NOTICES and not _named(data, children):
            continue
        # Whoever has several roles is shown once, by the one that stands nearest to the child.
        known = seen.get(entry_id)
        if known is None or SHOWN_ROLES.index(role) < SHOWN_ROLES.index(known[1]):
            seen[entry_id] = (action, role, at)
    found: dict[tuple[str, str], list[datetime]] = {}
    for action, role, at in seen.values():
        found.setdefault((action, role), []).append(at)
    return tuple(
        Reads(action, role, len(times), max(times))
        for (action, role), times in sorted(found.items())
    )


def _named(data: Mapping[str, object], children: Sequence[int]) -> bool:
    """Say whether an entry about a notice's list names one of the children."""
    named = data.get("children")
    return isinstance(named, list) and any(child in named for child in children)


async def _objects(
    session: AsyncSession, contact_id: int, guardian_id: int | None, children: Sequence[int]
) -> list[ColumnElement[bool]]:
    """Return what the entries are about: contact, guardian, children, lists that held them."""
    courses = select(Enrolment.course_id).where(Enrolment.contact_id == contact_id)
    found = [
        _about("contact", AuditEntry.object_id == contact_id, _ROSTER),
        _about("course", AuditEntry.object_id.in_(courses), _COURSES),
    ]
    if guardian_id is not None:
        found.append(_about("guardian", AuditEntry.object_id == guardian_id, _ROSTER))
    if children:
        # A list of the class, or of the whole grade or school, held the child too.
        above = await _places_above(session, children)
        notices = select(NoticeChild.notice_id).where(NoticeChild.child_id.in_(children))
        found += [
            _about("child", AuditEntry.object_id.in_(children), _ROSTER),
            _about("place", AuditEntry.object_id.in_(above), _ROSTER),
            _about("notice", AuditEntry.object_id.in_(notices), _NOTICES),
        ]
    return found


def _about(kind: str, which: ColumnElement[bool], actions: Collection[str]) -> ColumnElement[bool]:
    return and_(AuditEntry.object_kind == kind, which, AuditEntry.action.in_(actions))


async def _places_above(session: AsyncSession, children: Sequence[int]) -> set[int]:
    paths = await session.scalars(
        select(Place.path).join(Child, Child.place_id == Place.id).where(Child.id.in_(children))
    )
    return {int(part) for path in paths for part in path.split("/") if part}

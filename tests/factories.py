"""Rows for tests, one function per noun; everybody in them is invented.

Each takes an open transaction and returns the stored row. Moments come from the caller's clock.
"""

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.messages import IncomingMessage, Kind
from bot.db.models import Assessment, Case, Contact, Delivery, Message, Place, Shift, Staff
from bot.services import places
from bot.services.staff import StaffView

_numbers = itertools.count(1)

# A Sunday, 23:40 in China: no school, no office, hardly any line open.
NIGHT = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
ACCOUNT = "school1"
SCENE = "class-302"


@dataclass(frozen=True)
class District:
    """A district with two schools and one class, and who works there."""

    district: Place
    school: Place
    other_school: Place
    class_: Place
    counselor: Staff
    district_counselor: Staff

    @property
    def as_counselor(self) -> StaffView:
        """Return the school's counselor as they are signed in."""
        return seen_as(self.counselor, counselor=(self.school, self.class_))

    @property
    def as_district(self) -> StaffView:
        """Return the district's counselor as they are signed in."""
        every = (self.district, self.school, self.other_school, self.class_)
        return seen_as(self.district_counselor, district=every)


def seen_as(person: Staff, **places: tuple[Place, ...]) -> StaffView:
    """Return somebody with roles at places, without rows for them."""
    held = {role: frozenset(one.id for one in at) for role, at in places.items()}
    return StaffView(person.id, person.login, person.name, False, held)


async def make_district(session: AsyncSession, *, now: datetime) -> District:
    """Add a district, two schools, a class with a QR scene, and two counselors; nobody on duty."""
    district = await places.add(session, kind="district", name="晴川区", parent=None)
    school = await places.add(session, kind="school", name="晴川一小", parent=district)
    other = await places.add(session, kind="school", name="晴川二中", parent=district)
    class_ = await places.add(session, kind="class", name="三年级2班", parent=school, scene=SCENE)
    return District(
        district,
        school,
        other,
        class_,
        await make_staff(session, now=now),
        await make_staff(session, now=now),
    )


async def make_staff(session: AsyncSession, *, now: datetime, login: str = "") -> Staff:
    """Add a member of staff who can't sign in."""
    person = Staff(
        login=login or f"staff{next(_numbers)}",
        name="林静",
        password_hash="unused",
        created_at=now,
    )
    session.add(person)
    await session.flush()
    return person


async def make_shift(
    session: AsyncSession,
    place: Place,
    person: Staff,
    *,
    start: datetime,
    hours: float = 24,
    wakes: bool = True,
) -> Shift:
    """Put somebody on duty."""
    shift = Shift(
        place_id=place.id,
        staff_id=person.id,
        starts_at=start,
        ends_at=start + timedelta(hours=hours),
        wakes=wakes,
    )
    session.add(shift)
    await session.flush()
    return shift


async def make_contact(
    session: AsyncSession, *, now: datetime, place: Place | None = None, openid: str = ""
) -> Contact:
    """Add a parent who has just written, so that the sending window is open."""
    contact = Contact(
        channel="wechat",
        account=ACCOUNT,
        external_id=openid or f"oParent{next(_numbers):04d}",
        place_id=place.id if place else None,
        created_at=now,
        last_incoming_at=now,
        window_until=now + timedelta(hours=48),
        window_limit=5,
        window_used=0,
    )
    session.add(contact)
    await session.flush()
    return contact


async def make_message(
    session: AsyncSession,
    contact: Contact,
    *,
    now: datetime,
    text: str = "你好",
    level: str = "0",
    state: str = "stored",
) -> Message:
    """Add a stored message with its assessment."""
    message = Message(
        channel=contact.channel,
        account=contact.account,
        platform_id=f"m{next(_numbers)}",
        contact_id=contact.id,
        kind="text",
        text=text,
        media_id="",
        sent_at=now,
        received_at=now,
        level=level,
        state=state,
    )
    session.add(message)
    await session.flush()
    session.add(
        Assessment(
            message_id=message.id,
            contact_id=contact.id,
            level=level,
            fresh_level=level,
            categories=[],
            spans=[{"start": 0, "end": len(text), "text": text}],
            reasons=[],
            rule_ids=[],
            rule_version="test",
            created_at=now,
        )
    )
    await session.flush()
    return message


async def make_case(
    session: AsyncSession,
    contact: Contact,
    *,
    now: datetime,
    place: Place | None = None,
    level: str = "3",
    state: str = "open",
) -> Case:
    """Add a case without alerts or ladder."""
    case = Case(
        contact_id=contact.id,
        place_id=place.id if place else None,
        level=level,
        family="self_harm",
        state=state,
        opened_at=now,
        raised_at=now,
    )
    session.add(case)
    await session.flush()
    return case


async def make_delivery(
    session: AsyncSession,
    contact: Contact,
    *,
    now: datetime,
    kind: str = "answer",
    route: str = "api",
    state: str = "queued",
    body: str = "答复",
    message: Message | None = None,
) -> Delivery:
    """Add a delivery without the job that sends it."""
    delivery = Delivery(
        key=f"test:{next(_numbers)}",
        contact_id=contact.id,
        message_id=message.id if message else None,
        route=route,
        kind=kind,
        body=body,
        state=state,
        created_at=now,
    )
    session.add(delivery)
    await session.flush()
    return delivery


def incoming(
    text: str = "",
    *,
    at: datetime,
    sender: str = "oParent0001",
    kind: Kind = Kind.TEXT,
    platform_id: str = "",
    scene: str = "",
    group: str | None = None,
    stale: bool = False,
    media_id: str = "",
) -> IncomingMessage:
    """Return what a channel hands to the inbox."""
    return IncomingMessage(
        channel="wechat",
        account=ACCOUNT,
        platform_id=platform_id or f"i{next(_numbers)}",
        sender=sender,
        kind=kind,
        sent_at=at,
        text=text,
        media_id=media_id,
        scene=scene,
        group=group,
        recipient="gh_school001",
        stale=stale,
    )

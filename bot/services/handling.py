"""What a handler is given: the stored message, its sender, its assessment and the open case.

Plain values read in one short transaction, so that no handler holds the database while it thinks.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot.core.crisis import family_of
from bot.core.errors import NotFound
from bot.core.grade_names import stage_of
from bot.core.levels import ESCALATED
from bot.core.messages import Kind, Outcome, Reply
from bot.db.models import Assessment, Case, Contact, Delivery, Message, Place
from bot.services import alerts, cases, contacts, conversations, wording
from bot.services.container import Services
from bot.services.remembered import BESIDE

Effect = Callable[[AsyncSession], Awaitable[None]]

_Above = aliased(Place)
# Built once: it runs for every message.
_LOAD = (
    select(Message, Contact, Assessment, Place, _Above)
    .join(Contact, Contact.id == Message.contact_id)
    .join(Assessment, Assessment.message_id == Message.id)
    .outerjoin(Place, Place.id == Contact.place_id)
    .outerjoin(_Above, _Above.id == Place.parent_id)
    .where(Message.id == bindparam("message"))
)


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One stored incoming message."""

    id: int
    channel: str
    account: str
    kind: Kind
    text: str
    scene: str
    group: str | None
    state: str
    answerable: bool
    vouched: bool
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Sender:
    """The contact who wrote.

    Args:
        stopped: nothing is sent unasked; the two below stop one kind each.
        held: a counselor holds the conversation.
        attended: the holder took it, or wrote, a short time ago; the bot keeps out of it.
        reachable: the platform takes 1:1 messages to this person now.
        pending_until: until when `pending` holds.
        stage: the handbook's (A to F) of the class whose code was scanned, empty when unknown.
        guardian_id: the guardian it was proved to be.
    """

    id: int
    region: str
    greeted: bool
    stopped: bool
    courses_stopped: bool
    notices_stopped: bool
    held: bool
    attended: bool
    reachable: bool
    pending: dict[str, object]
    pending_expired: bool
    pending_until: datetime | None = None
    stage: str = ""
    guardian_id: int | None = None


@dataclass(frozen=True, slots=True)
class Danger:
    """The assessment of the message and the open case, as far as replies depend on them.

    Args:
        answered: how many crisis replies were given since the case reached its level, or was
            called again.
        same_family: how many of them were for the family of danger of this very message.
        duty: somebody is on duty and an alert is under way, so that 正在通知 is true.
    """

    fresh: str = "0"
    who: str = ""
    categories: tuple[str, ...] = ()
    failed: bool = False
    case_id: int | None = None
    case_level: str = "0"
    case_family: str = "other"
    case_origin: str = ""
    case_speaker: str = "unknown"
    case_accepted: bool = False
    raised_at: datetime | None = None
    answered: int = 0
    same_family: int = 0
    duty: bool = False

    @property
    def escalated(self) -> bool:
        """Say whether this very message is one for a person."""
        return self.fresh in ESCALATED


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a handler may look at."""

    services: Services
    sender: Sender
    danger: Danger
    now: datetime

    def say(
        self, key: str, *, kind: str = "service", fields: Mapping[str, object] | None = None
    ) -> Reply:
        """Return a phrase as a reply, its `numbers` field filled with the lines open now."""
        services = self.services
        return wording.say(
            services.phrases,
            services.lines.book,
            key,
            moment=self.now,
            region=self.sender.region,
            kind=kind,
            fields=fields or {},
        )

    def outcome(self, handler: str, key: str, *effects: Effect, **fields: str | int) -> Outcome:
        """Return the outcome that says one phrase."""
        return Outcome(handler, (self.say(key, fields=fields),), effects, {"kind": "service"})

    def remember(self, pending: dict[str, object] | None, length: timedelta) -> Effect:
        """Return the effect that keeps what the next message may refer to; None forgets it.

        What was begun beside (`remembered.BESIDE`) goes on: a question in between does not end it.
        """
        beside = self.sender.pending.get(BESIDE)
        kept = pending if beside is None else {**(pending or {}), BESIDE: beside}

        async def write(session: AsyncSession) -> None:
            await session.execute(
                update(Contact)
                .where(Contact.id == self.sender.id)
                .values(pending=kept, pending_until=self.now + length)
            )

        return write

    def keep_beside(self, begun: dict[str, object] | None) -> Effect:
        """Return the effect that keeps what goes on beside questions; None ends it."""
        rest = {key: value for key, value in self.sender.pending.items() if key != BESIDE}
        pending = rest if begun is None else {**rest, BESIDE: begun}

        async def write(session: AsyncSession) -> None:
            await session.execute(
                update(Contact).where(Contact.id == self.sender.id).values(pending=pending or None)
            )

        return write


async def load(
    session: AsyncSession, services: Services, message_id: int, now: datetime
) -> tuple[Context, StoredMessage]:
    """Read what handling a message needs.

    Raises:
        NotFound: no such message.
    """
    row = (await session.execute(_LOAD, {"message": message_id})).first()
    if row is None:
        raise NotFound(f"message {message_id}")
    message, contact, assessment, place, above = row
    case = await cases.open_case(session, contact.id)
    danger = await _danger(session, assessment, case, now)
    attended = await conversations.attended(session, contact, now)
    sender = _sender(contact, place, stage_at(place, above), attended, now)
    return Context(services, sender, danger, now), _stored(message)


def _stored(message: Message) -> StoredMessage:
    return StoredMessage(
        id=message.id,
        channel=message.channel,
        account=message.account,
        kind=Kind(message.kind),
        text=message.text,
        scene=message.scene,
        group=message.group,
        state=message.state,
        answerable=message.answerable,
        vouched=message.vouched,
        received_at=message.received_at,
    )


def stage_at(place: Place | None, above: Place | None) -> str:
    """Return the handbook's stage of a class, from its grade where it has none; else nothing."""
    for one in (place, above):
        found = (one.stage or stage_of(one.name)) if one is not None else None
        if found:
            return found
    return ""


def _sender(
    contact: Contact, place: Place | None, stage: str, attended: bool, now: datetime
) -> Sender:
    open_until = contact.pending_until
    return Sender(
        id=contact.id,
        region=place.region if place else "",
        greeted=contact.greeted_at is not None,
        stopped=contact.stopped_at is not None,
        courses_stopped=contact.courses_stopped_at is not None,
        notices_stopped=contact.notices_stopped_at is not None,
        held=contact.holder_id is not None,
        attended=attended,
        reachable=contacts.can_write(contact, now),
        pending=contact.pending or {},
        pending_expired=open_until is None or open_until <= now,
        pending_until=open_until,
        stage=stage,
        guardian_id=contact.guardian_id,
    )


async def _danger(
    session: AsyncSession, assessment: Assessment, case: Case | None, now: datetime
) -> Danger:
    base = Danger(
        fresh=assessment.fresh_level,
        who=assessment.who,
        categories=tuple(assessment.categories),
        failed=assessment.failed,
    )
    if case is None:
        return base
    sources = await session.scalars(
        select(Delivery.source).where(
            Delivery.contact_id == case.contact_id,
            Delivery.kind == "risk",
            Delivery.created_at >= case.raised_at,
        )
    )
    given = list(sources)
    family = f"crisis:{family_of(base.categories)}."
    return Danger(
        fresh=base.fresh,
        who=base.who,
        categories=base.categories,
        failed=base.failed,
        case_id=case.id,
        case_level=case.level,
        case_family=case.family,
        case_origin=case.origin,
        case_speaker=case.speaker,
        case_accepted=case.state == "accepted",
        raised_at=case.raised_at,
        answered=len(given),
        same_family=sum(1 for source in given if source.startswith(family)),
        duty=not case.uncovered and await alerts.under_way(session, case),
    )

"""Whether a parent has read a counselor's words: only with the platform's proof, asked by a click.

Called by the case's page, the dossier and the job that asks. DingTalk alone says it, for 24 hours
after a 1:1 message; each question costs a call of the month's quota, so nothing asks by itself.
The question is a line of the case's timeline, and its answer is written into that line.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict
from bot.core.ports import ReadState
from bot.db.models import Case, CaseEvent, Contact, Delivery
from bot.db.models.delivery import ACCEPTED
from bot.jobs.table import enqueue
from bot.services import case_rights
from bot.services.live import publish
from bot.services.staff import StaffView

KIND = "reply.read"
EVENT = "asked_read"
CHANNELS = frozenset({"dingtalk"})
KNOWN_FOR = timedelta(hours=24)
EVERY = timedelta(minutes=1)
READ, UNREAD, UNSAID = "read", "unread", "read_unsaid"


@dataclass(frozen=True, slots=True)
class Asked:
    """The newest question about one message.

    Args:
        what: the answer's code; empty while the platform is being asked.
    """

    at: datetime
    what: str


def askable(delivery: Delivery, contact: Contact, by: StaffView, now: datetime) -> bool:
    """Say whether a person may ask about their own words, as far as the platform would answer."""
    return (
        delivery.staff_id == by.id
        and contact.channel in CHANNELS
        and delivery.state == ACCEPTED
        and bool(delivery.receipt)
        and delivery.group is None
        and delivery.read_at is None
        and now - delivery.created_at < KNOWN_FOR
    )


def newest(events: Iterable[CaseEvent]) -> Mapping[int, Asked]:
    """Return by delivery the newest question of a case's timeline."""
    found: dict[int, Asked] = {}
    for event in events:
        asked = event.data.get("delivery")
        if event.kind == EVENT and isinstance(asked, int):
            found[asked] = Asked(event.at, str(event.data.get("what", "")))
    return found


async def ask(
    session: AsyncSession, by: StaffView, case: Case, delivery_id: int, *, now: datetime
) -> None:
    """Queue the question whether the parent has read something this person wrote.

    Raises:
        NotFound: the case is out of the person's reach.
        Conflict: they are not this person's words to this parent, it can't be asked, or it has been
            within the last minute.
    """
    await case_rights.to_work(session, by, case)
    delivery = await session.get(Delivery, delivery_id, with_for_update=True)
    contact = await session.get_one(Contact, case.contact_id)
    theirs = delivery is not None and delivery.contact_id == contact.id
    if delivery is None or not theirs or not askable(delivery, contact, by, now):
        raise Conflict("read_not_askable")
    events = await session.scalars(
        select(CaseEvent)
        .where(CaseEvent.case_id == case.id, CaseEvent.kind == EVENT)
        .order_by(CaseEvent.id)
    )
    before = newest(events).get(delivery.id)
    if before is not None and now - before.at < EVERY:
        raise Conflict("read_just_asked")
    event = CaseEvent(
        case_id=case.id, at=now, kind=EVENT, staff_id=by.id, data={"delivery": delivery.id}
    )
    session.add(event)
    await session.flush()
    lane = f"{contact.channel}:{contact.account}"
    await enqueue(session, KIND, {"event": event.id}, key=f"read:{event.id}", now=now, lane=lane)


async def answered(
    session: AsyncSession, event: CaseEvent, state: ReadState | None, *, now: datetime
) -> None:
    """Write down what the platform said; None: nothing that proves anything."""
    said = UNSAID if state is None else READ if state.read else UNREAD
    event.data = {**event.data, "what": said}
    if state is not None and state.read and state.at is not None:
        delivery = await session.get_one(Delivery, event.data["delivery"])
        delivery.read_at = delivery.read_at or state.at
    case = await session.get_one(Case, event.case_id)
    await publish(session, "conversation", place_id=case.place_id, case_id=case.id, now=now)

"""One delivery of a notice as it stands right before it leaves: to whom, by which way, from whom.

Called by the jobs that send deliveries, one by one (`bot.pipeline.notices`) and many in one call
(`bot.pipeline.notice_batches`). Everything is read again here: the notice may be withdrawn, the
window closed, the guardian blocked since it was queued.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.messages import ReplyTo
from bot.db.engine import Database
from bot.db.models import Contact, Delivery, Notice, Place, Staff
from bot.db.models.delivery import ACCEPTED, CONFIRMED, READ
from bot.db.models.delivery import WITHDRAWN as STOPPED
from bot.db.models.notice import WITHDRAWN
from bot.services import contacts, notice_plan, notice_rows
from bot.services.notice_plan import Way
from bot.services.notice_rows import CORRECTION
from bot.services.notice_words import Sender


@dataclass(frozen=True, slots=True)
class Letter:
    """One delivery, ready to leave.

    Args:
        formed: it may leave as a template message, at once or when the window is shut.
    """

    delivery: Delivery
    notice: Notice
    sender: Sender
    way: Way
    contact: Contact | None
    to: ReplyTo
    formed: bool

    @property
    def account(self) -> tuple[str, str]:
        """Return channel and account of the person's contact, empty without one."""
        return (self.contact.channel, self.contact.account) if self.contact else ("", "")

    @property
    def round(self) -> str:
        """Return the number of its round, or `CORRECTION`."""
        return notice_rows.round_of(self.delivery)


class Letters:
    """Reads letters.

    Args:
        templates: the accounts of WeChat that have a template message for notices.
    """

    def __init__(self, database: Database, templates: Collection[str]) -> None:
        self._database = database
        self._templates = templates

    async def read(self, delivery_id: int, now: datetime) -> Letter | None:
        """Return what is to be sent; None when there is nothing (any more)."""
        async with self._database.read() as session:
            delivery = await session.get(Delivery, delivery_id)
            if delivery is None or delivery.state in (ACCEPTED, READ, CONFIRMED, STOPPED):
                return None
            notice = await session.get_one(Notice, delivery.notice_id)
            if notice.state == WITHDRAWN and notice_rows.round_of(delivery) != CORRECTION:
                return None
            purpose = notice_plan.purpose_of(notice)
            way = await self._way(session, delivery, purpose, now)
            contact = await session.get(Contact, way.contact_id) if way.contact_id else None
            place = await session.get_one(Place, notice.place_id)
            author = await session.get(Staff, notice.author_id) if notice.author_id else None
            address, until = "", None
            if contact is not None and contact.window_until and contact.channel != "wechat":
                # Of no organisation of ours: only the address of their own message leads back.
                address, until = await contacts.return_address(
                    session, contact.id, None, now=now, answered_id=None
                )
        return Letter(
            delivery,
            notice,
            Sender(place.name, author.name if author else ""),
            way,
            contact,
            ReplyTo(contact.external_id if contact else "", None, address, until),
            contact is not None
            and contact.channel == "wechat"
            and contact.account in self._templates
            and purpose != notice_plan.NEWS,
        )

    async def _way(
        self, session: AsyncSession, delivery: Delivery, purpose: str, now: datetime
    ) -> Way:
        if delivery.guardian_id is not None:
            scope = notice_plan.children_concerned(delivery.notice_id or 0)
            ids = [delivery.guardian_id]
            found = await notice_plan.ways(session, ids, scope, now=now, templates=self._templates)
            return found[delivery.guardian_id]
        ids = [delivery.contact_id or 0]
        found = await notice_plan.ways_to_contacts(
            session, ids, purpose=purpose, now=now, templates=self._templates
        )
        return found.get(ids[0], Way(reason=notice_plan.NO_CONTACT))

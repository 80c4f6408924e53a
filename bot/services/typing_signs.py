"""When a parent may be shown that a counselor is writing. Called while a draft is kept.

WeChat takes the sign only within 30 seconds of what the person wrote, and shows it for a while: one
in 15 seconds is enough. Nobody is shown it before a counselor holds the conversation.
"""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import epoch_ms
from bot.db.models import Case, Contact
from bot.jobs.table import enqueue
from bot.services.staff import StaffView

KIND = "contact.typing"
CHANNELS = frozenset({"wechat"})
SHOWN_WITHIN = timedelta(seconds=30)
EVERY = timedelta(seconds=15)


async def writing(session: AsyncSession, by: StaffView, case_id: int, *, now: datetime) -> bool:
    """Queue the sign for the contact of a case, if the platform would show it now.

    Returns:
        Whether it was due.
    """
    case = await session.get(Case, case_id)
    contact = await session.get(Contact, case.contact_id) if case else None
    if contact is None or contact.channel not in CHANNELS or contact.holder_id != by.id:
        return False
    heard = contact.last_incoming_at
    if heard is None or now - heard >= SHOWN_WITHIN or not contact.following:
        return False
    turn = epoch_ms(now) // int(EVERY.total_seconds() * 1000)
    key = f"typing:{contact.id}:{turn}"
    await enqueue(session, KIND, {"contact": contact.id}, key=key, now=now, prio=1)
    return True

"""Contacts: find or make the person behind a callback, and keep the platform's sending window.

WeChat lets a service account send 5 messages within 48 hours of what a person wrote, and 3 within
a minute of a menu click, a scan or a subscription.
Source: developers.weixin.qq.com, Customer_Service_Messages.
"""

from datetime import datetime, timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.messages import IncomingMessage, Kind
from bot.db.models import Contact, Place

_WRITTEN = frozenset(
    {Kind.TEXT, Kind.VOICE, Kind.IMAGE, Kind.VIDEO, Kind.FILE, Kind.LOCATION, Kind.LINK}
)
_TOUCHED = frozenset({Kind.FOLLOW, Kind.SCAN, Kind.MENU})
WRITTEN_WINDOW = (timedelta(hours=48), 5)
TOUCHED_WINDOW = (timedelta(minutes=1), 3)
# Built once: putting a query together costs more than running it, and this one runs every time.
_FIND = select(Contact).where(
    Contact.channel == bindparam("channel"),
    Contact.account == bindparam("account"),
    Contact.external_id == bindparam("external_id"),
)


async def find(
    session: AsyncSession, channel: str, account: str, external_id: str
) -> Contact | None:
    """Return the contact with a platform's id."""
    key = {"channel": channel, "account": account, "external_id": external_id}
    return await session.scalar(_FIND, key)


async def meet(session: AsyncSession, message: IncomingMessage, now: datetime) -> Contact:
    """Return the sender of a message, made on first sight, with the sending window renewed."""
    contact = await find(session, message.channel, message.account, message.sender)
    if contact is None:
        contact = Contact(
            channel=message.channel,
            account=message.account,
            external_id=message.sender,
            recipient=message.recipient,
            created_at=now,
            window_used=0,
            window_limit=0,
        )
        session.add(contact)
    if message.kind is Kind.UNFOLLOW:
        contact.following = False
    elif message.kind is not Kind.RECEIPT:
        contact.following = True
        contact.last_incoming_at = now
        open_window(contact, message.kind, now)
    if message.scene:
        await bind_scene(session, contact, message.scene)
    return contact


def open_window(contact: Contact, kind: Kind, now: datetime) -> None:
    """Renew the sending window; a click never shortens the one that words have opened."""
    if kind in _WRITTEN:
        length, limit = WRITTEN_WINDOW
    elif kind in _TOUCHED:
        length, limit = TOUCHED_WINDOW
        if contact.window_until and contact.window_until > now + length:
            return
    else:
        return
    contact.window_until = now + length
    contact.window_limit = limit
    contact.window_used = 0


def budget_left(contact: Contact, now: datetime) -> int:
    """Return how many messages may still be sent to a contact outside a callback."""
    if not contact.following or contact.window_until is None or contact.window_until <= now:
        return 0
    return max(0, contact.window_limit - contact.window_used)


async def bind_scene(session: AsyncSession, contact: Contact, scene: str) -> None:
    """Remember the class or school whose QR code led here; an unknown code changes nothing.

    A QR code says where somebody came from, not who they are: it gives no right to anything.
    """
    place = await session.scalar(select(Place).where(Place.scene == scene))
    if place is not None:
        contact.place_id = place.id

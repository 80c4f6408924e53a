"""Contacts: find or make the person behind a callback, and keep the platform's sending window.

WeChat lets a service account send 5 messages within 48 hours of what a person wrote, and 3 within
a minute of a menu click, a scan or a subscription. DingTalk's robot may write to a member of its
organisation at any time; to others only through the address that came with their last 1:1 message.
Source: developers.weixin.qq.com, Customer_Service_Messages; open.dingtalk.com,
`chatbots-send-one-on-one-chat-messages-in-batches`.
"""

from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.messages import IncomingMessage, Kind
from bot.db.models import Contact, Message
from bot.services import places

_WRITTEN = frozenset(
    {Kind.TEXT, Kind.VOICE, Kind.IMAGE, Kind.VIDEO, Kind.FILE, Kind.LOCATION, Kind.LINK}
)
_TOUCHED = frozenset({Kind.FOLLOW, Kind.SCAN, Kind.MENU})
WRITTEN_WINDOW = (timedelta(hours=48), 5)
TOUCHED_WINDOW = (timedelta(minutes=1), 3)
# The channel of whoever is known by a call or by a teacher's worry only: nothing can be written.
PHONE = "phone"
# A contact's `window_limit` on a platform that does not count.
UNCOUNTED = -1
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


async def meet(
    session: AsyncSession, message: IncomingMessage, now: datetime, *, home: str = ""
) -> Contact:
    """Return the sender of a message, made on first sight, with the sending window renewed.

    Args:
        home: the scene of the school or class that the account belongs to, for new contacts.
    """
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
        if home:
            await bind_scene(session, contact, home)
    if message.kind is Kind.UNFOLLOW:
        contact.following = False
    elif message.kind is not Kind.RECEIPT:
        contact.following = True
        contact.last_incoming_at = now
        _open_window(contact, message, now)
    if message.scene:
        await bind_scene(session, contact, message.scene)
    return contact


def _open_window(contact: Contact, message: IncomingMessage, now: datetime) -> None:
    if message.channel == "wechat":
        if message.group is None:
            open_wechat_window(contact, message.kind, now)
    elif not message.outside:
        contact.window_until, contact.window_limit = None, UNCOUNTED
    elif message.group is None and message.vouched and message.return_until is not None:
        contact.window_until, contact.window_limit = message.return_until, UNCOUNTED


def open_wechat_window(contact: Contact, kind: Kind, now: datetime) -> None:
    """Renew WeChat's window; a click never shortens the one that words have opened."""
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


class Window(Protocol):
    """What decides whether a contact may be written to; a contact, or these columns of one."""

    @property
    def following(self) -> bool: ...
    @property
    def window_until(self) -> datetime | None: ...
    @property
    def window_limit(self) -> int: ...
    @property
    def window_used(self) -> int: ...


def budget_left(contact: Window, now: datetime) -> int | None:
    """Return how many messages may still be sent 1:1 outside a callback; None: not counted."""
    uncounted = contact.window_limit == UNCOUNTED
    if not contact.following:
        return 0
    if contact.window_until is None:
        return None if uncounted else 0
    if contact.window_until <= now:
        return 0
    return None if uncounted else max(0, contact.window_limit - contact.window_used)


def can_write(contact: Contact, now: datetime) -> bool:
    """Say whether the platform would take a 1:1 message to this contact now."""
    return budget_left(contact, now) != 0


async def return_address(
    session: AsyncSession,
    contact_id: int,
    group: str | None,
    *,
    now: datetime,
    answered_id: int | None,
) -> tuple[str, datetime | None]:
    """Return the newest address at which a contact can still be answered, 1:1 or in a group.

    Args:
        answered_id: the message that is answered; its own address will do even when nobody vouches
            for it. None: only addresses that the platform stands for, because whoever forged a
            message could have put in their own.
    """
    found = await session.execute(
        select(Message.return_address, Message.return_until)
        .where(
            Message.contact_id == contact_id,
            Message.group == group,
            Message.return_until > now,
            or_(Message.vouched, Message.id == answered_id),
        )
        .order_by(Message.id.desc())
        .limit(1)
    )
    row = found.first()
    return (row[0] or "", row[1]) if row else ("", None)


async def bind_scene(session: AsyncSession, contact: Contact, scene: str) -> None:
    """Remember the class or school whose QR code led here; an unknown code changes nothing.

    A QR code says where somebody came from, not who they are: it gives no right to anything.
    """
    place = await places.of_scene(session, scene)
    if place is not None:
        contact.place_id = place.id

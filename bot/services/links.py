"""Signed links to parents' pages: one person, one purpose, one browser, for a time.

The address holds 32 random bytes and nothing else; only keyed hashes of it and of the browser that
opened it first are kept. Looking at a link changes nothing, because messengers fetch addresses
before people do: only `open_link`, which a person's tap on the page calls, ties it to a browser.
Called by handlers and jobs (`make`) and by the parents' pages (`look`, `open_link`).
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import NotAllowed, NotFound
from bot.db.crypto import KeyRing
from bot.db.models import Link
from bot.services import audit

TOKEN_BYTES = 32
# A link of nobody's, a mistyped one and one that is too long are told apart by nothing.
LONGEST_TOKEN = 64
MINE_VALID = timedelta(hours=24)
PURPOSES = ("mine", "notice")


class LinkGone(NotFound):
    """The link is unknown, has ended or was revoked; which one is never said."""

    phrase_key = "link.gone"


class OtherDevice(NotAllowed):
    """The link was opened first in another browser."""

    phrase_key = "link.other_device"


@dataclass(frozen=True, slots=True)
class Looked:
    """A link that still holds, and what the browser that shows it is to it.

    Args:
        opened: this very browser opened it; otherwise nobody has yet.
    """

    link: Link
    opened: bool


async def make(
    session: AsyncSession,
    ring: KeyRing,
    *,
    purpose: str,
    contact_id: int,
    notice_id: int | None = None,
    now: datetime,
    length: timedelta,
    token: str | None = None,
) -> str:
    """Add a link and return its token; the address is `/p/<token>` and is never stored.

    Args:
        token: one of `new_token`, where the words that hold it are written before it is stored.

    Raises:
        ValueError: no such purpose.
    """
    if purpose not in PURPOSES:
        raise ValueError("no such purpose of a link")
    token = token or new_token()
    session.add(
        Link(
            token_key=_token_key(ring, token),
            purpose=purpose,
            contact_id=contact_id,
            notice_id=notice_id,
            created_at=now,
            expires_at=now + length,
        )
    )
    await session.flush()
    return token


async def look(
    session: AsyncSession, ring: KeyRing, token: str, device: str | None, now: datetime
) -> Looked:
    """Return a link that holds, without tying it to anybody.

    Raises:
        LinkGone: unknown, ended or revoked.
        OtherDevice: another browser opened it first.
    """
    link = await _holding(session, ring, token, now)
    if link.device_key is None:
        return Looked(link, opened=False)
    if device is None or link.device_key != _device_key(ring, link.id, device):
        raise OtherDevice(f"link {link.id}")
    return Looked(link, opened=True)


async def open_link(
    session: AsyncSession, ring: KeyRing, token: str, device: str, now: datetime
) -> Link:
    """Return a link for the browser that opens it; the first one to come keeps it.

    Args:
        device: what the browser's cookie for this link holds, see `new_device`.

    Raises:
        LinkGone: unknown, ended or revoked.
        OtherDevice: another browser opened it first.
    """
    link = await _holding(session, ring, token, now)
    key = _device_key(ring, link.id, device)
    first = await session.scalar(
        update(Link)
        .where(Link.id == link.id, Link.device_key.is_(None))
        .values(device_key=key, opened_at=now)
        .returning(Link.id)
    )
    if first is None:
        await session.refresh(link)
        if link.device_key != key:
            raise OtherDevice(f"link {link.id}")
        return link
    await session.refresh(link)
    await audit.record(
        session,
        staff_id=None,
        action="link.opened",
        object_kind="link",
        object_id=link.id,
        now=now,
        data={"purpose": link.purpose, "contact": link.contact_id},
    )
    return link


def new_token() -> str:
    """Return 32 random bytes for an address."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def new_device() -> str:
    """Return a fresh value for a browser's cookie."""
    return secrets.token_urlsafe(TOKEN_BYTES)


async def revoke(
    session: AsyncSession, contact_id: int, *, now: datetime, purpose: str | None = None
) -> int:
    """End every link of a contact, or those of one purpose; return how many still held."""
    query = update(Link).where(
        Link.contact_id == contact_id, Link.revoked_at.is_(None), Link.expires_at > now
    )
    if purpose is not None:
        query = query.where(Link.purpose == purpose)
    ended = await session.scalars(query.values(revoked_at=now).returning(Link.id))
    return len(ended.all())


async def _holding(session: AsyncSession, ring: KeyRing, token: str, now: datetime) -> Link:
    if not token or len(token) > LONGEST_TOKEN:
        raise LinkGone("link")
    query = select(Link).where(Link.token_key == _token_key(ring, token))
    link = await session.scalar(query)
    if link is None or link.revoked_at is not None or link.expires_at <= now:
        raise LinkGone("link")
    return link


def _token_key(ring: KeyRing, token: str) -> str:
    return ring.fingerprint(token, purpose="link.token")


def _device_key(ring: KeyRing, link_id: int, device: str) -> str:
    """Hash a cookie together with its link, so that no two links show that they share one."""
    return ring.fingerprint(f"{link_id}\n{device[:128]}", purpose="link.device")

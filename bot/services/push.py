"""Browsers that may be woken: signed up by their person, ended by them or by the push service.

Address and keys are secrets of the browser and stored encrypted. Called by the account page and by
the jobs that call people.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import ChannelError, InputInvalid, NotFound
from bot.db.models import PushSubscription
from bot.services import audit, rights
from bot.services.staff import StaffView

OWN = "push.own"
MOST = 10
# What a push service says of a browser that has signed off.
GONE = "gone"


@dataclass(frozen=True, slots=True)
class Browser:
    """One signed-up browser.

    Args:
        failed_at: when a call to it failed the last time.
    """

    id: int
    address: str
    keys: dict[str, str]
    made_at: datetime
    failed_at: datetime | None


async def sign_up(
    session: AsyncSession,
    by: StaffView,
    takes: Callable[[str], bool],
    *,
    address: str,
    p256dh: str,
    auth: str,
    now: datetime,
) -> PushSubscription:
    """Keep a browser; one that another person signed up before belongs to this one now.

    Args:
        takes: says whether an address may be called.

    Raises:
        InputInvalid: not the address of a push service, unusable keys, or too many browsers.
    """
    rights.require_somewhere(by, OWN)
    if not takes(address):
        raise InputInvalid("push_address", field="address")
    if not (_is_point(p256dh) and len(_raw(auth)) == 16):
        raise InputInvalid("push_keys", field="keys")
    digest = hashlib.sha256(address.encode()).hexdigest()
    row = await session.scalar(select(PushSubscription).where(PushSubscription.digest == digest))
    query = select(func.count(PushSubscription.id)).where(PushSubscription.staff_id == by.id)
    if (row is None or row.staff_id != by.id) and (await session.scalar(query) or 0) >= MOST:
        raise InputInvalid("push_most", field="address")
    keys = json.dumps({"p256dh": p256dh, "auth": auth})
    if row is None:
        row = PushSubscription(
            staff_id=by.id, digest=digest, address=address, keys=keys, made_at=now
        )
        session.add(row)
    else:
        row.staff_id, row.address, row.keys = by.id, address, keys
        row.made_at, row.failed_at = now, None
    await session.flush()
    await audit.record(
        session,
        staff_id=by.id,
        action="push.signed_up",
        object_kind="push_subscription",
        object_id=row.id,
        now=now,
    )
    return row


async def of_person(session: AsyncSession, staff_id: int) -> list[Browser]:
    """Return a person's browsers, newest first."""
    rows = await session.scalars(
        select(PushSubscription)
        .where(PushSubscription.staff_id == staff_id)
        .order_by(PushSubscription.id.desc())
    )
    return [
        Browser(row.id, row.address, json.loads(row.keys), row.made_at, row.failed_at)
        for row in rows
    ]


async def sign_off(session: AsyncSession, by: StaffView, browser_id: int, *, now: datetime) -> None:
    """Forget one of a person's own browsers.

    Raises:
        NotFound: no such browser of theirs.
    """
    row = await session.get(PushSubscription, browser_id)
    if row is None or row.staff_id != by.id:
        raise NotFound("no such browser")
    await session.delete(row)
    await audit.record(
        session,
        staff_id=by.id,
        action="push.signed_off",
        object_kind="push_subscription",
        object_id=browser_id,
        now=now,
    )


async def failed(
    session: AsyncSession, browser_id: int, error: ChannelError, *, now: datetime
) -> None:
    """Note that a call to a browser failed; forget one that its push service no longer knows."""
    row = await session.get(PushSubscription, browser_id)
    if row is None:
        return
    if error.code == GONE:
        await session.delete(row)
    else:
        row.failed_at = now


def _is_point(text: str) -> bool:
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _raw(text))
    except ValueError:
        return False
    return True


def _raw(text: str) -> bytes:
    """Return base64url as bytes, nothing for what is none."""
    try:
        return base64.urlsafe_b64decode(text[:200] + "=" * (-len(text) % 4))
    except ValueError:
        return b""

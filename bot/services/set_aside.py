"""What an erasure has to keep, laid where only the desk looks: the contact itself is a stranger.

While a danger is open, class, guardian and emergency contact lead help to the right door; under a
legal hold nothing may be lost. Yet whoever holds the phone must see the same page, get the same
answers and no more notices, as if all had gone. So it is kept as a `Binding` that has ended, and
retention deletes it with the others (`bindings`: not under a hold, not while a case is open).
Called by `bot.services.consents`; shown by `bot.services.dossier`.
"""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Binding, Contact
from bot.db.models.person import WITHDRAWN
from bot.services import places
from bot.services.bindings import SET_ASIDE

FIELDS = ("name", "who", "emergency_contact")


async def put(session: AsyncSession, contact: Contact, *, now: datetime) -> bool:
    """Lay aside where a contact belongs and whom to call, before its row is emptied.

    Returns:
        False where there is no place yet to lay it: then the contact has to keep it.
    """
    told = {field: getattr(contact, field) or "" for field in FIELDS}
    root = await places.root_district(session, None)
    place_id = contact.place_id or (root.id if root else None)
    if not (any(told.values()) or contact.guardian_id or contact.place_id):
        return True
    if place_id is None:
        return False
    session.add(
        Binding(
            contact_id=contact.id,
            place_id=place_id,
            guardian_id=contact.guardian_id,
            way=SET_ASIDE,
            state=WITHDRAWN,
            claim={field: words for field, words in told.items() if words},
            reason="erased",
            created_at=now,
            decided_at=now,
        )
    )
    await session.flush()
    return True


async def look(session: AsyncSession, contact_id: int) -> Binding | None:
    """Return what was laid aside last; `claim` has name, who and emergency contact."""
    return await session.scalar(
        select(Binding)
        .where(Binding.contact_id == contact_id, Binding.way == SET_ASIDE)
        .order_by(Binding.id.desc())
        .limit(1)
    )


async def forget(session: AsyncSession, contact_id: int) -> None:
    """Empty what an earlier erasure laid aside, once nothing has to be kept any more."""
    await session.execute(
        update(Binding)
        .where(Binding.contact_id == contact_id, Binding.way == SET_ASIDE)
        .values(claim={})
    )

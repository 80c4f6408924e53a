"""Who asks: the stage of the one child and whether parent, grandparent or teacher, where known.

Called by the question handler, so that fitting entries rank a little higher. Nothing is asked of
the parent for it, and nothing is kept.
"""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot.db.models import Child, Contact, Guardian, Guardianship, Place, Staff
from bot.db.models.person import ACTIVE
from bot.services.handling import Context, StoredMessage, stage_at
from knowledge.preference import NOBODY, Asker

DINGTALK = "dingtalk"
# Grandparents of both sides, by DingTalk's relation codes.
GRANDPARENTS = frozenset({"GF", "GM", "GFA", "GMA"})
PARENT, GRANDPARENT, TEACHER = "parent", "grandparent", "teacher"
_Above = aliased(Place)


async def asker_of(context: Context, message: StoredMessage) -> Asker:
    """Return what is known of the person who wrote.

    Two children in different stages say nothing of a stage. Words that the platform does not
    vouch for are nobody's.
    """
    sender = context.sender
    if not message.vouched:
        return NOBODY
    if sender.guardian_id is None and message.channel != DINGTALK:
        return Asker(sender.stage)
    async with context.services.database.read() as session:
        if sender.guardian_id is not None:
            return await _guardian(session, sender.guardian_id)
        return await _member(session, sender.id, sender.stage)


async def _guardian(session: AsyncSession, guardian_id: int) -> Asker:
    rows = await session.execute(
        select(Guardianship.relation, Guardian.large_type, Place, _Above)
        .join(Child, Child.id == Guardianship.child_id)
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .outerjoin(Place, Place.id == Child.place_id)
        .outerjoin(_Above, _Above.id == Place.parent_id)
        .where(
            Guardianship.guardian_id == guardian_id,
            Guardianship.ended_at.is_(None),
            Child.state == ACTIVE,
        )
    )
    found = rows.all()
    if not found:
        return NOBODY
    stages = {stage_at(place, above) for _, _, place, above in found}
    old = found[0].large_type or {row.relation for row in found} <= GRANDPARENTS
    return Asker(stages.pop() if len(stages) == 1 else "", GRANDPARENT if old else PARENT)


async def _member(session: AsyncSession, contact_id: int, stage: str) -> Asker:
    """Tell a teacher by the id in the school's DingTalk organisation."""
    known = await session.scalar(
        select(Staff.id)
        .join(Contact, Contact.external_id == Staff.external_id)
        .where(Contact.id == contact_id, Staff.active.is_(True))
        .limit(1)
    )
    return Asker(stage) if known is None else Asker("", TEACHER)

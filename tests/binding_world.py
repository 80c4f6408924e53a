"""Parents who bind in chat: a child in the roster, and one sentence after the other."""

from collections.abc import Sequence

from house import PARENT, Home
from sqlalchemy import select

from bot.db.models import Child, Guardian, Guardianship, Place
from bot.services import people

CHILD, MOTHER, FATHER = "钱多多", "13900000001", "13900000002"
OTHER = "oParent0002"


async def enrol(
    home: Home,
    name: str = CHILD,
    kin: Sequence[tuple[str, str]] = (("M", MOTHER), ("F", FATHER)),
    *,
    place: Place | None = None,
) -> tuple[Child, list[Guardian]]:
    """Put a child with its guardians into the roster."""
    ring, now = home.house.services.ring, home.clock.now()
    async with home.write() as session:
        child = await people.add_child(
            session,
            place_id=(place or home.place.class_).id,
            name=name,
            now=now,
            ring=ring,
        )
        guardians = []
        for relation, phone in kin:
            guardian = await people.add_guardian(
                session, name="某家长", phone=phone, now=now, ring=ring
            )
            await people.tie(session, guardian, child, relation, now)
            guardians.append(guardian)
        return child, guardians


async def talk(home: Home, *words: str, parent: str = PARENT) -> str:
    """Say one thing after the other; return the last answer."""
    answer = ""
    for one in words:
        answer = await home.say(one, parent=parent)
    return answer


async def block(home: Home, guardian: Guardian) -> None:
    """Let the school note that somebody is told nothing of the child."""
    async with home.write() as session:
        tie = await session.scalar(
            select(Guardianship).where(Guardianship.guardian_id == guardian.id)
        )
        tie.custody_block = True

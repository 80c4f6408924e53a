"""QR codes of classes and slips: what the platform says stands in it, drawn here, for the pages.

WeChat makes the address of a code with a scene itself; so the account has to answer. DingTalk has
no such code for a robot: its parents open the robot and write.
"""

import asyncio
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import segno
import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import ChannelError, NotFound
from bot.db.models import Place
from bot.db.models.place import OPEN
from bot.services import places, rights
from bot.services.staff import StaffView

log = structlog.get_logger(__name__)

RIGHT = "binding.decide"
MOST_CLASSES = 200
# So many codes of slips are asked for at once.
AT_ONCE = 4


class CodeMaker(Protocol):
    """Ask the platform for the address that a scene's code holds; raises `ChannelError`.

    Args:
        days: how long the code holds; 0: always.
    """

    async def __call__(self, scene: str, days: int = 0, /) -> str: ...


@dataclass(frozen=True, slots=True)
class ClassCode:
    """A class whose code is shown; without a scene there is none yet."""

    id: int
    name: str
    school: str
    scene: str


async def classes(session: AsyncSession, by: StaffView) -> list[ClassCode]:
    """Return the open classes whose parents a person may bind."""
    query = (
        select(Place)
        .where(
            Place.kind == "class",
            Place.state == OPEN,
            Place.id.in_(rights.places_for(by, RIGHT)),
        )
        .order_by(Place.path)
        .limit(MOST_CLASSES)
    )
    rows = (await session.scalars(query)).all()
    return [ClassCode(row.id, row.name, "", row.scene or "") for row in rows]


async def of_class(session: AsyncSession, by: StaffView, place_id: int) -> ClassCode:
    """Return one open class.

    Raises:
        NotFound: no open class at this person's places.
    """
    place = await session.get(Place, place_id)
    if place is None or place.kind != "class" or place.state != OPEN:
        raise NotFound(f"class {place_id}")
    if not rights.may(by, RIGHT, place.id):
        raise NotFound(f"class {place_id}")
    school = await places.ancestor(session, place.id, "school")
    return ClassCode(place.id, place.name, school.name if school else "", place.scene or "")


async def addresses(makers: Mapping[str, CodeMaker], scene: str) -> list[tuple[str, str]]:
    """Return by account what its code for a scene holds; an account that is silent is left out."""
    if not scene:
        return []
    found = []
    for account, make in makers.items():
        try:
            found.append((account, await make(scene)))
        except ChannelError as error:
            log.warning("class_code_failed", account=account, error=type(error).__name__)
    return found


async def passing(
    makers: Mapping[str, CodeMaker], scenes: Sequence[str], *, days: int
) -> dict[str, list[tuple[str, str]]]:
    """Return by scene what each account's codes hold that end after some days.

    An account that does not answer for the first scene is not asked for the others.
    """
    found: dict[str, list[tuple[str, str]]] = {scene: [] for scene in scenes}
    turns = asyncio.Semaphore(AT_ONCE)

    async def ask(account: str, make: CodeMaker, scene: str) -> bool:
        async with turns:
            try:
                found[scene].append((account, await make(scene, days)))
            except ChannelError as error:
                log.warning("slip_code_failed", account=account, error=type(error).__name__)
                return False
        return True

    for account, make in makers.items():
        if scenes and await ask(account, make, scenes[0]):
            await asyncio.gather(*(ask(account, make, scene) for scene in scenes[1:]))
    return found


def svg(address: str) -> str:
    """Draw an address as a QR code, to be put into a page; the page's style says how large."""
    drawn = io.BytesIO()
    segno.make(address, error="m", micro=False).save(
        drawn,
        kind="svg",
        xmldecl=False,
        svgns=True,
        border=4,
        svgclass="code",
        lineclass=None,
        omitsize=True,
    )
    return drawn.getvalue().decode()

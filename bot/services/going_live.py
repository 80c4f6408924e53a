"""Going live waits for a drill: in live mode parents' questions are answered once one has passed.

Until then every message is stored and screened, crisis replies, alerts, ladder and desk work, and
whoever asks something ordinary gets one fixed sentence with the numbers. A district is open when a
drill in live mode passed there or at one of its schools within twelve months. Asked by the handlers
`not_open` and `groups`, by `xinqing doctor` and by the page of the drills. Sources: DOMAIN §6,
flow 15; §7, decision 11.
"""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Contact, Drill, Place
from bot.db.models.duty import PASSED
from bot.db.models.place import OPEN
from bot.services import places
from bot.services.container import Services

LIVE = "live"
VALID = timedelta(days=365)


async def last_passed(session: AsyncSession, district: Place, now: datetime) -> Drill | None:
    """Return the newest drill in live mode that passed in a district and still counts."""
    rows = await session.scalars(
        select(Drill)
        .join(Place, Place.id == Drill.place_id)
        .where(
            Drill.state == PASSED,
            Drill.started_at > now - VALID,
            Place.path.startswith(district.path, autoescape=True),
        )
        .order_by(Drill.id.desc())
    )
    # What was practised towards a simulator proves nothing about the real ways to call people.
    return next((row for row in rows if row.report.get("mode") == LIVE), None)


async def is_open(session: AsyncSession, place_id: int | None, now: datetime) -> bool:
    """Say whether the district of a place has passed its drill."""
    district = await places.root_district(session, place_id)
    return district is not None and await last_passed(session, district, now) is not None


async def waits(services: Services, contact_id: int, now: datetime) -> bool:
    """Say whether a contact's ordinary questions are not answered yet; never in demo mode."""
    if services.mode != LIVE:
        return False
    async with services.database.read() as session:
        contact = await session.get_one(Contact, contact_id)
        return not await is_open(session, contact.place_id, now)


async def missing(session: AsyncSession, now: datetime) -> list[Place]:
    """Return the districts that have not passed a drill."""
    rows = await session.scalars(
        select(Place).where(Place.kind == "district", Place.state == OPEN).order_by(Place.id)
    )
    return [row for row in list(rows) if await last_passed(session, row, now) is None]

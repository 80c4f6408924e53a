"""What the tests of the roster's pages share: numbers, forms, rows."""

from typing import Any

import httpx2
from desk_world import World
from sqlalchemy import select

from bot.db.models import Staff

PHONE = "13900000007"
# The world stands at Sunday, 2026-11-22, 23:40 in China.
MONDAY = "2026-11-23"


async def post(
    world: World, client: httpx2.AsyncClient, who: str, path: str, /, **form: Any
) -> Any:
    """Send a form as somebody."""
    return await client.post(path, data={"csrf": world.csrf[who]} | form)


async def give_phone(world: World, *logins: str) -> None:
    """Give people numbers, so that their shifts wake somebody."""
    async with world.services.database.write() as session:
        for login in logins:
            person = await session.get_one(Staff, world.staff[login].id)
            person.phone = PHONE


def shift_form(world: World, who: str = "counselor", **more: str) -> dict[str, str]:
    """Return the form for a shift on Monday from 8 to 18 at school A."""
    return {
        "place": str(world.places["school_a"].id),
        "staff": str(world.staff[who].id),
        "day": MONDAY,
        "start": "08:00",
        "end": "18:00",
    } | more


async def all_of(world: World, model: Any) -> list[Any]:
    """Return every row of a table."""
    async with world.services.database.read() as session:
        return list(await session.scalars(select(model).order_by(model.id)))


def pattern_form(world: World, who: str = "counselor", **more: str) -> dict[str, str]:
    """Return the form for a pattern on working days at school A."""
    days = {f"d{n}": "1" for n in range(1, 6)}
    return shift_form(world, who) | days | {"makeup": "1", "first_day": MONDAY} | more

"""What the tests of the rules' test cases do as people at their browsers, and what they look at."""

import httpx2
from desk_world import Browser, World
from sqlalchemy import select

from bot.db.models import AuditEntry, RuleCase


async def post(
    browser: Browser, world: World, login: str, path: str, **fields: str
) -> httpx2.Response:
    """Send a form as somebody."""
    return await browser(login).post(path, data={"csrf": world.csrf[login], **fields})


async def mark(
    browser: Browser, world: World, name: str = "one", login: str = "counselor", **fields: str
) -> httpx2.Response:
    """Mark the message that opened a case."""
    message = str(await world.message_of(name))
    path = f"/desk/cases/{world.cases[name]}/mark"
    return await post(browser, world, login, path, message=message, **fields)


async def rows(world: World) -> list[RuleCase]:
    """Return every stored case."""
    async with world.services.database.read() as session:
        return list(await session.scalars(select(RuleCase).order_by(RuleCase.id)))


async def actions(world: World) -> list[tuple[str, int | None]]:
    """Return what the audit trail holds about cases, and by whom."""
    async with world.services.database.read() as session:
        found = await session.execute(
            select(AuditEntry.action, AuditEntry.staff_id)
            .where(AuditEntry.object_kind == "rule_case")
            .order_by(AuditEntry.id)
        )
        return [(row.action, row.staff_id) for row in found]

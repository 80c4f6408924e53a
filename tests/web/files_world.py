"""What the tests of a case's file share: what is sent, and how."""

from typing import Any

import httpx2
from desk_world import Browser, World
from sqlalchemy import select

from bot.db.models import AuditEntry

PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
RISK = {
    "f.state": "坐在阳台门口哭",
    "f.factors.loss": "yes",
    "f.factors.sleep": "yes",
    "f.means": "partly",
    "f.judgement": "some",
    "f.basis": "有人陪着",
    "f.steps": "今晚妈妈陪",
}
TOLD = {
    "who": "school_lead",
    "way": "phone",
    "words": "孩子现在有人陪着",
    "reached": "yes",
    "answer": "知道了",
}


async def post(
    browser: Browser, world: World, path: str, *, login: str = "counselor", **fields: str
) -> httpx2.Response:
    """Post a form as somebody."""
    return await browser(login).post(path, data={"csrf": world.csrf[login], **fields})


async def begin(browser: Browser, world: World, case_id: int, kind: str) -> str:
    """Open a draft and return its path."""
    answer = await post(browser, world, f"/desk/cases/{case_id}/forms", kind=kind)
    assert answer.status_code == 303
    return str(answer.headers["location"])


async def sign(browser: Browser, world: World, path: str, seen: str = "1", **fields: str) -> None:
    """Sign a form with these answers."""
    done = await post(browser, world, path, do="sign", seen=seen, **fields)
    assert "done=form_signed" in done.headers["location"], done.text


async def rows(world: World, model: Any) -> list[Any]:
    """Return every row of a table."""
    async with world.services.database.read() as session:
        return list(await session.scalars(select(model).order_by(model.id)))


async def audit_of(world: World, action: str) -> list[dict[str, Any]]:
    """Return what the audit trail holds of an action."""
    return [row.data for row in await rows(world, AuditEntry) if row.action == action]

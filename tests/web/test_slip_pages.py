"""Slips of paper through the pages: who gets one, who may print, what stands on it."""

import re

import pytest
from desk_world import Browser, World
from sqlalchemy import select

from bot.core.errors import ChannelUnavailable
from bot.db.models import AuditEntry, BindingSlip, Guardianship, Place
from bot.services import people

CODE = re.compile(r"绑定码 ([0-9A-Z]{5})-([0-9A-Z]{5})")


async def enrol(world: World, name: str = "钱多多") -> tuple[int, int]:
    """Add a child with a mother and a father; return the ids of the child and the father."""
    ring, now = world.services.ring, world.now
    async with world.services.database.write() as session:
        child = await people.add_child(
            session, place_id=world.places["class_a"].id, name=name, now=now, ring=ring
        )
        for relation, who in (("M", "钱妈妈"), ("F", "钱爸爸")):
            guardian = await people.add_guardian(session, name=who, now=now, ring=ring)
            await people.tie(session, guardian, child, relation, now)
    return child.id, guardian.id


def path_of(world: World) -> str:
    """Return the page of the teacher's class."""
    return f"/teacher/classes/{world.places['class_a'].id}/slips"


async def test_the_teacher_prints_one_for_each_guardian(world: World, browser: Browser) -> None:
    await enrol(world)
    client, path = browser("teacher"), path_of(world)
    assert path in (await client.get("/teacher/bindings")).text
    page = (await client.get(path)).text
    assert "还没绑定的家长（2张）" in page
    printed = await client.post(path, data={"csrf": world.csrf["teacher"], "who": "unbound"})
    assert printed.status_code == 200
    codes = ["".join(found) for found in CODE.findall(printed.text)]
    assert len(set(codes)) == 2
    assert "钱多多" in printed.text
    assert "<svg" not in printed.text, "no account makes codes here"
    assert printed.headers["cache-control"] == "no-store"
    assert "纸条没用" in (await client.get(path)).text
    async with world.services.database.read() as session:
        rows = (await session.scalars(select(BindingSlip))).all()
        entry = (
            await session.scalars(
                select(AuditEntry).where(AuditEntry.action == "binding.slips_made")
            )
        ).one()
    assert {row.made_by for row in rows} == {world.staff["teacher"].id}
    assert entry.data == {"slips": 2, "guardians": sorted(row.guardian_id for row in rows)}


async def test_the_qr_code_carries_the_code_for_thirty_days(world: World, browser: Browser) -> None:
    await enrol(world)
    asked: list[tuple[str, int]] = []

    async def make(scene: str, days: int = 0, /) -> str:
        asked.append((scene, days))
        return "http://weixin.qq.com/q/abc"

    async def silent(scene: str, days: int = 0, /) -> str:
        asked.append(("silent", days))
        raise ChannelUnavailable("qrcode/create")

    world.services.class_codes = {"silent": silent, "demo": make}
    printed = await browser("teacher").post(
        path_of(world), data={"csrf": world.csrf["teacher"], "who": "all"}
    )
    codes = ["".join(found) for found in CODE.findall(printed.text)]
    assert asked == [("silent", 30), *((f"slip-{code}", 30) for code in codes)]
    assert printed.text.count("<svg") == 2


async def test_who_is_kept_from_the_child_gets_none(world: World, browser: Browser) -> None:
    child_id, father = await enrol(world)
    async with world.services.database.write() as session:
        tie = await session.scalar(select(Guardianship).where(Guardianship.guardian_id == father))
        assert tie is not None
        tie.custody_block = True
    client, path = browser("teacher"), path_of(world)
    assert "有监护限制，不打纸条" in (await client.get(path)).text
    printed = await client.post(path, data={"csrf": world.csrf["teacher"], "who": str(child_id)})
    assert len(CODE.findall(printed.text)) == 1
    assert "的爸爸" not in printed.text


@pytest.mark.parametrize("who", ["", "0", "nobody", "999999"])
async def test_nobody_to_print_for_is_said(world: World, browser: Browser, who: str) -> None:
    await enrol(world)
    answer = await browser("teacher").post(
        path_of(world), data={"csrf": world.csrf["teacher"], "who": who}
    )
    assert answer.status_code == 422
    assert "没有要打印的" in answer.text


@pytest.mark.parametrize("login", ["other_lead", "counselor", "editor"])
async def test_nobody_else_prints(world: World, browser: Browser, login: str) -> None:
    await enrol(world)
    client, path = browser(login), path_of(world)
    answers = [
        await client.get(path),
        await client.post(path, data={"csrf": world.csrf[login], "who": "all"}),
    ]
    assert {answer.status_code for answer in answers} <= {403, 404}
    async with world.services.database.read() as session:
        assert (await session.scalars(select(BindingSlip))).all() == []


async def test_a_closed_class_has_none(world: World, browser: Browser) -> None:
    await enrol(world)
    async with world.services.database.write() as session:
        place = await session.get_one(Place, world.places["class_a"].id)
        place.state = "graduated"
    client, path = browser("teacher"), path_of(world)
    assert (await client.get(path)).status_code == 404
    answer = await client.post(path, data={"csrf": world.csrf["teacher"], "who": "all"})
    assert answer.status_code == 404

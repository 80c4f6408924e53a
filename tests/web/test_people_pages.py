"""Pages of children and guardians: who may see and change whom, and what is written down."""

import httpx2
import pytest
from desk_world import Browser, World
from sqlalchemy import select

from bot.db.models import AuditEntry, Child, Contact, Guardianship, Place
from bot.services import people, places

PHONE = "18800000201"


@pytest.fixture
async def child(world: World) -> int:
    """A child of class A with a mother and a father."""
    services = world.services
    async with services.database.write() as session:
        made = await people.add_child(
            session,
            place_id=world.places["class_a"].id,
            name="晴小雨",
            student_no="D1",
            now=world.now,
            ring=services.ring,
        )
        for name, relation, phone in (("雨妈妈", "M", PHONE), ("雨爸爸", "F", "18800000202")):
            guardian = await people.add_guardian(
                session, name=name, phone=phone, now=world.now, ring=services.ring
            )
            await people.tie(session, guardian, made, relation, world.now)
        return made.id


async def _ties(world: World) -> list[Guardianship]:
    async with world.services.database.read() as session:
        return list(await session.scalars(select(Guardianship).order_by(Guardianship.id)))


async def _audit(world: World) -> list[str]:
    async with world.services.database.read() as session:
        return list(await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


async def _post(
    client: httpx2.AsyncClient, world: World, login: str, path: str, **fields: str
) -> httpx2.Response:
    return await client.post(path, data={"csrf": world.csrf[login], **fields})


@pytest.mark.parametrize(
    ("login", "status", "phone"),
    [
        ("teacher", 200, True),
        ("lead", 200, True),
        ("admin", 200, False),
        ("other_lead", 404, False),
        ("counselor", 403, False),
        ("editor", 403, False),
    ],
)
async def test_a_child_is_shown_to_its_own_school(
    world: World, browser: Browser, child: int, login: str, status: int, phone: bool
) -> None:
    page = await browser(login).get(f"/admin/people/{child}")
    assert page.status_code == status
    assert ("晴小雨" in page.text) == (status == 200)
    assert (PHONE in page.text) == phone


async def test_a_class_of_another_school_is_not_there(
    world: World, browser: Browser, child: int
) -> None:
    here = f"/admin/people?place={world.places['class_a'].id}"
    assert "晴小雨" in (await browser("teacher").get(here)).text
    assert (await browser("other_lead").get(here)).status_code == 404
    overview = (await browser("other_lead").get("/admin/people")).text
    assert "晴川二中" in overview
    assert "晴川一小" not in overview


async def test_search_finds_the_whole_name_of_ones_own(
    world: World, browser: Browser, child: int
) -> None:
    client = browser("lead")
    found = await _post(client, world, "lead", "/admin/people", name=" 晴 小雨 ")
    assert f"/admin/people/{child}" in found.text
    assert "晴小雨" not in str(found.url)
    number = await _post(client, world, "lead", "/admin/people", name="d1")
    assert f"/admin/people/{child}" in number.text
    part = await _post(client, world, "lead", "/admin/people", name="小雨")
    assert f"/admin/people/{child}" not in part.text
    other = await _post(browser("other_lead"), world, "other_lead", "/admin/people", name="晴小雨")
    assert f"/admin/people/{child}" not in other.text


async def test_unbound_and_unreachable_are_filters(
    world: World, browser: Browser, child: int
) -> None:
    place = world.places["class_a"].id
    mother, _ = await _ties(world)
    client = browser("teacher")
    unbound = f"/admin/people?place={place}&only=unbound"
    unreachable = f"/admin/people?place={place}&only=unreachable"
    assert "晴小雨" in (await client.get(unbound)).text
    assert "晴小雨" not in (await client.get(unreachable)).text
    async with world.services.database.write() as session:
        session.add(
            Contact(
                channel="wechat",
                account="demo",
                external_id="x",
                place_id=place,
                guardian_id=mother.guardian_id,
                created_at=world.now,
            )
        )
        held = await session.get_one(Guardianship, mother.id)
        held.unreachable = "away"
    assert "晴小雨" not in (await client.get(unbound)).text
    assert "晴小雨" in (await client.get(unreachable)).text


async def test_a_relation_is_changed_once_and_written_down(
    world: World, browser: Browser, child: int
) -> None:
    mother, _ = await _ties(world)
    path = f"/admin/people/{child}/guardians/{mother.id}"
    fields = {"relation": "A", "unreachable": "away", "large_type": "1", "seen": "M.0..0"}
    client = browser("lead")
    assert (await _post(client, world, "lead", path, **fields)).status_code == 303
    held = (await _ties(world))[0]
    assert (held.relation, held.unreachable) == ("A", "away")
    again = await _post(client, world, "lead", path, **fields)
    assert again.status_code == 409
    assert "刚被别人改过" in again.text
    assert (await _audit(world)).count("people.guardian_changed") == 1
    wrong = await _post(
        client, world, "lead", path, **{**fields, "relation": "X", "seen": "A.0.away.1"}
    )
    assert wrong.status_code == 422


async def test_a_custody_block_needs_a_reason_and_can_be_lifted(
    world: World, browser: Browser, child: int
) -> None:
    _, father = await _ties(world)
    path = f"/admin/people/{child}/guardians/{father.id}/block"
    client = browser("lead")
    none = await _post(client, world, "lead", path, block="1", seen="F.0..0")
    assert none.status_code == 422
    set_ = await _post(client, world, "lead", path, block="1", reason="court", seen="F.0..0")
    assert set_.status_code == 303
    assert (await _ties(world))[1].custody_block
    lifted = await _post(client, world, "lead", path, block="0", reason="agreement", seen="F.1..0")
    assert lifted.status_code == 303
    assert not (await _ties(world))[1].custody_block
    actions = await _audit(world)
    assert "people.custody_block_set" in actions
    assert "people.custody_block_lifted" in actions


@pytest.mark.parametrize(("login", "status"), [("teacher", 403), ("other_lead", 404)])
async def test_changing_takes_the_right_at_that_place(
    world: World, browser: Browser, child: int, login: str, status: int
) -> None:
    mother, _ = await _ties(world)
    client = browser(login)
    for path in ("move", "leave", f"guardians/{mother.id}", f"guardians/{mother.id}/block"):
        answer = await _post(client, world, login, f"/admin/people/{child}/{path}")
        assert answer.status_code == status, path
    assert [one.relation for one in await _ties(world)] == ["M", "F"]


async def test_moving_keeps_the_history_and_the_second_is_told(
    world: World, browser: Browser, child: int
) -> None:
    async with world.services.database.write() as session:
        school = await session.get_one(Place, world.places["school_a"].id)
        other = await places.add(session, kind="class", name="三年级3班", parent=school)
    here = str(world.places["class_a"].id)
    client = browser("lead")
    path = f"/admin/people/{child}/move"
    assert (
        await _post(client, world, "lead", path, place=str(other.id), seen=here)
    ).status_code == 303
    assert (
        await _post(client, world, "lead", path, place=str(other.id), seen=here)
    ).status_code == 409
    foreign = str(world.places["class_b"].id)
    away = await _post(client, world, "lead", path, place=foreign, seen=str(other.id))
    assert away.status_code == 403
    page = (await client.get(f"/admin/people/{child}")).text
    assert "三年级2班" in page
    assert "三年级3班" in page
    left = await _post(client, world, "lead", f"/admin/people/{child}/leave", seen=str(other.id))
    assert left.status_code == 303
    async with world.services.database.read() as session:
        assert (await session.get_one(Child, child)).state == "left"


async def test_reading_is_written_down(world: World, browser: Browser, child: int) -> None:
    client = browser("teacher")
    await client.get(f"/admin/people?place={world.places['class_a'].id}")
    await client.get(f"/admin/people/{child}")
    assert {"people.listed", "people.read"} <= set(await _audit(world))

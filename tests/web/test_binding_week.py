"""The last week on `/teacher/bindings`: what was bound by itself, taken back, told; who decides."""

import pytest
from claims_world import CHILD, MOTHER, PAGE, claim, contact_of, enrol, post, state_of, told
from desk_world import Browser, World
from sqlalchemy import select

from bot.core.clock import epoch_ms
from bot.db.models import Binding, Child, Contact, Delivery, Guardian, Guardianship, Place
from bot.services import bindings, people_desk
from bot.services.people_desk import seen_of

BY_PHONE = "这是按登记手机号自动绑定的"


async def bind_by(world: World, way: str, guardian_id: int, name: str = "auto") -> tuple[int, int]:
    """Bind a new contact as an import or a slip does; return the ids of contact and binding."""
    async with world.services.database.write() as session:
        contact = Contact(
            channel="dingtalk", account="demo", external_id=name, created_at=world.now
        )
        session.add(contact)
        await session.flush()
        guardian = await session.get_one(Guardian, guardian_id)
        await bindings.bind(session, contact, guardian, way=way, now=world.now)
        row = await session.scalar(select(Binding).where(Binding.contact_id == contact.id))
    assert row is not None
    return contact.id, row.id


async def test_a_binding_by_phone_is_listed_and_taken_back(world: World, browser: Browser) -> None:
    _, guardian_id = await enrol(world)
    contact_id, binding_id = await claim(world, phone=MOTHER)
    assert (await contact_of(world, contact_id)).guardian_id == guardian_id
    client = browser("teacher")
    page = (await client.get(PAGE)).text
    assert BY_PHONE in page
    assert f"{CHILD}的妈妈" in page
    assert BY_PHONE not in (await browser("other_lead").get(PAGE)).text
    await post(world, client, "teacher", f"{PAGE}/{binding_id}/withdraw")
    assert (await contact_of(world, contact_id)).guardian_id is None
    assert await told(world) == ["binding.withdrawn"]
    page = (await client.get(PAGE)).text
    assert BY_PHONE not in page
    assert "已撤回" in page


async def test_what_was_taken_back_is_not_bound_by_the_phone_again(
    world: World, browser: Browser
) -> None:
    await enrol(world)
    _, binding_id = await claim(world, phone=MOTHER)
    await post(world, browser("teacher"), "teacher", f"{PAGE}/{binding_id}/withdraw")
    contact_id, again = await claim(world, name="again", phone=MOTHER)
    assert await state_of(world, again) == "asked"
    assert (await contact_of(world, contact_id)).guardian_id is None
    assert "后来被撤回" in (await browser("teacher").get(PAGE)).text


@pytest.mark.parametrize(
    ("way", "words"), [("slip", "绑定纸条绑定的"), ("directory", "家校通讯录")]
)
async def test_slips_and_directories_are_listed_and_taken_back_too(
    world: World, browser: Browser, way: str, words: str
) -> None:
    _, guardian_id = await enrol(world)
    contact_id, binding_id = await bind_by(world, way, guardian_id)
    client = browser("teacher")
    page = (await client.get(PAGE)).text
    assert words in page
    assert f"{CHILD}的妈妈" in page
    await post(world, client, "teacher", f"{PAGE}/{binding_id}/withdraw")
    assert (await contact_of(world, contact_id)).guardian_id is None


async def test_after_a_week_it_is_neither_listed_nor_taken_back(
    world: World, browser: Browser
) -> None:
    _, guardian_id = await enrol(world)
    contact_id, binding_id = await claim(world, phone=MOTHER)
    async with world.services.database.write() as session:
        row = await session.get_one(Binding, binding_id)
        row.decided_at = world.now.replace(day=world.now.day - 8)
    client = browser("teacher")
    assert BY_PHONE not in (await client.get(PAGE)).text
    answer = await post(world, client, "teacher", f"{PAGE}/{binding_id}/withdraw")
    assert answer.status_code == 409
    assert (await contact_of(world, contact_id)).guardian_id == guardian_id


async def test_whose_child_has_graduated_is_not_listed(world: World, browser: Browser) -> None:
    child_id, _ = await enrol(world)
    await claim(world, phone=MOTHER)
    async with world.services.database.write() as session:
        child = await session.get_one(Child, child_id)
        child.state, child.left_at = "left", world.now
    page = (await browser("teacher").get(PAGE)).text
    assert BY_PHONE not in page
    assert CHILD not in page


async def test_a_child_that_moved_is_the_new_class_teachers(world: World, browser: Browser) -> None:
    child_id, _ = await enrol(world)
    contact_id, binding_id = await claim(world, phone=MOTHER)
    async with world.services.database.write() as session:
        child = await session.get_one(Child, child_id)
        child.place_id = world.places["class_b"].id
    assert BY_PHONE not in (await browser("teacher").get(PAGE)).text
    assert BY_PHONE in (await browser("other_lead").get(PAGE)).text
    answer = await post(world, browser("teacher"), "teacher", f"{PAGE}/{binding_id}/withdraw")
    assert answer.status_code == 404
    assert (await contact_of(world, contact_id)).guardian_id is not None


async def delivered(world: World, contact_id: int, state: str) -> None:
    """Let the sentence about a decision be in a state."""
    async with world.services.database.write() as session:
        row = await session.scalar(select(Binding).where(Binding.contact_id == contact_id))
        assert row is not None
        assert row.decided_at is not None
        key = f"tell:{contact_id}:binding.agreed:{epoch_ms(row.decided_at)}"
        session.add(
            Delivery(
                key=key,
                contact_id=contact_id,
                route="api",
                kind="service",
                body="",
                state=state,
                created_at=world.now,
            )
        )


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("accepted", "已经发给家长。"),
        ("sending", "正在告诉家长。"),
        ("failed", "没有发到家长那里"),
        ("", "没有发到家长那里"),
    ],
)
async def test_whether_the_parent_knows_is_said_truthfully(
    world: World, browser: Browser, state: str, words: str
) -> None:
    child_id, guardian_id = await enrol(world)
    contact_id, binding_id = await claim(world)
    client = browser("teacher")
    pick = f"{child_id}:{guardian_id}"
    done = await post(world, client, "teacher", f"{PAGE}/{binding_id}/agree", pick=pick)
    assert "正在告诉家长。" in (await client.get(done.headers["location"])).text
    world.services.clock.advance(minutes=5)
    if state:
        await delivered(world, contact_id, state)
    assert words in (await client.get(PAGE)).text


async def test_a_no_is_listed_with_whether_it_was_told(world: World, browser: Browser) -> None:
    _, binding_id = await claim(world)
    client = browser("teacher")
    await post(world, client, "teacher", f"{PAGE}/{binding_id}/refuse")
    world.services.clock.advance(minutes=5)
    page = (await client.get(PAGE)).text
    assert "没有同意" in page
    assert "没有发到家长那里" in page


async def test_the_districts_people_decide_for_who_has_no_school(
    world: World, browser: Browser
) -> None:
    child_id, guardian_id = await enrol(world)
    await claim(world, name="of-class", relation="GM", phone=MOTHER)
    contact_id, binding_id = await claim(world, name="nobodys", place="district")
    client = browser("district")
    page = (await client.get(PAGE)).text
    assert page.count(f"自称是{CHILD}") == 1, "a class's own claims are its school's"
    assert await state_of(world, binding_id) == "asked"
    assert "自称是" in (await browser("teacher").get(PAGE)).text
    pick = f"{child_id}:{guardian_id}"
    done = await post(world, client, "district", f"{PAGE}/{binding_id}/agree", pick=pick)
    assert done.status_code == 303
    assert (await contact_of(world, contact_id)).guardian_id == guardian_id
    page = (await client.get(PAGE)).text
    assert "学校核实后同意的" in page, "who said yes can take it back"
    await post(world, client, "district", f"{PAGE}/{binding_id}/withdraw")
    assert (await contact_of(world, contact_id)).guardian_id is None


async def test_a_closed_class_is_said_and_nobody_is_agreed_to(
    world: World, browser: Browser
) -> None:
    child_id, guardian_id = await enrol(world)
    contact_id, binding_id = await claim(world)
    async with world.services.database.write() as session:
        place = await session.get_one(Place, world.places["class_a"].id)
        place.state = "closed"
    client = browser("teacher")
    assert "这个班已经停用" in (await client.get(PAGE)).text
    answer = await post(
        world,
        client,
        "teacher",
        f"{PAGE}/{binding_id}/agree",
        pick=f"{child_id}:{guardian_id}",
    )
    assert answer.status_code == 409
    assert "这个孩子的班级已经停用" in answer.text
    assert (await contact_of(world, contact_id)).guardian_id is None


async def test_setting_a_custody_block_ends_what_a_phone_gave(world: World) -> None:
    _, guardian_id = await enrol(world, relation="F")
    contact_id, binding_id = await claim(world, relation="F", phone=MOTHER)
    assert (await contact_of(world, contact_id)).guardian_id == guardian_id
    by = await world.seen("lead")
    async with world.services.database.write() as session:
        tie = (await session.scalars(select(Guardianship))).one()
        await people_desk.set_block(
            session,
            by,
            tie.id,
            block=True,
            reason="court",
            seen=seen_of("F", False, "", False),
            now=world.now,
        )
    assert (await contact_of(world, contact_id)).guardian_id is None
    assert await state_of(world, binding_id) == "withdrawn"
    assert await told(world) == [], "nothing tells the reason"

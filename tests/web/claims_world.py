"""Parents' claims for the pages of bindings: a child in the roster, and what a parent says."""

import httpx2
from desk_world import World
from sqlalchemy import select

from bot.db.models import Binding, Contact, Job
from bot.services import binding_claims, people
from bot.services.binding_claims import Claim

CHILD = "钱多多"
MOTHER = "13900000001"
PAGE = "/teacher/bindings"


async def enrol(
    world: World, *, place: str = "class_a", relation: str = "M", phone: str = MOTHER
) -> tuple[int, int]:
    """Add a child with one guardian; return their ids."""
    ring, now = world.services.ring, world.now
    async with world.services.database.write() as session:
        child = await people.add_child(
            session, place_id=world.places[place].id, name=CHILD, now=now, ring=ring
        )
        guardian = await people.add_guardian(
            session, name="钱妈妈", phone=phone, now=now, ring=ring
        )
        await people.tie(session, guardian, child, relation, now)
    return child.id, guardian.id


async def claim(
    world: World,
    *,
    name: str = "claims",
    place: str = "class_a",
    relation: str = "M",
    phone: str = "13900000009",
) -> tuple[int, int]:
    """Let a parent claim the child; return the ids of the contact and of the claim."""
    said = Claim(CHILD, relation, phone)
    async with world.services.database.write() as session:
        contact = Contact(
            channel="wechat",
            account="demo",
            external_id=f"parent-{name}",
            place_id=world.places[place].id,
            created_at=world.now,
        )
        session.add(contact)
        await session.flush()
        ring = world.services.ring
        found = await binding_claims.look_up(session, ring, contact, said)
        await binding_claims.settle(session, ring, contact.id, said, found, now=world.now)
        row = await session.scalar(select(Binding).where(Binding.contact_id == contact.id))
    assert row is not None
    return contact.id, row.id


async def contact_of(world: World, contact_id: int) -> Contact:
    """Return a contact as it stands."""
    async with world.services.database.read() as session:
        return await session.get_one(Contact, contact_id)


async def state_of(world: World, binding_id: int) -> str:
    """Return the state of a claim."""
    async with world.services.database.read() as session:
        return (await session.get_one(Binding, binding_id)).state


async def told(world: World) -> list[str]:
    """Return what contacts are to be told."""
    async with world.services.database.read() as session:
        jobs = await session.scalars(select(Job).where(Job.kind == "contact.tell"))
        return [str(job.payload["phrase"]) for job in jobs]


async def post(
    world: World, client: httpx2.AsyncClient, login: str, path: str, **fields: str
) -> httpx2.Response:
    """Send a form as somebody."""
    return await client.post(path, data={"csrf": world.csrf[login], **fields})

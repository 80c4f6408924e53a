"""Signed links: one person, one purpose, one browser, for a time."""

from datetime import timedelta

import pytest
from factories import make_contact
from sqlalchemy import select

from bot.core.clock import FixedClock
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import AuditEntry, Link
from bot.services import links

DAY = timedelta(days=1)


async def make_link(
    database: Database, ring: KeyRing, clock: FixedClock, *, purpose: str = "mine"
) -> str:
    """Add a contact with a link for a day."""
    async with database.write() as session:
        contact = await make_contact(session, now=clock.now())
        return await links.make(
            session, ring, purpose=purpose, contact_id=contact.id, now=clock.now(), length=DAY
        )


async def test_the_token_is_long_and_nowhere_in_the_table(
    database: Database, ring: KeyRing, clock: FixedClock
) -> None:
    token = await make_link(database, ring, clock)
    async with database.read() as session:
        link = (await session.scalars(select(Link))).one()
    assert len(token) == 43
    assert token not in repr(vars(link))
    assert link.device_key is None


async def test_looking_ties_it_to_nobody(
    database: Database, ring: KeyRing, clock: FixedClock
) -> None:
    token = await make_link(database, ring, clock)
    async with database.write() as session:
        for device in (None, "prefetch", None):
            looked = await links.look(session, ring, token, device, clock.now())
            assert not looked.opened
        assert looked.link.opened_at is None


async def test_the_first_browser_keeps_it(
    database: Database, ring: KeyRing, clock: FixedClock
) -> None:
    token = await make_link(database, ring, clock)
    async with database.write() as session:
        link = await links.open_link(session, ring, token, "first", clock.now())
        assert link.opened_at == clock.now()
        again = await links.open_link(session, ring, token, "first", clock.now())
        assert again.id == link.id
        assert (await links.look(session, ring, token, "first", clock.now())).opened
        with pytest.raises(links.OtherDevice):
            await links.open_link(session, ring, token, "second", clock.now())
        for device in (None, "second"):
            with pytest.raises(links.OtherDevice):
                await links.look(session, ring, token, device, clock.now())
        entries = (await session.scalars(select(AuditEntry.action))).all()
    assert entries == ["link.opened"]


async def test_it_ends(database: Database, ring: KeyRing, clock: FixedClock) -> None:
    token = await make_link(database, ring, clock)
    clock.advance(days=1)
    async with database.write() as session:
        with pytest.raises(links.LinkGone):
            await links.look(session, ring, token, None, clock.now())
        with pytest.raises(links.LinkGone):
            await links.open_link(session, ring, token, "first", clock.now())


async def test_a_revoked_one_is_gone_even_for_its_own_browser(
    database: Database, ring: KeyRing, clock: FixedClock
) -> None:
    token = await make_link(database, ring, clock)
    async with database.write() as session:
        link = await links.open_link(session, ring, token, "first", clock.now())
        ended = await links.revoke(session, link.contact_id, now=clock.now(), purpose="notice")
        assert ended == 0
        assert await links.revoke(session, link.contact_id, now=clock.now()) == 1
        with pytest.raises(links.LinkGone):
            await links.open_link(session, ring, token, "first", clock.now())


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "x" * 10_000, "钥匙"])
async def test_nobody_guesses_one(
    database: Database, ring: KeyRing, clock: FixedClock, token: str
) -> None:
    await make_link(database, ring, clock)
    async with database.read() as session:
        with pytest.raises(links.LinkGone):
            await links.look(session, ring, token, None, clock.now())


async def test_one_browser_looks_different_to_each_link(
    database: Database, ring: KeyRing, clock: FixedClock
) -> None:
    tokens = [await make_link(database, ring, clock) for _ in range(2)]
    async with database.write() as session:
        opened = [await links.open_link(session, ring, t, "same", clock.now()) for t in tokens]
    assert opened[0].device_key != opened[1].device_key


async def test_an_unknown_purpose_is_a_mistake_of_ours(
    database: Database, ring: KeyRing, clock: FixedClock
) -> None:
    with pytest.raises(ValueError, match="purpose"):
        await make_link(database, ring, clock, purpose="everything")

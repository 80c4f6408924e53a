"""The ledger opens what lies under the ring and under a district's own key."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from factories import NIGHT, make_contact, make_delivery, make_district

from bot.bench.ledger import Ledger
from bot.db import crypto, field_keys, tenant_keys
from bot.db.crypto import KeyRing, new_key
from bot.db.engine import Database
from bot.db.field_keys import FieldKeys

SECRET = new_key("bench")


@pytest.fixture(autouse=True)
def _no_keys_left_behind() -> Iterator[None]:
    """Give the process back without any district's key."""
    yield
    field_keys.use(FieldKeys())


async def test_words_under_the_ring_and_under_a_district_s_key(
    database: Database, database_url: str
) -> None:
    crypto.install(KeyRing.parse(SECRET))
    async with database.write() as session:
        place = await make_district(session, now=NIGHT)
        contact = await make_contact(session, now=NIGHT, place=place.school)
        await make_delivery(session, contact, now=NIGHT, body="钥匙环下的话")
        await tenant_keys.make(session, place.district.id, NIGHT)
    async with database.read() as session:
        later = NIGHT + tenant_keys.WRITES_AFTER + timedelta(seconds=1)
        await tenant_keys.load(session, later)
    with field_keys.of_place(place.school.id):
        async with database.write() as session:
            await make_delivery(session, contact, now=NIGHT, body="区自己的钥匙下的话")
    field_keys.use(FieldKeys())
    found = await asyncio.to_thread(Ledger.read, database_url, SECRET)
    assert [row.words for row in found.deliveries] == ["钥匙环下的话", "区自己的钥匙下的话"]

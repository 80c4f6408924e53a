"""Opening a database: reached, migrated, readable with the keys; else one setting is named."""

import threading
from pathlib import Path

import pytest
from factories import make_contact, make_message, make_staff
from house import KEYS

from bot.core.clock import FixedClock
from bot.core.errors import ConfigInvalid
from bot.db import crypto
from bot.db.engine import Database, make_engine
from bot.db.models import PlatformToken
from bot.db.opening import open_database, reachable, unreadable_column

NOBODY = "postgresql+psycopg://xinqing:the-password@127.0.0.1:1/xinqing"


async def _fill(database: Database, clock: FixedClock, what: str) -> None:
    now = clock.now()
    async with database.write() as session:
        if what == "staff.name":
            await make_staff(session, now=now)
        elif what == "message.text":
            await make_message(session, await make_contact(session, now=now), now=now)
        else:
            session.add(PlatformToken(name="wechat:a", token="the-token", expires_at=now))


async def test_an_empty_and_a_filled_database_open(database: Database, clock: FixedClock) -> None:
    await open_database(database)
    for what in ("staff.name", "message.text", "platform_token.token"):
        await _fill(database, clock, what)
    await open_database(database)
    assert await unreadable_column(database) is None


@pytest.mark.parametrize("what", ["staff.name", "message.text", "platform_token.token"])
async def test_with_other_keys_it_does_not_open(
    database: Database, clock: FixedClock, ring: crypto.KeyRing, what: str
) -> None:
    await _fill(database, clock, what)
    # The same key id with other bytes, as a second `setup` in an empty folder would make it.
    crypto.install(crypto.KeyRing.parse(crypto.new_key("k1")))
    with pytest.raises(ConfigInvalid, match=f"XINQING_SECRET_KEYS: the stored {what}"):
        await open_database(database)


async def test_a_ring_that_still_holds_the_old_key_opens(
    database: Database, clock: FixedClock, ring: crypto.KeyRing
) -> None:
    await _fill(database, clock, "message.text")
    crypto.install(crypto.KeyRing.parse(f"{crypto.new_key('k2')},{KEYS}"))
    await open_database(database)


async def test_nobody_at_the_address(ring: crypto.KeyRing) -> None:
    database = Database(make_engine(NOBODY))
    assert not await reachable(database)
    with pytest.raises(ConfigInvalid, match="XINQING_DATABASE_URL") as caught:
        await open_database(database)
    assert "the-password" not in str(caught.value)
    await database.close()


async def test_a_file_that_is_no_database(tmp_path: Path, ring: crypto.KeyRing) -> None:
    before = set(threading.enumerate())
    path = tmp_path / "xinqing.db"
    path.mkdir()
    database = Database(make_engine(f"sqlite+aiosqlite:///{path}"))
    with pytest.raises(ConfigInvalid, match="XINQING_DATA_DIR"):
        await open_database(database)
    await database.close()
    assert set(threading.enumerate()) <= before, "a thread would report to a closed loop"


@pytest.mark.parametrize(
    "address", ["the-password", "mysql+nothing://a:the-password@b/c", "://the-password"]
)
def test_an_address_that_is_none_is_refused_without_its_value(address: str) -> None:
    with pytest.raises(ConfigInvalid, match="XINQING_DATABASE_URL") as caught:
        make_engine(address)
    assert "the-password" not in str(caught.value)

"""A parent whom DingTalk's directory knows writes for the first time; everybody is invented."""

from dataclasses import replace

import pytest
from factories import ACCOUNT, incoming
from house import Home
from sqlalchemy import select

from bot.core.messages import IncomingMessage
from bot.db.models import Binding, Guardian
from bot.services import people

DING = "ding-mother"


async def _family(home: Home) -> int:
    services = home.house.services
    async with home.write() as session:
        child = await people.add_child(
            session,
            place_id=home.place.class_.id,
            name="晴朵朵",
            now=home.clock.now(),
            ring=services.ring,
        )
        guardian = await people.add_guardian(
            session, name="朵朵妈", now=home.clock.now(), ring=services.ring, external_id=DING
        )
        await people.tie(session, guardian, child, "M", home.clock.now())
        return guardian.id


def _message(home: Home) -> IncomingMessage:
    message = incoming("老师好", at=home.clock.now(), sender=DING)
    return replace(message, channel="dingtalk", account=ACCOUNT)


async def test_first_words_are_the_guardians(home: Home) -> None:
    guardian_id = await _family(home)
    await home.accept(_message(home))
    contact = await home.contact(DING)
    assert (contact.guardian_id, contact.place_id) == (guardian_id, home.place.class_.id)
    await home.accept(_message(home))
    bound = await home.rows(Binding)
    assert [(one.way, one.guardian_id) for one in bound] == [("directory", guardian_id)]


@pytest.mark.parametrize("doubt", ["outside", "vouched", "channel"])
async def test_without_the_platforms_word_nobody_is_recognised(home: Home, doubt: str) -> None:
    await _family(home)
    more = {"outside": {"outside": True}, "vouched": {"vouched": False}}
    message = replace(_message(home), **more.get(doubt, {"channel": "wechat"}))
    await home.accept(message)
    assert (await home.contact(DING)).guardian_id is None


async def test_an_id_that_two_have_is_nobodys(home: Home) -> None:
    await _family(home)
    await _family(home)
    await home.accept(_message(home))
    assert (await home.contact(DING)).guardian_id is None
    async with home.house.services.database.read() as session:
        assert len((await session.scalars(select(Guardian.id))).all()) == 2

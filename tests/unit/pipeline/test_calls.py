"""One person is called by their id in the organisation, or in all of their browsers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import pytest
from factories import NIGHT, make_staff
from sqlalchemy import select

from bot.core.clock import FixedClock
from bot.core.errors import ChannelRefused, ChannelUnavailable
from bot.core.ports import SendResult
from bot.db.engine import Database
from bot.db.models import Delivery, PushSubscription, Staff
from bot.pipeline.calls import Calls
from bot.services.container import Services


@dataclass
class Given:
    database: Database
    clock: FixedClock


class Caller:
    def __init__(self) -> None:
        self.called: list[tuple[Sequence[str], str, str]] = []

    async def call(self, people: Sequence[str], text: str, *, key: str) -> SendResult:
        self.called.append((people, text, key))
        return SendResult("task")


class Pusher:
    public_key = "x"

    def __init__(self, codes: Mapping[str, str]) -> None:
        self.codes = codes
        self.sent: list[str] = []

    def takes(self, address: str) -> bool:
        return True

    async def push(self, address: str, keys: Mapping[str, str], text: str, *, topic: str) -> None:
        code = self.codes.get(address, "")
        if code == "gone":
            raise ChannelRefused("push", code=code)
        if code:
            raise ChannelUnavailable("push", code=code)
        self.sent.append(address)

    async def close(self) -> None:
        """Nothing is open."""


def delivery(staff_id: int, target: str) -> Delivery:
    return Delivery(
        key=f"alert:{target}", case_id=None, staff_id=staff_id, target=target, route="alert",
        kind="alert", body="words", created_at=NIGHT,
    )  # fmt: skip


async def person(database: Database, *addresses: str, external_id: str = "") -> Staff:
    async with database.write() as session:
        row = await make_staff(session, now=NIGHT)
        row.external_id = external_id or None
        for address in addresses:
            keys = json.dumps({"p256dh": "x", "auth": "y"})
            session.add(
                PushSubscription(
                    staff_id=row.id, digest=address, address=address, keys=keys, made_at=NIGHT
                )
            )
    return row


def calls(database: Database, caller: Caller, pusher: Pusher | None) -> Calls:
    given = cast(Services, Given(database, FixedClock(NIGHT)))
    return Calls(given, {"work": caller}, pusher)


async def test_by_the_id_in_the_organisation(database: Database) -> None:
    caller = Caller()
    row = await person(database, external_id="u1")
    result = await calls(database, caller, None).send(delivery(row.id, "work"))
    assert result.receipt == "task"
    assert caller.called == [(("u1",), "words", "alert:work")]


async def test_all_browsers_and_the_gone_one_is_forgotten(database: Database) -> None:
    row = await person(database, "a", "b", "c")
    pusher = Pusher({"a": "gone", "b": "http503"})
    result = await calls(database, Caller(), pusher).send(delivery(row.id, "push"))
    assert result.receipt == "push:1"
    async with database.read() as session:
        left = {one.address: one for one in await session.scalars(select(PushSubscription))}
    assert set(left) == {"b", "c"}
    assert left["b"].failed_at == NIGHT
    assert left["c"].failed_at is None


async def test_when_none_takes_it_the_call_fails(database: Database) -> None:
    row = await person(database, "b")
    with pytest.raises(ChannelUnavailable):
        await calls(database, Caller(), Pusher({"b": "http503"})).send(delivery(row.id, "push"))


@pytest.mark.parametrize("target", ["work", "push", "unknown"])
async def test_who_cannot_be_called_in_this_way_is_a_failure(
    database: Database, target: str
) -> None:
    row = await person(database)
    with pytest.raises(ChannelRefused):
        await calls(database, Caller(), Pusher({})).send(delivery(row.id, target))


async def test_who_has_left_is_not_called(database: Database) -> None:
    caller = Caller()
    row = await person(database, external_id="u1")
    async with database.write() as session:
        (await session.get_one(Staff, row.id)).active = False
    with pytest.raises(ChannelRefused):
        await calls(database, caller, None).send(delivery(row.id, "work"))
    assert caller.called == []

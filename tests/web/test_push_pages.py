"""Signing a browser up, trying it, ending it; and the desk's word when no alert got through."""

import base64
import os
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from desk_world import Browser, World
from sqlalchemy import select, text

from bot.core.errors import ChannelError, ChannelRefused, ChannelUnavailable
from bot.db.models import CaseEvent, PushSubscription
from bot.services import push

ADDRESS = "https://push.example.cn/secret"


class FakePusher:
    """Takes addresses of one host and notes what it is given."""

    public_key: str = "BPublicKey"

    def __init__(self, error: ChannelError | None = None) -> None:
        self.error = error
        self.sent: list[tuple[str, str]] = []

    def takes(self, address: str) -> bool:
        return address.startswith("https://push.example.cn/")

    async def push(self, address: str, keys: Mapping[str, str], text: str, *, topic: str) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append((address, text))

    async def close(self) -> None:
        """Nothing is open."""


def form(world: World, by: str = "counselor", **fields: str) -> dict[str, str]:
    point = (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    )
    made = {"csrf": world.csrf[by], "address": ADDRESS}
    made |= {"p256dh": _b64(point), "auth": _b64(os.urandom(16))}
    return made | fields


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def rows(world: World) -> list[PushSubscription]:
    async with world.services.database.read() as session:
        return list(await session.scalars(select(PushSubscription)))


async def test_signed_up_tried_and_ended(world: World, browser: Browser) -> None:
    pusher = world.services.pusher = FakePusher()
    client = browser("counselor")
    assert 'data-key="BPublicKey"' in (await client.get("/desk/push")).text
    assert (await client.post("/desk/push", data=form(world))).status_code == 303
    assert (await client.post("/desk/push", data=form(world))).status_code == 303
    [row] = await rows(world)
    assert row.staff_id == world.staff["counselor"].id
    async with world.services.database.read() as session:
        stored = (await session.execute(text("select address, keys from push_subscription"))).one()
    assert "secret" not in str(stored)
    page = (await client.get("/desk/push?done=signed_up")).text
    assert "试发一条" in page
    assert "secret" not in page
    tried = await client.post("/desk/push/try", data={"csrf": world.csrf["counselor"]})
    assert tried.status_code == 303
    assert [address for address, _ in pusher.sent] == [ADDRESS]
    end = f"/desk/push/{row.id}/end"
    theirs = await browser("lead").post(end, data={"csrf": world.csrf["lead"]})
    assert theirs.status_code == 404
    assert (await client.post(end, data={"csrf": world.csrf["counselor"]})).status_code == 303
    assert await rows(world) == []


async def test_a_shared_computer_calls_whoever_signed_up_last(
    world: World, browser: Browser
) -> None:
    world.services.pusher = FakePusher()
    await browser("counselor").post("/desk/push", data=form(world))
    await browser("lead").post("/desk/push", data=form(world, "lead"))
    [row] = await rows(world)
    assert row.staff_id == world.staff["lead"].id


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"address": "https://evil.example/x"}, "不是认识的推送服务"),
        ({"address": "http://169.254.169.254/"}, "不是认识的推送服务"),
        ({"p256dh": "AAAA"}, "密钥不完整"),
        ({"auth": ""}, "密钥不完整"),
        ({"auth": "一二三"}, "密钥不完整"),
    ],
)
async def test_what_is_no_browser_is_refused(
    world: World, browser: Browser, fields: dict[str, str], words: str
) -> None:
    world.services.pusher = FakePusher()
    answer = await browser("counselor").post("/desk/push", data=form(world, **fields))
    assert (answer.status_code, words in answer.text) == (422, True)
    assert await rows(world) == []


async def test_without_a_key_it_is_said_that_there_is_none(world: World, browser: Browser) -> None:
    assert "没有打开浏览器提醒" in (await browser("counselor").get("/desk/push")).text
    answer = await browser("counselor").post("/desk/push", data=form(world))
    assert answer.status_code == 422


async def test_no_more_browsers_than_a_person_has(world: World, browser: Browser) -> None:
    world.services.pusher = FakePusher()
    for number in range(push.MOST + 1):
        answer = await browser("counselor").post(
            "/desk/push", data=form(world, address=f"{ADDRESS}{number}")
        )
    assert answer.status_code == 422
    assert len(await rows(world)) == push.MOST


@pytest.mark.parametrize(
    ("error", "left"),
    [(ChannelRefused("push", code="gone"), 0), (ChannelUnavailable("push", code="http503"), 1)],
)
async def test_a_browser_that_signed_off_is_forgotten(
    world: World, browser: Browser, error: ChannelError, left: int
) -> None:
    world.services.pusher = FakePusher(error)
    client = browser("counselor")
    await client.post("/desk/push", data=form(world))
    answer = await client.post("/desk/push/try", data={"csrf": world.csrf["counselor"]})
    assert answer.status_code == 502
    kept = await rows(world)
    assert len(kept) == left
    assert all(row.failed_at == world.now for row in kept)


async def test_the_desk_says_when_no_alert_got_through(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a")
    assert "提醒没有送出" not in (await browser("counselor").get("/desk")).text
    async with world.services.database.write() as session:
        event = CaseEvent(case_id=case_id, at=world.now, kind="alert_nobody", data={"key": "x"})
        session.add(event)
    shown = (await browser("counselor").get("/desk")).text
    assert "提醒没有送出：请打值班电话" in shown
    assert "提醒没有送出" not in (await browser("other_counselor").get("/desk")).text
    case = (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    assert "提醒没有送出" in case

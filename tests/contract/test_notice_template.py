"""The template message keeps what the port promises: proof, sorted failures, the form's limits."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2
import pytest

from bot.channels.http import make_http
from bot.channels.wechat.client import WechatClient
from bot.channels.wechat.template import PATH, WechatNoticeTemplate, parse_fields
from bot.core.clock import FixedClock
from bot.core.errors import ChannelRateLimited, ChannelRefused, ChannelUnavailable
from bot.core.ports import NoticeTemplate
from bot.services.tokens import MemoryTokens
from bot.simulator.platform import FakePlatform, Fault
from bot.simulator.wechat_server import make_fake_wechat

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
PERSON = "oParent0001"
WORDS = {"title": "家长会", "sender": "三年级2班 林静", "time": "2026-11-22 16:00"}
FIELDS = {"title": "thing1", "sender": "thing2", "time": "time3"}


@dataclass
class World:
    """One account's template, and the platform behind it."""

    platform: FakePlatform
    clock: FixedClock
    client: WechatClient
    template: NoticeTemplate

    async def send(self, *, key: str = "notice:1:2:1", **words: str) -> str:
        """Send a notice and return its receipt."""
        result = await self.template.send(
            PERSON, WORDS | words, url="http://us.example/p/x", key=key
        )
        return result.receipt


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = FixedClock(NOW)
    platform = FakePlatform(clock, slow_seconds=0)
    platform.add_app("wx1", "secret")
    platform.follow(PERSON)
    client = WechatClient(
        "school1",
        app_id="wx1",
        app_secret="secret",
        api_base="http://platform",
        tokens=MemoryTokens(clock),
        clock=clock,
        http=make_http(httpx2.ASGITransport(make_fake_wechat(platform))),
    )
    template = WechatNoticeTemplate(client, template_id="tpl-1", fields=FIELDS)
    yield World(platform, clock, client, template)
    await client.close()


async def test_the_form_is_filled_in_and_the_receipt_is_proof(world: World) -> None:
    receipt = await world.send()
    (sent,) = world.platform.sent
    assert (sent.kind, sent.recipient, receipt) == ("template", PERSON, "200000001")
    assert sent.payload["template_id"] == "tpl-1"
    assert sent.payload["url"] == "http://us.example/p/x"
    assert sent.payload["data"] == {
        "thing1": {"value": "家长会"},
        "thing2": {"value": "三年级2班 林静"},
        "time3": {"value": "2026-11-22 16:00"},
    }


async def test_a_long_title_is_cut_to_what_the_form_takes(world: World) -> None:
    await world.send(title="关于" + "很" * 40 + "\n长的通知")
    (sent,) = world.platform.sent
    value = sent.payload["data"]["thing1"]["value"]
    assert (len(value), value[-1]) == (20, "…")


async def test_the_same_key_is_one_message_within_ten_minutes(world: World) -> None:
    first = await world.send()
    assert await world.send() == first
    assert await world.send(key="notice:1:3:1") != first
    assert len(world.platform.sent) == 2
    world.clock.advance(minutes=11)
    assert await world.send() != first


async def test_without_a_link_the_form_leads_nowhere(world: World) -> None:
    await world.template.send(PERSON, WORDS, url="", key="k")
    assert "url" not in world.platform.sent[0].payload


async def test_who_does_not_follow_is_never_tried_again(world: World) -> None:
    world.platform.unfollow(PERSON)
    with pytest.raises(ChannelRefused) as refused:
        await world.send()
    assert refused.value.code == "43004"


async def test_a_form_without_an_id_is_refused(world: World) -> None:
    broken = WechatNoticeTemplate(world.client, template_id="", fields=FIELDS)
    with pytest.raises(ChannelRefused) as refused:
        await broken.send(PERSON, WORDS, url="", key="k")
    assert refused.value.code == "40037"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.DOWN, ChannelUnavailable),
        (Fault.HTML, ChannelUnavailable),
        (Fault.TRUNCATED, ChannelUnavailable),
        (Fault.NOT_JSON, ChannelUnavailable),
        (Fault.TOO_MANY, ChannelRateLimited),
    ],
)
async def test_every_failure_is_sorted_and_nothing_counts_as_sent(
    world: World, fault: Fault, error: type[Exception]
) -> None:
    world.platform.fail(PATH, fault)
    with pytest.raises(error) as caught:
        await world.send()
    assert "家长会" not in str(caught.value)
    assert not world.platform.sent
    assert await world.send()


@pytest.mark.parametrize("fault", [Fault.TOKEN_INVALID, Fault.TOKEN_EXPIRED])
async def test_a_refused_token_costs_one_call_more(world: World, fault: Fault) -> None:
    world.platform.fail(PATH, fault)
    assert await world.send()
    assert world.platform.calls.count(PATH) == 2
    assert len(world.platform.sent) == 1


def test_the_fields_are_read_from_the_settings() -> None:
    assert parse_fields("title=thing1,sender=thing2,time=time3") == FIELDS
    assert parse_fields(" title = thing9 ") == {"title": "thing9"}


@pytest.mark.parametrize(
    "setting", ["", "title", "title=", "body=thing1", "title=thing1;x", "title=标题"]
)
def test_fields_that_make_no_sense_are_named(setting: str) -> None:
    with pytest.raises(ValueError, match="title=FIELD"):
        parse_fields(setting)

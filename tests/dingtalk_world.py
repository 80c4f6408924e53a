"""A DingTalk robot with its client, its driver and the fake platform, for the channel's tests."""

import asyncio
import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from bot.channels.dingtalk.channel import DingtalkChannel
from bot.channels.dingtalk.client import DingtalkClient
from bot.channels.http import make_http
from bot.core.clock import FixedClock
from bot.core.messages import IncomingMessage, ReplyTo
from bot.core.ports import CallbackRequest
from bot.services.tokens import MemoryTokens
from bot.simulator.dingtalk_driver import DingtalkCredentials, DingtalkDriver, PreparedPost
from bot.simulator.dingtalk_server import FakeDingtalk, make_fake_dingtalk
from bot.simulator.platform import FakePlatform

APP_KEY, APP_SECRET, ROBOT_CODE = "dingtestappkey000001", "test_app_secret_ABC", "dingrobot01"
TOKEN = "tok_Parent2026"
KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
OLD_KEY = base64.b64encode(bytes(range(1, 33))).decode().rstrip("=")
STAMP = 1767225600
NOW = datetime.fromtimestamp(STAMP, UTC)
PERSON, GROUP = "u001", "cidA=="
PAYLOADS = Path(__file__).parent / "channels" / "dingtalk" / "payloads"
CREDENTIALS = DingtalkCredentials("school1", APP_KEY, APP_SECRET, ROBOT_CODE, TOKEN, KEY)


async def no_sleep(_seconds: float) -> None:
    await asyncio.sleep(0)


class World:
    """Everything around one robot.

    Args:
        base: where the platform listens; the default stays inside the process.
    """

    def __init__(
        self,
        *,
        clock: FixedClock | None = None,
        base: str = "http://fake",
        calls_per_month: int | None = None,
        previous: str = "",
        names: tuple[str, ...] = (),
    ) -> None:
        self.clock = clock or FixedClock(NOW)
        self.platform = FakePlatform(self.clock, slow_seconds=0)
        self.dingtalk = FakeDingtalk(self.platform, calls_per_month=calls_per_month)
        self.dingtalk.add_robot(APP_KEY, APP_SECRET, ROBOT_CODE)
        self.dingtalk.groups.add(GROUP)
        self.app = make_fake_dingtalk(self.dingtalk)
        self.spent: list[str] = []
        self.client = self.make_client(base)
        self.channel = DingtalkChannel(
            "school1",
            app_key=APP_KEY,
            app_secret=APP_SECRET,
            client=self.client,
            clock=self.clock,
            token=TOKEN,
            aes_key=KEY,
            previous_aes_key=previous,
            robot_names=names,
        )
        self.driver = DingtalkDriver(
            "http://house",
            CREDENTIALS,
            clock=self.clock,
            dingtalk=self.dingtalk,
            webhook_base=base,
        )

    def make_client(self, base: str, *, secret: str = APP_SECRET) -> DingtalkClient:
        inside = base == "http://fake"
        return DingtalkClient(
            "school1",
            app_key=APP_KEY,
            app_secret=secret,
            robot_code=ROBOT_CODE,
            api_base=base,
            oapi_base=base,
            tokens=MemoryTokens(self.clock),
            clock=self.clock,
            http=make_http(httpx2.ASGITransport(self.app) if inside else None),
            on_call=self.spent.append,
            sleep=no_sleep,
        )

    async def close(self) -> None:
        await self.channel.close()
        await self.driver.close()


def as_request(prepared: PreparedPost) -> CallbackRequest:
    query = parse_qs(urlsplit(prepared.url).query, keep_blank_values=True)
    return CallbackRequest(query, prepared.headers, prepared.body)


def reply_to(message: IncomingMessage) -> ReplyTo:
    """Return where a message is answered."""
    return ReplyTo(message.sender, message.group, message.return_address, message.return_until)


def payload(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded

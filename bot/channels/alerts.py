"""Group webhooks that wake the people on duty: the WeCom group robot and DingTalk's custom robot.

An alert says where to look, never what a parent wrote. Both robots take 20 messages a minute (the
lane keeps to that); DingTalk then blocks for ten minutes. Built by wiring, called by delivery.

Source: developer.work.weixin.qq.com/document/path/99110; open.dingtalk.com,
`custom-robots-send-group-messages` and `customize-robot-security-settings`.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2

from bot.channels.dingtalk.channel import sign_robot
from bot.channels.dingtalk.errors import sort_number
from bot.channels.http import error_code, post_json
from bot.channels.words import fit
from bot.core.clock import Clock, epoch_ms
from bot.core.errors import (
    ChannelError,
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
    ConfigInvalid,
)
from bot.core.ports import AlertSender, SendResult

# WeCom's errcode → how long the robot is closed.
WECOM_WAITS = {45009: timedelta(minutes=1), 45033: timedelta(seconds=10)}
BUSY = -1
# The custom robot's calls are billed to its organisation too.
Spent = Callable[[str], object]


class WecomWebhook:
    """A WeCom group robot.

    Args:
        name: the configured name.
        url: the robot's address with its key.
        http: owned by this sender from now on.
    """

    def __init__(self, name: str, url: str, *, http: httpx2.AsyncClient, clock: Clock) -> None:
        self.name = name
        self._url = _checked(url, name)
        self._http = http
        self._clock = clock

    async def send(self, text: str, *, mention_all: bool, key: str) -> SendResult:
        """Post one alert; the robot knows no idempotency key."""
        body: dict[str, Any] = {"content": fit(text)}
        if mention_all:
            body["mentioned_list"] = ["@all"]
        answer = await post_json(
            self._http,
            self._url,
            {"msgtype": "text", "text": body},
            what="webhook/send",
            clock=self._clock,
        )
        if code := error_code(answer, what="webhook/send"):
            raise _wecom_error(code, "webhook/send", self._clock)
        return SendResult()

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()


class DingtalkWebhook:
    """A DingTalk custom robot.

    Args:
        name: the configured name.
        url: the robot's address with its access token.
        secret: `SEC…`; empty when the robot is secured by keyword or address instead.
        http: owned by this sender from now on.
        on_call: told of every call.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        secret: str,
        http: httpx2.AsyncClient,
        clock: Clock,
        on_call: Spent | None = None,
    ) -> None:
        self.name = name
        self._url = _checked(url, name)
        self._secret = secret
        self._http = http
        self._clock = clock
        self._on_call = on_call

    async def send(self, text: str, *, mention_all: bool, key: str) -> SendResult:
        """Post one alert; the same key within the platform's memory is posted once."""
        address = httpx2.URL(self._url)
        if self._secret:
            now = str(epoch_ms(self._clock.now()))
            signature = sign_robot(self._secret, now)
            address = address.copy_merge_params({"timestamp": now, "sign": signature})
        if self._on_call is not None:
            self._on_call("robot/send")
        answer = await post_json(
            self._http,
            str(address),
            {
                "msgtype": "text",
                "text": {"content": fit(text)},
                "at": {"isAtAll": mention_all},
                "msgUuid": key,
            },
            what="robot/send",
            clock=self._clock,
        )
        if code := error_code(answer, what="robot/send"):
            raise sort_number(code, "robot/send", self._clock)
        return SendResult()

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()


def make_alert_sender(
    name: str,
    *,
    kind: str,
    url: str,
    secret: str,
    http: httpx2.AsyncClient,
    clock: Clock,
    on_call: Spent | None = None,
) -> AlertSender:
    """Return the sender for one configured webhook (`wecom` or `dingtalk`)."""
    if kind == "wecom":
        return WecomWebhook(name, url, http=http, clock=clock)
    if kind == "dingtalk":
        return DingtalkWebhook(name, url, secret=secret, http=http, clock=clock, on_call=on_call)
    raise ConfigInvalid(f"XINQING_ALERT__{name.upper()}__KIND: unknown kind")


def _checked(url: str, name: str) -> str:
    try:
        address = httpx2.URL(url)
    except httpx2.InvalidURL:
        address = httpx2.URL("")
    if address.scheme not in ("http", "https") or not address.host:
        raise ConfigInvalid(f"XINQING_ALERT__{name.upper()}__URL: not an address")
    return url


def _wecom_error(code: int, what: str, clock: Clock) -> ChannelError:
    text = f"{what}: errcode {code}"
    if code in WECOM_WAITS:
        retry_at = clock.now() + WECOM_WAITS[code]
        return ChannelRateLimited(text, retry_at=retry_at, code=str(code))
    if code == BUSY:
        return ChannelUnavailable(text, code=str(code))
    return ChannelRefused(text, code=str(code))

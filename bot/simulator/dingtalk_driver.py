"""Plays people in DingTalk: writes to the robot 1:1 or in a group, over HTTP or over Stream.

Signatures are made here anew, not with `bot.channels`, so that a mistake in one of them shows.
What the service says comes back through the fake platform. Used by tests and the simulator.
"""

import base64
import hashlib
import hmac
import itertools
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx2
from wechatpy.crypto import PrpCrypto

from bot.core.clock import Clock, epoch_ms
from bot.simulator.dingtalk_server import FakeDingtalk

QUOTA_CODE = "20001"


@dataclass(frozen=True, slots=True)
class DingtalkCredentials:
    """What the console shows for one robot."""

    robot: str
    app_key: str
    app_secret: str = field(repr=False)
    robot_code: str = "dingrobot01"
    token: str = field(default="", repr=False)
    aes_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class PreparedPost:
    """A callback that can be posted any number of times."""

    url: str
    headers: dict[str, str]
    body: bytes


class DingtalkDriver:
    """Speaks as DingTalk to one robot's callback address, or through the fake gateway.

    Args:
        base_url: where the service listens.
        dingtalk: the fake platform; makes session webhooks and carries Stream.
        webhook_base: the address that session webhooks start with (the service's `OAPI_BASE`).
        transport: an `ASGITransport` to stay inside the process.
    """

    def __init__(
        self,
        base_url: str,
        credentials: DingtalkCredentials,
        *,
        clock: Clock,
        dingtalk: FakeDingtalk,
        webhook_base: str = "https://oapi.dingtalk.com",
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.credentials = credentials
        self._address = f"{base_url.rstrip('/')}/callbacks/dingtalk/{credentials.robot}"
        self._clock = clock
        self._dingtalk = dingtalk
        self._webhook_base = webhook_base
        self._ids = itertools.count(secrets.randbelow(2**40))
        self._http = httpx2.AsyncClient(transport=transport, timeout=None, trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # What people do -----------------------------------------------------------------------------

    async def say(self, person: str, text: str, *, group: str = "") -> httpx2.Response:
        """Write over HTTP; return the raw answer to the callback."""
        return await self.post(self.prepare(person, text, group=group))

    async def say_stream(self, person: str, text: str, *, group: str = "") -> str:
        """Write over Stream; return the frame's id."""
        message = self.message(person, text, group=group)
        return await self._dingtalk.gateway.push(self.credentials.app_key, message)

    # Callbacks ----------------------------------------------------------------------------------

    def message(
        self,
        person: str,
        words: str = "",
        *,
        group: str = "",
        at: datetime | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Make a robot message; `fields` replace its own, None takes one away."""
        now = at or self._clock.now()
        webhook, ends = self._dingtalk.open_session(group or person, self._webhook_base)
        if not person.startswith("$:"):
            self._dingtalk.platform.follow(person)
        made: dict[str, Any] = {
            "conversationId": group or f"cid-{person}",
            "conversationType": "2" if group else "1",
            "chatbotCorpId": "dingcorp",
            "chatbotUserId": "$:LWCP_v1:$bot",
            "msgId": f"msg{next(self._ids)}",
            "msgtype": "text",
            "text": {"content": words},
            "senderId": f"$:LWCP_v1:${person}",
            "senderStaffId": None if person.startswith("$:") else person,
            "senderCorpId": "dingcorp",
            "isAdmin": False,
            "createAt": epoch_ms(now),
            "sessionWebhook": webhook,
            "sessionWebhookExpiredTime": ends,
            "robotCode": self.credentials.robot_code,
            **(fields or {}),
        }
        return {name: value for name, value in made.items() if value is not None}

    def exhausted(self, person: str, *, group: str = "") -> dict[str, Any]:
        """Make the message that comes once the month's quota is used up: without words."""
        quota = {"errorCode": QUOTA_CODE, "errorMessage": "quota", "text": None, "msgtype": None}
        return self.message(person, group=group, fields=quota)

    def prepare(
        self, person: str, text: str, *, group: str = "", at: datetime | None = None
    ) -> PreparedPost:
        """Make a signed text callback."""
        return self.wrap(self.message(person, text, group=group, at=at), at=at)

    def wrap(self, message: dict[str, Any], *, at: datetime | None = None) -> PreparedPost:
        """Sign a message as robot callbacks are signed: over the time only."""
        stamp = str(epoch_ms(at or self._clock.now()))
        secret = self.credentials.app_secret
        digest = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
        headers = {
            "timestamp": stamp,
            "sign": base64.b64encode(digest).decode(),
            "content-type": "application/json; charset=utf-8",
        }
        body = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return PreparedPost(self._address, headers, body)

    def prepare_event(self, data: dict[str, Any]) -> PreparedPost:
        """Make an encrypted event push."""
        credentials = self.credentials
        crypto = PrpCrypto(base64.b64decode(credentials.aes_key + "="))
        encrypt = crypto.encrypt(json.dumps(data), credentials.app_key).decode()
        stamp, nonce = str(epoch_ms(self._clock.now())), secrets.token_hex(4)
        parts = "".join(sorted([credentials.token, stamp, nonce, encrypt]))
        signature = hashlib.sha1(parts.encode()).hexdigest()
        url = f"{self._address}?signature={signature}&timestamp={stamp}&nonce={nonce}"
        headers = {"content-type": "application/json"}
        return PreparedPost(url, headers, json.dumps({"encrypt": encrypt}).encode())

    def read_event_answer(self, body: str) -> str:
        """Decrypt the answer to an event push as the platform does; it wants `success`."""
        answer = json.loads(body)
        parts = sorted(
            [self.credentials.token, answer["timeStamp"], answer["nonce"], answer["encrypt"]]
        )
        if hashlib.sha1("".join(parts).encode()).hexdigest() != answer["msg_signature"]:
            raise ValueError("wrong signature")
        crypto = PrpCrypto(base64.b64decode(self.credentials.aes_key + "="))
        plain = crypto.decrypt(answer["encrypt"], self.credentials.app_key)
        return plain.decode() if isinstance(plain, bytes) else str(plain)

    async def post(self, prepared: PreparedPost) -> httpx2.Response:
        """Post a callback once."""
        return await self._http.post(prepared.url, content=prepared.body, headers=prepared.headers)

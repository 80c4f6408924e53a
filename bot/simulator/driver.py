"""Plays WeChat's callback side: makes signed callbacks, posts them, redelivers, reads the answers.

It is written against wechatpy, not against `bot.channels`, so that a mistake made in one of them
shows. Used by tests, by the simulator page and by `xinqing bench callbacks`.
"""

import asyncio
import base64
import itertools
import secrets
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

import httpx2
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from wechatpy.crypto import PrpCrypto, WeChatCrypto
from wechatpy.exceptions import WeChatException
from wechatpy.utils import WeChatSigner

from bot.core.clock import Clock
from bot.simulator.platform import FakePlatform

GIVE_UP_SECONDS = 5.0
DELIVERIES = 4


class ServiceBroken(Exception):
    """What a parent sees as 「该公众号暂时无法提供服务」: no answer, or one WeChat can't read.

    Args:
        status: the HTTP status, 0 when there was no answer in time.
    """

    def __init__(self, reason: str, *, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class WechatCredentials:
    """What the console shows for one account; `mode` is plain, compat or safe."""

    account: str
    app_id: str
    token: str = field(repr=False)
    encoding_aes_key: str = field(default="", repr=False)
    mode: str = "safe"
    gh_id: str = "gh_xinqing_demo"


@dataclass(frozen=True, slots=True)
class PreparedCallback:
    """A callback that can be posted any number of times."""

    url: str
    body: bytes


class WechatDriver:
    """Speaks as WeChat to one account's callback address.

    Args:
        base_url: where the service listens (`http://127.0.0.1:8600`).
        transport: an `ASGITransport` to stay inside the process.
        platform: told about every message, so that its 48-hour window opens.
        give_up_seconds: after this long the connection is dropped and the callback sent again.
    """

    def __init__(
        self,
        base_url: str,
        credentials: WechatCredentials,
        *,
        clock: Clock,
        transport: httpx2.AsyncBaseTransport | None = None,
        platform: FakePlatform | None = None,
        give_up_seconds: float = GIVE_UP_SECONDS,
    ) -> None:
        self.credentials = credentials
        self._address = f"{base_url.rstrip('/')}/callbacks/wechat/{credentials.account}"
        self._clock = clock
        self._platform = platform
        self._give_up = give_up_seconds
        self._ids = itertools.count(secrets.randbelow(2**62))
        self._http = httpx2.AsyncClient(transport=transport, timeout=None, trust_env=False)
        self._crypto: PrpCrypto | None = None
        if credentials.encoding_aes_key:
            self._crypto = PrpCrypto(base64.b64decode(credentials.encoding_aes_key + "="))

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # What people do -----------------------------------------------------------------------------

    async def say(self, openid: str, text: str) -> str | None:
        """Send words; return the passive answer, None for a bare acknowledgement."""
        return await self._act(openid, self.prepare(openid, text))

    async def speak(self, openid: str, recognition: str | None) -> str | None:
        """Send a voice note, with what the platform recognised."""
        fields = {"MediaId": secrets.token_hex(16), "Format": "amr"}
        if recognition is not None:
            fields["Recognition"] = recognition
        return await self._act(openid, self.prepare_message(openid, "voice", fields))

    async def show(self, openid: str) -> str | None:
        """Send a picture."""
        fields = {"PicUrl": "http://mmbiz.qpic.cn/0", "MediaId": secrets.token_hex(16)}
        return await self._act(openid, self.prepare_message(openid, "image", fields))

    async def follow(self, openid: str, scene: str = "") -> str | None:
        """Follow the account, by a QR code when there is a scene."""
        key = f"qrscene_{scene}" if scene else ""
        return await self._act(openid, self.prepare_event(openid, "subscribe", key))

    async def unfollow(self, openid: str) -> str | None:
        """Leave the account."""
        answer = await self.deliver(self.prepare_event(openid, "unsubscribe"))
        if self._platform is not None:
            self._platform.unfollow(openid)
        return answer

    async def scan(self, openid: str, scene: str) -> str | None:
        """Scan a QR code as somebody who follows already."""
        return await self._act(openid, self.prepare_event(openid, "SCAN", scene))

    async def press(self, openid: str, key: str) -> str | None:
        """Press a menu button."""
        return await self._act(openid, self.prepare_event(openid, "CLICK", key))

    async def _act(self, openid: str, prepared: PreparedCallback) -> str | None:
        if self._platform is not None:
            self._platform.wrote(openid)
        return await self.deliver(prepared)

    # Callbacks ----------------------------------------------------------------------------------

    def prepare(
        self, openid: str, text: str, *, message_id: str = "", at: datetime | None = None
    ) -> PreparedCallback:
        """Make a text callback ahead of time."""
        return self.prepare_message(openid, "text", {"Content": text}, message_id, at)

    def prepare_message(
        self,
        openid: str,
        kind: str,
        fields: Mapping[str, str],
        message_id: str = "",
        at: datetime | None = None,
    ) -> PreparedCallback:
        """Make a callback for any message type."""
        number = {"MsgId": message_id or str(next(self._ids))}
        return self._prepare(openid, {"MsgType": kind, **fields, **number}, at)

    def prepare_event(
        self,
        openid: str,
        event: str,
        key: str = "",
        more: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> PreparedCallback:
        """Make an event callback; events have no MsgId."""
        return self._prepare(
            openid, {"MsgType": "event", "Event": event, "EventKey": key, **(more or {})}, at
        )

    def _prepare(
        self, openid: str, fields: Mapping[str, str], at: datetime | None
    ) -> PreparedCallback:
        created = str(int((at or self._clock.now()).timestamp()))
        inner = {
            "ToUserName": self.credentials.gh_id,
            "FromUserName": openid,
            "CreateTime": created,
            **fields,
        }
        return self.wrap(_to_xml(inner), inner, created, openid)

    def wrap(
        self, message: str, inner: Mapping[str, str], timestamp: str, openid: str
    ) -> PreparedCallback:
        """Put a message into the account's mode and sign it.

        Args:
            message: the XML that gets encrypted.
            inner: its fields, which compat mode shows in the clear as well.
        """
        nonce = str(secrets.randbelow(10**9))
        query = {
            "signature": self._sign(timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
            "openid": openid,
        }
        body = message
        if self.credentials.mode != "plain":
            assert self._crypto is not None, "this mode needs a key"
            # "surrogatepass": half an emoji is among the things that people send.
            raw = message.encode("utf-8", "surrogatepass")
            encrypt = self._crypto.encrypt(raw, self.credentials.app_id).decode()
            query |= {
                "encrypt_type": "aes",
                "msg_signature": self._sign(timestamp, nonce, encrypt),
            }
            shown = inner if self.credentials.mode == "compat" else {}
            body = _to_xml({"ToUserName": self.credentials.gh_id, **shown, "Encrypt": encrypt})
        return PreparedCallback(
            f"{self._address}?{urlencode(query)}", body.encode("utf-8", "surrogatepass")
        )

    # Delivery -----------------------------------------------------------------------------------

    async def check_address(self, echo: str = "4293741829341") -> str:
        """Do the console's address check; return what came back."""
        timestamp, nonce = str(int(self._clock.now().timestamp())), "1372623149"
        query = {
            "signature": self._sign(timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
            "echostr": echo,
        }
        response = await self._http.get(f"{self._address}?{urlencode(query)}")
        return response.text

    async def post(self, prepared: PreparedCallback) -> httpx2.Response:
        """Post a callback once and return the raw answer."""
        headers = {"Content-Type": "text/xml"}
        return await self._http.post(prepared.url, content=prepared.body, headers=headers)

    async def deliver(self, prepared: PreparedCallback, *, times: int = DELIVERIES) -> str | None:
        """Post a callback as the platform does: drop it after five seconds and send it again.

        Raises:
            ServiceBroken: no answer to any delivery, or an answer that WeChat can't show.
        """
        for _ in range(times):
            try:
                async with asyncio.timeout(self._give_up):
                    response = await self.post(prepared)
            except (TimeoutError, httpx2.TransportError):
                continue
            return self.read_answer(response)
        raise ServiceBroken("no answer in time")

    async def deliver_together(
        self, prepared: Iterable[PreparedCallback]
    ) -> Sequence[str | BaseException | None]:
        """Deliver many at once, or the same one several times; errors come back as values."""
        return await asyncio.gather(
            *(self.deliver(one) for one in prepared), return_exceptions=True
        )

    def read_answer(self, response: httpx2.Response) -> str | None:
        """Return the words of an answer, None for an acknowledgement.

        Raises:
            ServiceBroken: anything else, such as a plaintext answer in safe mode.
        """
        if response.status_code != 200:
            raise ServiceBroken("error page", status=response.status_code)
        text = response.text
        if text in ("", "success"):
            return None
        try:
            fields = {item.tag: item.text or "" for item in fromstring(text)}
            if "Encrypt" in fields:
                text = self._decrypt(text, fields)
                fields = {item.tag: item.text or "" for item in fromstring(text)}
            elif self.credentials.mode == "safe":
                raise ServiceBroken("plaintext answer in safe mode", status=200)
            return fields["Content"]
        except (
            DefusedXmlException,
            IndexError,
            KeyError,
            ParseError,
            ValueError,
            WeChatException,
            struct.error,
        ):
            raise ServiceBroken("unreadable answer", status=200) from None

    def _decrypt(self, text: str, fields: Mapping[str, str]) -> str:
        crypto = WeChatCrypto(
            self.credentials.token, self.credentials.encoding_aes_key, self.credentials.app_id
        )
        decrypted: str = crypto.decrypt_message(
            text, fields["MsgSignature"], fields["TimeStamp"], fields["Nonce"]
        )
        return decrypted

    def _sign(self, *parts: str) -> str:
        signer = WeChatSigner()
        signer.add_data(self.credentials.token, *parts)
        signature: str = signer.signature
        return signature


def _to_xml(fields: Mapping[str, str]) -> str:
    root = Element("xml")
    for name, value in fields.items():
        SubElement(root, name).text = value
    return tostring(root, encoding="unicode")

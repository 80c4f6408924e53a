"""A DingTalk robot for the suite of every channel: over HTTP, over Stream, and the event pushes."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from channel_cases import ACCOUNT, GROUP_NAME, NAME, Target, Way, with_header, with_query, wrong
from dingtalk_world import (
    APP_KEY,
    APP_SECRET,
    GROUP,
    KEY,
    PERSON,
    ROBOT_CODE,
    TOKEN,
    World,
    as_request,
    reply_to,
)
from wechatpy.crypto import PrpCrypto

from bot.channels.dingtalk.channel import sign_robot
from bot.channels.dingtalk.stream import MESSAGES, StreamClient
from bot.channels.envelope import sign
from bot.core.clock import FixedClock, epoch_ms
from bot.core.errors import CallbackMalformed
from bot.core.messages import IncomingMessage, ReplyTo
from bot.core.ports import CallbackRequest
from bot.wiring import House

API, SESSION = "/v1.0/robot", "/robot/sendBySession"
OTHER_SECRET = "secret_of_another_robot"


class DingtalkHttp(Way):
    """Robot messages over HTTP: a signature in the headers, over the time only."""

    name = "dingtalk-http"
    person, stranger = PERSON, "nobody"
    outsider, group = "$:LWCP_v1:$s1", GROUP
    window: ClassVar[timedelta | None] = timedelta(minutes=5)
    covers_body = False
    secrets = (APP_SECRET, TOKEN, KEY, "session=")
    stream: ClassVar[bool] = False

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.world = World(clock=clock)
        self.channel, self.platform = self.world.channel, self.world.platform
        self.app = self.world.app

    def call(
        self, text: str, *, person: str = "", group: str = "", at: datetime | None = None
    ) -> CallbackRequest:
        return self._wrap(self._message(person or self.person, text, group=group, at=at), at)

    def strange(self, text: str) -> CallbackRequest:
        deep = {"body": {"parts": [{"label": text}], "style": "bold"}}
        fields = {"msgtype": "holographic", "text": None, "content": deep}
        return self._wrap(self._message(self.person, "", fields=fields))

    def forged(self, call: CallbackRequest) -> Mapping[str, CallbackRequest]:
        signature, stamp = call.headers["sign"], call.headers["timestamp"]
        return {
            "wrong": with_header(call, "sign", wrong(signature)),
            "empty": with_header(call, "sign", ""),
            "missing": with_header(call, "sign", None),
            "doubled": with_header(call, "sign", f"{signature}, {signature}"),
            "not ASCII": with_header(call, "sign", "é"),
            "another time": with_header(call, "timestamp", wrong(stamp)),
            "time twice": with_header(call, "timestamp", f"{stamp}, {stamp}"),
            "no time": with_header(call, "timestamp", None),
            "in the address": CallbackRequest(
                {"sign": [signature], "timestamp": [stamp]}, {}, call.body
            ),
            "another account": with_header(call, "sign", sign_robot(OTHER_SECRET, stamp)),
            "nothing": CallbackRequest({}, {}, call.body),
        }

    def broken(self) -> Mapping[str, CallbackRequest]:
        whole = json.dumps(self._message(self.person, "想死"), ensure_ascii=False).encode()
        bodies = {
            "nothing": b"",
            "no JSON": "想死".encode(),
            "cut off": whole[:-20],
            "no object": b"[1]",
            "no author": whole.replace(b'"sender', b'"somebody'),
            "no id": whole.replace(b'"msgId"', b'"id"'),
            "an id of NUL": whole.replace(b'"senderStaffId"', b'"x"').replace(
                b'"senderId": "', b'"senderId": "\\u0000", "y": "'
            ),
            "nested": b'{"a":' * 100_000,
            "a list without end": b"[" * 100_000,
            "a number without end": b"9" * 100_000,
            "no encoding": b"\xff\xfe\x00",
        }
        return {name: self._raw(body) for name, body in bodies.items()}

    def settings(self) -> dict[str, Any]:
        robot = {
            "app_key": APP_KEY,
            "app_secret": APP_SECRET,
            "robot_code": ROBOT_CODE,
            "token": TOKEN,
            "aes_key": KEY,
            "api_base": "http://fake",
            "oapi_base": "http://fake",
            "stream": self.stream,
        }
        return {"wechat": {}, "dingtalk": {ACCOUNT: robot}}

    def targets(self) -> Mapping[str, Target]:
        self.platform.follow(self.person)
        alone, together = self._return_to(""), self._return_to(self.group)
        person, group = ReplyTo(self.person), ReplyTo(self.person, self.group)
        return {
            "person": Target(person, f"{API}/oToMessages/batchSend", self.person),
            "group": Target(group, f"{API}/groupMessages/send", self.group),
            "where the person wrote": Target(alone, SESSION, self.person),
            "where the group wrote": Target(together, SESSION, self.group),
        }

    def _return_to(self, group: str) -> ReplyTo:
        prepared = self.world.driver.prepare(self.person, "你好", group=group)
        return reply_to(self.world.channel.parse(as_request(prepared)))

    def _message(
        self,
        person: str,
        text: str,
        *,
        group: str = "",
        at: datetime | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        named = {"senderNick": NAME, "conversationTitle": GROUP_NAME if group else None}
        return self.world.driver.message(
            person, text, group=group, at=at, fields={**named, **(fields or {})}
        )

    def _wrap(self, message: dict[str, Any], at: datetime | None = None) -> CallbackRequest:
        return as_request(self.world.driver.wrap(message, at=at))

    def _raw(self, body: bytes) -> CallbackRequest:
        return replace(self.call(""), body=body)

    async def close(self) -> None:
        await self.world.close()


class DingtalkStream(DingtalkHttp):
    """The same over a websocket that this side opened with its secret: no signature, no window."""

    name = "dingtalk-stream"
    window = None
    covers_body = True
    http, stream = False, True

    def __init__(self, clock: FixedClock) -> None:
        super().__init__(clock)
        self._line: Line | None = None

    def forged(self, call: CallbackRequest) -> Mapping[str, CallbackRequest]:
        return {}

    async def arrive(self, call: CallbackRequest) -> IncomingMessage:
        taken: list[IncomingMessage] = []

        async def accept(message: IncomingMessage) -> None:
            taken.append(message)

        client = StreamClient(ACCOUNT, client=self.world.client, accept=accept, clock=self.clock)
        line = Line(client)
        code = await line.push(call.body)
        await line.hang_up()
        if code == 400:
            raise CallbackMalformed("the frame was refused")
        (message,) = taken
        return message

    async def deliver(self, house: House, call: CallbackRequest) -> tuple[int, str]:
        if self._line is None:
            self._line = Line(house.streams[ACCOUNT])
        return await self._line.push(call.body), ""

    async def close(self) -> None:
        if self._line is not None:
            await self._line.hang_up()
        await super().close()

    def _wrap(self, message: dict[str, Any], at: datetime | None = None) -> CallbackRequest:
        return self._raw(json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass"))

    def _raw(self, body: bytes) -> CallbackRequest:
        data = body.decode("utf-8", "replace" if b"\xff" in body else "surrogatepass")
        headers = {"messageId": "frame", "topic": MESSAGES}
        frame = {"specVersion": "1.0", "type": "CALLBACK", "headers": headers, "data": data}
        return CallbackRequest(
            {}, {}, json.dumps(frame, ensure_ascii=False).encode("utf-8", "surrogatepass")
        )


class Line:
    """A Stream connection without a network: the websocket's other end is this object."""

    def __init__(self, client: StreamClient) -> None:
        self._client = client
        self._inbound: asyncio.Queue[str] = asyncio.Queue()
        self._codes: dict[str, asyncio.Future[int]] = {}
        self._running: asyncio.Task[None] | None = None
        client._connect, client._sleep = self._open, self._never

    async def push(self, frame: bytes) -> int:
        """Send a frame under an id of its own; return the code of its acknowledgement."""
        if self._running is None:
            self._running = asyncio.create_task(self._client.run())
        number = f"frame-{len(self._codes)}"
        self._codes[number] = asyncio.get_running_loop().create_future()
        text = frame.decode("utf-8", "surrogatepass")
        self._inbound.put_nowait(text.replace('"frame"', f'"{number}"', 1))
        return await self._codes[number]

    async def hang_up(self) -> None:
        """Stop the client."""
        await self._client.stop()
        if self._running is not None:
            await self._running

    async def recv(self) -> str:
        return await self._inbound.get()

    async def send(self, message: str) -> None:
        ack = json.loads(message)
        self._codes[ack["headers"]["messageId"]].set_result(ack["code"])

    async def close(self) -> None:
        return

    async def _open(self, _address: str) -> "Line":
        return self

    async def _never(self, _seconds: float) -> None:
        await asyncio.Event().wait()


class DingtalkEvents(DingtalkHttp):
    """The event subscription: encrypted, and nobody's words."""

    name = "dingtalk-events"
    speaks = False
    window = None
    covers_body = True

    def call(
        self, text: str, *, person: str = "", group: str = "", at: datetime | None = None
    ) -> CallbackRequest:
        data = {"EventType": "edu_user_insert", "eventId": text, "name": NAME, "userid": "p1"}
        return as_request(self.world.driver.prepare_event(data))

    def forged(self, call: CallbackRequest) -> Mapping[str, CallbackRequest]:
        (signature,), (stamp,) = call.query["signature"], call.query["timestamp"]
        return {
            "wrong": with_query(call, "signature", [wrong(signature)]),
            "empty": with_query(call, "signature", [""]),
            "missing": with_query(call, "signature", []),
            "doubled": with_query(call, "signature", [signature, signature]),
            "not ASCII": with_query(call, "signature", ["签" * 40]),
            "another time": with_query(call, "timestamp", [wrong(stamp)]),
            "no nonce": with_query(call, "nonce", []),
            "another account": self._sealed("{}", app_key="dinganother"),
            "another token": self._sealed("{}", token="tok_of_another"),
            "nothing": CallbackRequest({}, {}, call.body),
        }

    def broken(self) -> Mapping[str, CallbackRequest]:
        texts = {"nothing": "", "no JSON": "想死", "no object": "[1]", "nested": '{"a":' * 100_000}
        return {name: self._sealed(text) for name, text in texts.items()}

    def _sealed(self, text: str, *, token: str = TOKEN, app_key: str = APP_KEY) -> CallbackRequest:
        encrypt = PrpCrypto(base64.b64decode(KEY + "=")).encrypt(text, app_key).decode()
        stamp, nonce = str(epoch_ms(self.clock.now())), "7"
        signature = sign(token, stamp, nonce, encrypt)
        query = {"signature": [signature], "timestamp": [stamp], "nonce": [nonce]}
        return CallbackRequest(query, {}, json.dumps({"encrypt": encrypt}).encode())


WAYS = [DingtalkHttp, DingtalkStream, DingtalkEvents]

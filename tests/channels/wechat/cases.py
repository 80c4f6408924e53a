"""The WeChat service account for the suite of every channel, in the console's three modes."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import httpx2
from channel_cases import ACCOUNT, Target, Way, with_query, wrong

from bot.channels.http import make_http
from bot.channels.wechat.channel import WechatChannel
from bot.channels.wechat.client import WechatClient
from bot.core.clock import FixedClock
from bot.core.messages import ReplyTo
from bot.core.ports import CallbackAnswer, CallbackRequest
from bot.services.tokens import MemoryTokens
from bot.simulator.driver import PreparedCallback, WechatCredentials, WechatDriver
from bot.simulator.platform import FakePlatform
from bot.simulator.wechat_server import make_fake_wechat

APP_ID, APP_SECRET, TOKEN = "wx0123456789abcdef", "secret-of-the-app", "tok_Parent2026"
KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
GH_ID, SEND = "gh_school001", "/cgi-bin/message/custom/send"
NESTED = "<a>" * 100_000
BOMB = '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><xml>&b;</xml>'


class WechatPlain(Way):
    """Nothing encrypted: the signature covers the time only."""

    name = "wechat-plain"
    mode: ClassVar[str] = "plain"
    person, stranger = "oParent0001", "oStranger"
    window = timedelta(minutes=10)
    covers_body = False
    secrets = (APP_SECRET, TOKEN, KEY)

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.platform = FakePlatform(clock, slow_seconds=0)
        self.platform.add_app(APP_ID, APP_SECRET)
        self.app = make_fake_wechat(self.platform)
        self.channel = WechatChannel(
            ACCOUNT,
            app_id=APP_ID,
            token=TOKEN,
            encoding_aes_key=KEY,
            mode=self.mode,
            client=self._client(),
            clock=clock,
        )
        self._credentials = WechatCredentials(ACCOUNT, APP_ID, TOKEN, KEY, self.mode, gh_id=GH_ID)
        self._driver = self._speaker()

    def call(
        self, text: str, *, person: str = "", group: str = "", at: datetime | None = None
    ) -> CallbackRequest:
        return _request(self._driver.prepare(person or self.person, text, at=at))

    def strange(self, text: str) -> CallbackRequest:
        return _request(
            self._driver.prepare_message(self.person, "hologram", {"Caption": text, "Id": "1"})
        )

    def forged(self, call: CallbackRequest) -> Mapping[str, CallbackRequest]:
        name = "signature" if self.mode == "plain" else "msg_signature"
        ((signature,), (stamp,)) = call.query[name], call.query["timestamp"]
        other = self._speaker(token="tok_of_another").prepare(self.person, "你好")
        return {
            "wrong": with_query(call, name, [wrong(signature)]),
            "empty": with_query(call, name, [""]),
            "missing": with_query(call, name, []),
            "doubled": with_query(call, name, [signature, signature]),
            "not ASCII": with_query(call, name, ["签" * 40]),
            "another time": with_query(call, "timestamp", [wrong(stamp)]),
            "time twice": with_query(call, "timestamp", [stamp, stamp]),
            "no nonce": with_query(call, "nonce", []),
            "another account": _request(other),
            "nothing": CallbackRequest({}, {}, call.body),
        }

    def broken(self) -> Mapping[str, CallbackRequest]:
        whole = (
            f"<xml><ToUserName>{GH_ID}</ToUserName><FromUserName>{self.person}</FromUserName>"
            "<CreateTime>1772413200</CreateTime><MsgType>text</MsgType><Content>想死</Content>"
            "<MsgId>1</MsgId></xml>"
        )
        texts = {
            "nothing": "",
            "no XML": "想死",
            "cut off": whole[:-20],
            "no author": whole.replace("FromUserName", "Somebody"),
            "no id": whole.replace("MsgId", "Id"),
            "no time": whole.replace("1772413200", "soon"),
            "a field twice": whole.replace("<MsgId>", "<MsgId>2</MsgId><MsgId>"),
            "NUL": whole.replace("想死", "&#0;"),
            "half an emoji": whole.replace("想死", "&#xD83D;"),
            "nested": NESTED,
            "an entity bomb": BOMB,
            "a file": BOMB.replace('"aaaaaaaaaa"', 'SYSTEM "file:///etc/passwd"'),
        }
        return {name: self._sealed(text) for name, text in texts.items()}

    def settings(self) -> dict[str, Any]:
        account = {
            "app_id": APP_ID,
            "app_secret": APP_SECRET,
            "token": TOKEN,
            "encoding_aes_key": KEY,
            "mode": self.mode,
            "api_base": "http://platform",
        }
        return {"wechat": {ACCOUNT: account}}

    def targets(self) -> Mapping[str, Target]:
        self.platform.wrote(self.person)
        return {"person": Target(ReplyTo(self.person), SEND, self.person)}

    def read(self, answer: CallbackAnswer) -> str:
        response = httpx2.Response(answer.status, text=answer.body)
        return self._driver.read_answer(response) or "" if answer.status == 200 else ""

    def _sealed(self, text: str) -> CallbackRequest:
        stamp = str(int(self.clock.now().timestamp()))
        return _request(self._driver.wrap(text, {}, stamp, self.person))

    def _speaker(self, **changes: str) -> WechatDriver:
        credentials = replace(self._credentials, **changes)
        nobody = httpx2.MockTransport(lambda _: httpx2.Response(500))
        return WechatDriver("http://house", credentials, clock=self.clock, transport=nobody)

    def _client(self) -> WechatClient:
        return WechatClient(
            ACCOUNT,
            app_id=APP_ID,
            app_secret=APP_SECRET,
            api_base="http://platform",
            tokens=MemoryTokens(self.clock),
            clock=self.clock,
            http=make_http(httpx2.ASGITransport(self.app)),
        )


class WechatCompat(WechatPlain):
    """Both forms in one body: the encrypted one counts."""

    name = "wechat-compat"
    mode = "compat"
    covers_body = True


class WechatSafe(WechatPlain):
    """Encrypted only; a plaintext call is nobody's."""

    name = "wechat-safe"
    mode = "safe"
    covers_body = True

    def forged(self, call: CallbackRequest) -> Mapping[str, CallbackRequest]:
        plain = self._speaker(mode="plain").prepare(self.person, "你好")
        other = self._speaker(app_id="wxffffffffffffffff").prepare(self.person, "你好")
        return {
            **super().forged(call),
            "plaintext": _request(plain),
            "another receive id": _request(other),
        }


WAYS = [WechatPlain, WechatCompat, WechatSafe]


def _request(prepared: PreparedCallback) -> CallbackRequest:
    query = parse_qs(urlsplit(prepared.url).query, keep_blank_values=True)
    return CallbackRequest(query, {"content-type": "text/xml"}, prepared.body)

"""A WeChat account, its channel and its driver, for the channel's tests."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2

from bot.channels.envelope import sign
from bot.channels.wechat.channel import WechatChannel
from bot.channels.wechat.client import WechatClient
from bot.core.clock import FixedClock
from bot.core.messages import IncomingMessage, Reply
from bot.core.ports import CallbackRequest
from bot.services.tokens import MemoryTokens
from bot.simulator.driver import PreparedCallback, WechatCredentials, WechatDriver

TOKEN, APP_ID = "tok_Parent2026", "wx0123456789abcdef"
KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
OLD_KEY = base64.b64encode(bytes(range(1, 33))).decode().rstrip("=")
TIMESTAMP, NONCE = "1767225600", "586720413"
NOW = datetime.fromtimestamp(int(TIMESTAMP), UTC)
PAYLOADS = Path(__file__).parents[2] / "channels" / "wechat" / "payloads"
MODES = ["plain", "compat", "safe"]
NOBODY = httpx2.MockTransport(lambda _: httpx2.Response(500))
ANSWER = Reply("您好，孩子不肯上学……", "answer", "entry:T06-01@1")


def make_channel(
    mode: str = "safe", *, app_id: str = APP_ID, key: str = KEY, previous: str = ""
) -> WechatChannel:
    clock = FixedClock(NOW)
    client = WechatClient(
        "school1",
        app_id=APP_ID,
        app_secret="secret",
        api_base="https://api.invalid",
        tokens=MemoryTokens(clock),
        clock=clock,
        http=httpx2.AsyncClient(transport=NOBODY),
    )
    return WechatChannel(
        "school1",
        app_id=app_id,
        token=TOKEN,
        encoding_aes_key=key,
        mode=mode,
        client=client,
        clock=clock,
        freshness_seconds=600,
        previous_encoding_aes_key=previous,
    )


def make_driver(mode: str = "safe", *, key: str = KEY, app_id: str = APP_ID) -> WechatDriver:
    credentials = WechatCredentials("school1", app_id, TOKEN, key, mode, gh_id="gh_school001")
    return WechatDriver("http://test", credentials, clock=FixedClock(NOW), transport=NOBODY)


def as_request(prepared: PreparedCallback) -> CallbackRequest:
    query = parse_qs(urlsplit(prepared.url).query, keep_blank_values=True)
    return CallbackRequest(query, {}, prepared.body)


def plain_request(body: bytes, *, timestamp: str = TIMESTAMP, **query: str) -> CallbackRequest:
    parameters = {
        "signature": sign(TOKEN, timestamp, NONCE),
        "timestamp": timestamp,
        "nonce": NONCE,
        **query,
    }
    return CallbackRequest({name: [value] for name, value in parameters.items()}, {}, body)


def parse_payload(name: str) -> IncomingMessage:
    return make_channel("plain").parse(plain_request((PAYLOADS / f"{name}.xml").read_bytes()))


def text_xml(content: str, *, message_id: str = "1") -> str:
    return (
        "<xml><ToUserName>gh_school001</ToUserName><FromUserName>oParent0001</FromUserName>"
        f"<CreateTime>{TIMESTAMP}</CreateTime><MsgType>text</MsgType>"
        f"<Content><![CDATA[{content}]]></Content><MsgId>{message_id}</MsgId></xml>"
    )

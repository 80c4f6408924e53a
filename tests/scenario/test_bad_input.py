"""Bad input over the real route: the right status, nothing lost, and no word of it in the logs."""

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from urllib.parse import urlencode

import httpx2
import pytest
from factories import ACCOUNT
from house import (
    AES_KEY,
    APP_ID,
    CALM,
    CREDENTIALS,
    DANGER,
    DISTRICT_GROUP,
    PARENT,
    TOKEN,
    Home,
    Houses,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wechatpy.crypto import PrpCrypto

from bot.channels.envelope import sign
from bot.db.models import Alarm
from bot.simulator.driver import PreparedCallback, ServiceBroken, WechatCredentials, WechatDriver

SECRET = "这是只有我知道的一句话 13800000000"
MAX_BODY = 1024 * 1024
Logged = Callable[[], str]


def other_driver(home: Home, credentials: WechatCredentials) -> WechatDriver:
    """Return somebody who speaks to the same address with other credentials."""
    transport = httpx2.ASGITransport(home.app)
    return WechatDriver("http://house", credentials, clock=home.clock, transport=transport)


def no_secret_in(text: str) -> None:
    for secret in (SECRET, "只有我知道", "13800000000", DANGER, "不想活", PARENT, "tok_Parent"):
        assert secret not in text


async def status(home: Home, prepared: PreparedCallback) -> int:
    return (await home.driver.post(prepared)).status_code


async def test_a_message_in_order_leaves_no_word_in_the_log(home: Home, logged: Logged) -> None:
    for text in (SECRET, DANGER, "转人工", "紧急联系人", SECRET, "同意1"):
        await home.say(text)
    await home.work()
    assert "accepted" in logged()
    assert "routed" in logged()
    no_secret_in(logged())


async def test_more_than_a_mebibyte_is_refused_and_alarms(home: Home, logged: Logged) -> None:
    prepared = home.driver.prepare(PARENT, SECRET)
    body = prepared.body + b" " * (MAX_BODY - len(prepared.body))
    assert await status(home, PreparedCallback(prepared.url, body)) == 200
    assert await status(home, PreparedCallback(prepared.url, body + b" ")) == 413
    assert await home.alarms() == ["callback_too_large"]
    assert len(await home.messages()) == 1
    no_secret_in(logged())


async def test_a_body_that_does_not_say_how_long_it_is(home: Home) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b"x" * (MAX_BODY // 8)

    url = home.driver.prepare(PARENT, CALM).url
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(home.app)) as client:
        response = await client.post(url, content=chunks())
    assert response.status_code == 413
    assert await home.alarms() == ["callback_too_large"]


async def test_a_long_text_with_the_danger_at_its_end(home: Home, logged: Logged) -> None:
    text = "今天学校里一切都好。" * 10_000 + DANGER
    assert len(text) > 100_000
    assert "120" in await home.say(text)
    assert (await home.messages())[0].text == text
    assert (await home.case()).level == "3"
    no_secret_in(logged())
    assert "120" in await home.say("在吗"), "and the turn after it is judged as well"


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (f"\x00{DANGER}\x00", DANGER),
        (f"\ud83d{DANGER}", f"\ufffd{DANGER}"),
        (f"😭{DANGER}😭", f"😭{DANGER}😭"),
        (f"\x01\x02{DANGER}\x1f", DANGER),
        (f"]]>{DANGER}<![CDATA[", f"]]>{DANGER}<![CDATA["),
        (f"</Content><x>&amp;{DANGER}", f"</Content><x>&amp;{DANGER}"),
        ("孩子刚才说他\u200b不想\u200b活了", "孩子刚才说他\u200b不想\u200b活了"),
    ],
    ids=["nul", "surrogate", "emoji", "controls", "cdata", "markup", "zero width"],
)
async def test_dirty_words_are_stored_screened_and_answered(
    home: Home, text: str, stored: str
) -> None:
    assert "120" in await home.say(text)
    assert (await home.messages())[0].text == stored
    assert (await home.case()).level == "3"


async def test_an_empty_and_a_blank_text_are_answered(home: Home) -> None:
    for text in ("", "   ", "\u3000"):
        assert "没看到文字" in await home.say(text)


def sealed(home: Home, inner: str) -> PreparedCallback:
    """Encrypt and sign something that is no message."""
    timestamp = str(int(home.clock.now().timestamp()))
    return home.driver.wrap(inner, {}, timestamp, PARENT)


@pytest.mark.parametrize(
    "inner",
    [
        f"<xml><Content>{SECRET}",
        SECRET,
        "",
        f"<xml><FromUserName>{PARENT}</FromUserName></xml>",
        f'<!DOCTYPE x [<!ENTITY a "{SECRET}">]><xml><Content>&a;</Content></xml>',
        "<a>" * 100_000,
        f"<xml><Content>{SECRET}</Content><Content>好</Content></xml>",
        f"<xml><ToUserName>g</ToUserName><FromUserName>{PARENT}</FromUserName>"
        f"<CreateTime>soon</CreateTime><MsgType>text</MsgType><Content>{SECRET}</Content>"
        "<MsgId>1</MsgId></xml>",
        f"<xml><ToUserName>g</ToUserName><FromUserName>{PARENT}</FromUserName>"
        f"<CreateTime>1</CreateTime><MsgType>text</MsgType><Content>{SECRET}</Content></xml>",
        f"<xml><Content>&#0;{SECRET}</Content></xml>",
    ],
    ids=["cut", "no xml", "nothing", "fields", "doctype", "nested", "twice", "time", "id", "nul"],
)
async def test_signed_rubbish_is_400(home: Home, inner: str, logged: Logged) -> None:
    assert await status(home, sealed(home, inner)) == 400
    assert await home.messages() == []
    assert "callback_refused" in logged()
    assert await home.alarms() == ["callback_unreadable"]
    no_secret_in(logged())


async def test_unreadable_callbacks_write_one_alarm_a_minute(home: Home) -> None:
    async def count() -> int:
        (alarm,) = await home.rows(Alarm)
        return alarm.count

    for _ in range(3):
        assert await status(home, sealed(home, SECRET)) == 400
    assert await count() == 1
    home.clock.advance(minutes=1)
    assert await status(home, sealed(home, SECRET)) == 400
    assert await count() == 2
    await home.work()
    assert home.alerts() == []
    (post,) = home.alerts(DISTRICT_GROUP)
    assert "/admin" in post
    no_secret_in(post)


async def test_a_danger_between_broken_bytes_is_stored_and_screened(home: Home) -> None:
    created = str(int(home.clock.now().timestamp()))
    inner = (
        f"<xml><ToUserName>gh_school001</ToUserName><FromUserName>{PARENT}</FromUserName>"
        f"<CreateTime>{created}</CreateTime><MsgType>text</MsgType><MsgId>1</MsgId><Content>"
    )
    message = inner.encode() + b"\xff\xfe" + f"{DANGER}</Content></xml>".encode()
    encrypt = PrpCrypto(base64.b64decode(f"{AES_KEY}=")).encrypt(message, APP_ID).decode()
    query = {
        "encrypt_type": "aes",
        "timestamp": created,
        "nonce": "7",
        "msg_signature": sign(TOKEN, created, "7", encrypt),
    }
    url = f"http://house/callbacks/wechat/{ACCOUNT}?{urlencode(query)}"
    body = f"<xml><Encrypt>{encrypt}</Encrypt></xml>".encode()
    assert await status(home, PreparedCallback(url, body)) == 200
    assert (await home.messages())[0].text == f"\ufffd\ufffd{DANGER}"
    assert (await home.case()).level == "3"
    assert await home.alarms() == []


async def test_a_wrong_signature_is_403_and_stores_nothing(home: Home, logged: Logged) -> None:
    prepared = home.driver.prepare(PARENT, DANGER)
    forged = [
        prepared.url.replace("msg_signature=", "msg_signature=0"),
        prepared.url.replace("timestamp=", "timestamp=1"),
        prepared.url.replace("nonce=", "nonce=1"),
        prepared.url.split("?", maxsplit=1)[0],
        f"{prepared.url}&msg_signature=0",
    ]
    for url in forged:
        assert await status(home, PreparedCallback(url, prepared.body)) == 403
    middle = prepared.body.index(b"<Encrypt>") + 50
    sign = b"B" if prepared.body[middle : middle + 1] == b"A" else b"A"
    changed = prepared.body[:middle] + sign + prepared.body[middle + 1 :]
    assert await status(home, PreparedCallback(prepared.url, changed)) == 403
    assert await home.messages() == []
    assert await home.cases() == []
    assert await home.alarms() == []
    no_secret_in(logged())


@pytest.mark.parametrize(
    "credentials",
    [
        replace(CREDENTIALS, mode="plain"),
        replace(CREDENTIALS, token="somebody-else"),
        replace(CREDENTIALS, app_id="wx9999999999999999"),
        replace(CREDENTIALS, encoding_aes_key=base64.b64encode(bytes(range(1, 33))).decode()[:43]),
    ],
    ids=["plaintext", "token", "receive id", "key"],
)
async def test_somebody_who_is_not_our_platform(
    home: Home, credentials: WechatCredentials, logged: Logged
) -> None:
    async with other_driver(home, credentials) as driver:
        with pytest.raises(ServiceBroken) as caught:
            await driver.say(PARENT, DANGER)
    assert caught.value.status == 403
    assert await home.messages() == []
    no_secret_in(logged())


async def test_addresses_that_are_none(home: Home) -> None:
    prepared = home.driver.prepare(PARENT, CALM)
    for url in (
        prepared.url.replace("/school1", "/school2"),
        prepared.url.replace("/wechat/", "/wecom/"),
    ):
        assert await status(home, PreparedCallback(url, prepared.body)) == 404
    capital = PreparedCallback(prepared.url.replace("/school1", "/School1"), prepared.body)
    assert await status(home, capital) == 200
    assert await home.driver.check_address("echo me") == "echo me"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=st.binary(max_size=300) | st.text(max_size=300).map(str.encode),
    query=st.dictionaries(
        st.sampled_from(["signature", "msg_signature", "timestamp", "nonce", "encrypt_type"]),
        st.text(max_size=20),
    ),
)
async def test_nothing_from_outside_is_a_500(
    home: Home, body: bytes, query: dict[str, str]
) -> None:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(home.app)) as client:
        for method in ("GET", "POST"):
            response = await client.request(
                method, "http://house/callbacks/wechat/school1", params=query, content=body
            )
            assert response.status_code in (400, 403)
    assert await home.messages() == []


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(max_size=80))
async def test_whatever_is_written_is_stored_and_answered(home: Home, text: str) -> None:
    before = len(await home.messages())
    assert await home.say(text)
    after = await home.messages()
    assert len(after) == before + 1
    assert after[-1].state == "done"


@pytest.mark.parametrize("mode", ["plain", "compat", "safe"])
async def test_all_three_modes_work(houses: Houses, mode: str) -> None:
    account = {
        "app_id": CREDENTIALS.app_id,
        "app_secret": "secret",
        "token": CREDENTIALS.token,
        "encoding_aes_key": CREDENTIALS.encoding_aes_key,
        "mode": mode,
        "api_base": "http://platform",
    }
    home = await houses.make(wechat={"school1": account})
    async with other_driver(home, replace(CREDENTIALS, mode=mode)) as driver:
        assert "120" in (await driver.say(PARENT, DANGER) or "")
    assert (await home.case()).level == "3"

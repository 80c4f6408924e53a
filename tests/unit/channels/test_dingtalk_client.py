"""The DingTalk client against the fake platform: tokens, faults, codes, quotas, silence."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import stamina
from dingtalk_world import APP_SECRET, GROUP, NOW, PERSON, ROBOT_CODE, World, no_sleep
from structlog.testing import capture_logs

from bot.channels.dingtalk import errors
from bot.channels.dingtalk.client import DingtalkClient
from bot.channels.dingtalk.work import WorkNotices
from bot.channels.http import make_http
from bot.core.clock import FixedClock, epoch_ms
from bot.core.errors import ChannelError, ChannelRateLimited, ChannelRefused, ChannelUnavailable
from bot.services.tokens import MemoryTokens
from bot.simulator.platform import FOREVER, Fault

WORDS = "您好，关于孩子拒学……"
BATCH, TOKEN = "/v1.0/robot/oToMessages/batchSend", "/v1.0/oauth2/accessToken"
WORK = "/topapi/message/corpconversation/asyncsend_v2"


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=10, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    made.platform.follow(PERSON)
    yield made
    await made.close()


def answering(answer: httpx2.Response | Exception) -> DingtalkClient:
    """Return a client of a platform that gives a token and then always the same answer."""
    clock = FixedClock(NOW)

    def take(request: httpx2.Request) -> httpx2.Response:
        if request.url.path in (TOKEN, "/gettoken"):
            both = {"accessToken": "t", "expireIn": 7200, "access_token": "t", "expires_in": 7200}
            return httpx2.Response(200, json=both | {"errcode": 0})
        if isinstance(answer, Exception):
            raise answer
        return answer

    return DingtalkClient(
        "school1",
        app_key="k",
        app_secret=APP_SECRET,
        robot_code=ROBOT_CODE,
        api_base="https://api.test/",
        oapi_base="https://oapi.test/",
        tokens=MemoryTokens(clock),
        clock=clock,
        http=make_http(httpx2.MockTransport(take)),
        sleep=no_sleep,
    )


async def caught(answer: httpx2.Response | Exception, *, old: bool = False) -> ChannelError:
    client = answering(answer)
    call = client.topapi(WORK, {}) if old else client.send_person(PERSON, WORDS)
    with pytest.raises(ChannelError) as raised:
        await call
    await client.close()
    return raised.value


# Words ------------------------------------------------------------------------------------------


async def test_words_arrive_as_they_are(world: World) -> None:
    result = await world.client.send_person(PERSON, WORDS)
    assert result.receipt.startswith("query-")
    (sent,) = world.platform.sent
    assert (sent.recipient, sent.text) == (PERSON, WORDS)
    assert sent.payload == {
        "robotCode": ROBOT_CODE,
        "userIds": [PERSON],
        "msgKey": "sampleText",
        "msgParam": f'{{"content": "{WORDS}"}}',
    }
    assert world.spent == ["oToMessages/batchSend"]


async def test_long_words_are_cut_at_a_letter(world: World) -> None:
    await world.client.send_person(PERSON, "啊" * 2000)
    assert 2000 < len(world.platform.texts(PERSON)[0].encode()) <= 2048


# Tokens -----------------------------------------------------------------------------------------


async def test_one_token_for_all_who_ask_at_once(world: World) -> None:
    await asyncio.gather(*(world.client.send_person(PERSON, WORDS) for _ in range(20)))
    assert list(world.platform.calls).count(TOKEN) == 1


async def test_a_token_is_renewed_before_it_ends(world: World) -> None:
    await world.client.send_person(PERSON, WORDS)
    world.clock.advance(minutes=116)
    await world.client.send_person(PERSON, WORDS)
    assert list(world.platform.calls).count(TOKEN) == 2


async def test_a_refused_token_is_replaced_once(world: World) -> None:
    await world.client.send_person(PERSON, WORDS)
    world.platform.revoke_tokens()
    await world.client.send_person(PERSON, WORDS)
    calls = list(world.platform.calls)
    assert (calls.count(TOKEN), calls.count(BATCH)) == (2, 3)


async def test_a_token_refused_for_ever_ends_after_two_calls(world: World) -> None:
    world.platform.fail(BATCH, Fault.TOKEN_INVALID, times=FOREVER)
    with pytest.raises(ChannelUnavailable) as raised:
        await world.client.send_person(PERSON, WORDS)
    assert raised.value.code == "InvalidAuthentication"
    assert list(world.platform.calls).count(BATCH) == 2


@pytest.mark.parametrize("fault", [Fault.TOKEN_INVALID, Fault.TOKEN_EXPIRED])
async def test_88_with_a_sub_code_is_a_token_error(world: World, fault: Fault) -> None:
    notices = WorkNotices(world.client, 1)
    world.platform.fail(WORK, fault)
    (task,) = await notices.send([PERSON], "通知", "家长会 42")
    assert task.error is None
    assert world.platform.texts(PERSON) == ["家长会 42"]
    world.platform.calls.clear()
    world.platform.fail(WORK, fault, times=FOREVER)
    (task,) = await notices.send([PERSON], "通知", "家长会 43")
    assert isinstance(task.error, ChannelUnavailable)
    assert list(world.platform.calls).count(WORK) == 2


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.SLOW])
async def test_a_token_that_can_not_be_had_is_a_passing_trouble(world: World, fault: Fault) -> None:
    world.platform.fail(TOKEN, fault)
    with pytest.raises(ChannelError) as raised:
        await world.client.send_person(PERSON, WORDS)
    assert raised.value.retryable
    await world.client.send_person(PERSON, WORDS)


async def test_wrong_credentials_are_a_setting_to_be_mended(world: World) -> None:
    client = world.make_client("http://fake", secret="wrong")
    with pytest.raises(ChannelUnavailable) as raised:
        await client.send_person(PERSON, WORDS)
    assert raised.value.code == "invalidClientIdOrSecret"
    with pytest.raises(ChannelUnavailable):
        await client.topapi(WORK, {})
    await client.close()


# Codes and nonsense -----------------------------------------------------------------------------

MONTH = datetime(2026, 1, 31, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "code", "kind", "wait"),
    [
        (403, "Forbidden.AccessDenied.ApiCountLimitForOrg", ChannelRateLimited, MONTH - NOW),
        (
            403,
            "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi",
            ChannelRateLimited,
            timedelta(seconds=1),
        ),
        (403, "Forbidden.AccessDenied.QpsLimitForApi", ChannelRateLimited, timedelta(seconds=1)),
        (429, "", ChannelRateLimited, timedelta(minutes=1)),
        (503, "ServiceUnavailable", ChannelUnavailable, None),
        (500, "", ChannelUnavailable, None),
        (400, "InvalidAuthentication", ChannelUnavailable, None),
        (403, "Forbidden.AccessDenied.AccessTokenPermissionDenied", ChannelUnavailable, None),
        (400, "invalidParameter.userIds", ChannelRefused, None),
        (404, "InvalidAction.NotFound", ChannelRefused, None),
        (400, "", ChannelUnavailable, None),
    ],
)
async def test_words_of_the_new_api_are_sorted(
    status: int, code: str, kind: type[ChannelError], wait: timedelta | None
) -> None:
    error = await caught(httpx2.Response(status, json={"code": code, "message": WORDS}))
    assert type(error) is kind
    assert WORDS not in str(error)
    if isinstance(error, ChannelRateLimited):
        assert wait is not None
        assert error.retry_at - NOW == wait


@pytest.mark.parametrize(
    ("code", "kind", "wait"),
    [
        (90020, ChannelRateLimited, MONTH - NOW),
        (90018, ChannelRateLimited, timedelta(seconds=1)),
        (90002, ChannelRateLimited, timedelta(seconds=1)),
        (143103, ChannelRateLimited, timedelta(minutes=1)),
        (40014, ChannelUnavailable, None),
        (60020, ChannelUnavailable, None),
        (40035, ChannelRefused, None),
        (310000, ChannelRefused, None),
    ],
)
@pytest.mark.parametrize("is_wrapped", [False, True])
async def test_numbers_of_the_old_api_are_sorted(
    code: int, kind: type[ChannelError], wait: timedelta | None, is_wrapped: bool
) -> None:
    plain = {"errcode": code, "errmsg": WORDS}
    wrapped = {"errcode": 88, "sub_code": str(code), "sub_msg": WORDS}
    error = await caught(httpx2.Response(200, json=wrapped if is_wrapped else plain), old=True)
    assert type(error) is kind
    assert error.code in (str(code), errors.QUOTA)
    assert WORDS not in str(error)
    if isinstance(error, ChannelRateLimited):
        assert wait is not None
        assert error.retry_at - NOW == wait


async def test_a_busy_platform_is_asked_three_times(world: World) -> None:
    world.platform.fail(WORK, Fault.BUSY, times=2)
    (task,) = await WorkNotices(world.client, 1).send([PERSON], "通知", "家长会 42")
    assert task.error is None
    world.platform.calls.clear()
    world.platform.fail(WORK, Fault.BUSY, times=FOREVER)
    (task,) = await WorkNotices(world.client, 1).send([PERSON], "通知", "家长会 43")
    assert isinstance(task.error, ChannelUnavailable)
    assert (task.error.code, list(world.platform.calls).count(WORK)) == ("-1", 3)


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, html="<html><body>1111</body></html>"),
        httpx2.Response(200, json={"status": 1111, "wait": 5, "source": "x5", "punish": "deny"}),
    ],
)
@pytest.mark.parametrize("old", [True, False])
async def test_a_shut_out_address_waits_five_minutes(answer: httpx2.Response, old: bool) -> None:
    error = await caught(answer, old=old)
    assert isinstance(error, ChannelRateLimited)
    assert (error.retry_at - NOW, error.code) == (timedelta(minutes=5), "1111")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx2.Response(200, text="ok"), "unknown"),
        (httpx2.Response(200, text='{"processQueryKey":"ab'), "unknown"),
        (httpx2.Response(200, text=""), "unknown"),
        (httpx2.Response(200, json=[]), "unknown"),
        (httpx2.Response(200, json={}), "unknown"),
        (httpx2.Response(200, json={"processQueryKey": ""}), "unknown"),
        (httpx2.Response(200, text="[" * 100_000), "unknown"),
        (httpx2.ReadTimeout("x"), "unknown"),
        (httpx2.RemoteProtocolError("x"), "unknown"),
        (httpx2.ConnectError("x"), "not_sent"),
        (httpx2.ConnectTimeout("x"), "not_sent"),
    ],
)
async def test_nonsense_is_never_counted_as_delivered(
    answer: httpx2.Response | Exception, code: str
) -> None:
    error = await caught(answer)
    assert isinstance(error, ChannelUnavailable)
    assert error.code == code


async def test_a_redirect_is_not_followed() -> None:
    """The platform's own host may be made to point inside the network; the words stay here."""
    client = answering(httpx2.Response(302, headers={"location": "http://169.254.169.254/"}))
    address, ends = "https://oapi.test/robot/sendBySession?session=a", epoch_ms(NOW) + 1
    with pytest.raises(ChannelUnavailable) as raised:
        await client.answer_session(address, WORDS, expires_ms=ends)
    # Followed, it would have gone round until the library gave up: code `unknown`.
    assert raised.value.code == "http302"
    await client.close()


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (datetime(2026, 1, 31, 15, 59, tzinfo=UTC), datetime(2026, 1, 31, 16, 0, tzinfo=UTC)),
        (datetime(2026, 1, 31, 16, 0, tzinfo=UTC), datetime(2026, 2, 28, 16, 0, tzinfo=UTC)),
        (datetime(2026, 12, 31, 3, 0, tzinfo=UTC), datetime(2026, 12, 31, 16, 0, tzinfo=UTC)),
        (datetime(2026, 12, 1, 3, 0, tzinfo=UTC), datetime(2026, 12, 31, 16, 0, tzinfo=UTC)),
    ],
)
def test_the_month_ends_in_china(now: datetime, then: datetime) -> None:
    assert errors.next_month(now) == then


async def test_the_months_quota_is_spent_and_starts_anew() -> None:
    world = World(calls_per_month=2)
    world.platform.follow(PERSON)
    for _ in range(2):
        await world.client.send_person(PERSON, WORDS)
    for call in (
        world.client.send_person(PERSON, WORDS),
        world.client.send_group(GROUP, "sampleText", {"content": WORDS}),
        world.client.topapi(WORK, {}),
    ):
        with pytest.raises(ChannelRateLimited) as raised:
            await call
        assert raised.value.code == errors.QUOTA
    world.clock.advance(days=31)
    await world.client.send_person(PERSON, WORDS)
    await world.close()


# Silence ----------------------------------------------------------------------------------------


async def test_neither_words_nor_token_nor_secret_are_ever_said(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await world.client.send_person(PERSON, WORDS)
    token = world.platform._current["dingtestappkey000001"]
    said: list[Any] = []
    with capture_logs() as logs:
        for fault in Fault:
            world.platform.fail(BATCH, fault, times=2)
            world.platform.fail(WORK, fault, times=2)
            for call in (
                world.client.send_person(PERSON, WORDS),
                world.client.topapi(WORK, {"msg": WORDS}),
            ):
                try:
                    await call
                except ChannelError as error:
                    said += [str(error), repr(error), error.code]
            world.platform.heal()
    everything = repr(said) + repr(logs) + caplog.text
    assert said
    for secret in (WORDS, token, APP_SECRET, "token-"):
        assert secret not in everything

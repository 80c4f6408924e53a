"""The suite of every channel, on the channel alone: what the pipeline may rely on.

Each way in of each channel runs it (`channel_cases.py`); what needs the whole house around it is in
`test_channels_at_home.py`.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import stamina
from channel_cases import GROUP_NAME, NAME, Way, almost_too_large, ways
from structlog.testing import capture_logs

from bot.core.clock import FixedClock
from bot.core.errors import (
    CallbackMalformed,
    CallbackRejected,
    ChannelError,
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
)
from bot.core.messages import Kind, Reply, ReplyTo
from bot.core.ports import CallbackRequest, SendResult
from bot.simulator.platform import FOREVER, Fault

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
WORDS = "孩子不肯上学 😀 <b>&amp;"
REPLY = Reply("您好，慢慢说。]]> <a&b>", "answer", "entry:T06-01@1")
WAYS = ways()
FAULTS = [fault for fault in Fault if fault is not Fault.SLOW]
# What an answer proves when it can't be read: nothing, in either direction.
UNKNOWN = {Fault.TRUNCATED, Fault.NOT_JSON, Fault.HTML}


def those(wanted: Callable[[type[Way]], object]) -> pytest.MarkDecorator:
    """Run a test with the ways of which something is true."""
    found = [way for way in WAYS if wanted(way)]
    return pytest.mark.parametrize("way", found, indirect=True, ids=lambda way: str(way.name))


every = those(lambda way: True)
spoken = those(lambda way: way.speaks)
with_window = those(lambda way: way.window is not None)
with_group = those(lambda way: way.speaks and way.group)


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=10, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture
async def way(request: pytest.FixtureRequest) -> AsyncIterator[Way]:
    made: Way = request.param(FixedClock(NOW))
    yield made
    await made.close()


# Coming in --------------------------------------------------------------------------------------


@every
async def test_the_channel_says_what_it_is(way: Way) -> None:
    channel = way.channel
    assert channel.name in way.name
    assert channel.account == channel.account.lower() != ""
    assert 0 < channel.passive_seconds < 5
    assert isinstance(channel.answers_inside, bool)


@spoken
async def test_a_message_is_translated_whole(way: Way) -> None:
    message = await way.arrive(way.call(WORDS))
    assert (message.kind, message.text, message.sender) == (Kind.TEXT, WORDS, way.person)
    assert (message.channel, message.account) == (way.channel.name, way.channel.account)
    assert message.sent_at == NOW
    assert message.sent_at.tzinfo is not None
    assert 0 < len(message.platform_id) <= 200
    assert (message.stale, message.outside, message.group) == (False, False, None)


@every
async def test_the_same_call_has_the_same_key_and_another_has_not(way: Way) -> None:
    one, two = way.call("甲"), way.call("乙")
    key = (await way.arrive(one)).platform_id
    assert (await way.arrive(one)).platform_id == key
    assert (await way.arrive(two)).platform_id != key


@every
async def test_a_call_that_is_not_the_platforms_is_rejected(way: Way) -> None:
    call = way.call(WORDS)
    await way.arrive(call)
    forged = way.forged(call)
    # Only where the connection itself was opened with our secret there is nothing to forge.
    assert forged or not way.http
    for wrong, made in forged.items():
        for body in (made.body, b"", b"{}", b"<xml></xml>", b"\xff", b"<a>" * 1000, b"[" * 1000):
            with pytest.raises(CallbackRejected) as caught:
                await way.arrive(replace(made, body=body))
            assert caught.value.status == 403, wrong
        with pytest.raises(CallbackRejected):
            way.channel.verify(replace(made, body=b""))


@spoken
async def test_a_signature_under_another_body(way: Way) -> None:
    """What one signed call is worth to somebody who has seen it."""
    seen, other = way.call("你好"), way.call("不想活了")
    replayed = CallbackRequest(seen.query, seen.headers, other.body)
    if way.window is None:
        assert seen.query == other.query == {}, "there is nothing to replay: no signature"
    elif way.covers_body:
        with pytest.raises(CallbackRejected):
            await way.arrive(replayed)
    else:
        assert not (await way.arrive(replayed)).stale
        way.clock.advance(seconds=way.window.total_seconds() + 1)
        assert (await way.arrive(replayed)).stale, "what it is worth ends with the window"


@with_window
@pytest.mark.parametrize("beyond", [-1, 0, 1])
@pytest.mark.parametrize("ahead", [1, -1], ids=["ahead", "behind"])
async def test_outside_the_window_a_message_is_kept_and_marked(
    way: Way, beyond: int, ahead: int
) -> None:
    assert way.window is not None
    at = NOW + ahead * (way.window + timedelta(seconds=beyond))
    message = await way.arrive(way.call("不想活了", at=at))
    assert (message.text, message.stale) == ("不想活了", beyond > 0)
    assert message.sent_at == at


@spoken
@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("想死\ud83d\x00了", "想死\ufffd了"),
        ("\ud83d\x00想死了", "\ufffd想死了"),
        ("想死\udc00了", "想死\ufffd了"),
        ("想死]]></Content>了", "想死]]></Content>了"),
        ('想死","msgId":"1', '想死","msgId":"1'),
        ("想\u200b死", "想\u200b死"),
    ],
    ids=["surrogate", "first", "low surrogate", "markup", "quotes", "zero width"],
)
async def test_dirty_words_are_cleaned_and_kept(way: Way, said: str, read: str) -> None:
    assert (await way.arrive(way.call(said))).text == read


@spoken
async def test_a_hundred_thousand_characters_are_read_whole(way: Way) -> None:
    words = "今天一切都好。" * 15_000 + "不想活了"
    assert (await way.arrive(way.call(words))).text == words


@spoken
async def test_a_call_of_a_mebibyte_is_read_whole(way: Way) -> None:
    call, words = almost_too_large(way, "不想活了")
    assert (await way.arrive(call)).text == words


@spoken
async def test_words_in_a_kind_that_nobody_knows_are_found(way: Way) -> None:
    message = await way.arrive(way.strange("他说不想活了"))
    assert (message.kind, message.text) == (Kind.OTHER, "他说不想活了")


@every
async def test_what_is_signed_and_broken_is_malformed(way: Way) -> None:
    for wrong, call in way.broken().items():
        with pytest.raises(CallbackMalformed) as caught:
            await way.arrive(call)
        assert caught.value.status == 400, wrong
        assert "想死" not in str(caught.value), wrong


@with_group
async def test_a_group_is_told_apart(way: Way) -> None:
    assert (await way.arrive(way.call(WORDS, group=way.group))).group == way.group
    assert (await way.arrive(way.call(WORDS))).group is None


@those(lambda way: not way.speaks)
async def test_an_event_holds_nobodys_words(way: Way) -> None:
    message = await way.arrive(way.call("1"))
    assert (message.kind, message.text) == (Kind.RECEIPT, "")
    assert NAME not in repr(message)


@every
async def test_a_message_holds_no_name(way: Way) -> None:
    for call in (way.call("你好", group=way.group), way.strange("你好")):
        message = await way.arrive(call)
        assert NAME not in repr(message)
        assert GROUP_NAME not in repr(message)


# The answer to a callback -----------------------------------------------------------------------


@spoken
async def test_the_answer_inside_is_shown_word_for_word_or_not_at_all(way: Way) -> None:
    call = way.call(WORDS)
    message = await way.arrive(call)
    shown = way.read(way.channel.passive(call, message, REPLY))
    assert shown == (REPLY.text if way.channel.answers_inside else "")
    silence = way.channel.passive(call, message, None)
    assert silence.status == 200
    assert way.read(silence) == ""


# Going out --------------------------------------------------------------------------------------


@spoken
async def test_words_arrive_everywhere_they_can_be_sent(way: Way) -> None:
    for place, target in way.targets().items():
        way.platform.sent.clear()
        result = await way.channel.send(target.to, REPLY.text, key=f"delivery-{place}")
        assert isinstance(result, SendResult), place
        assert way.platform.texts(target.who) == [REPLY.text], place
        assert way.platform.calls[-1] == target.path, place
        assert len(way.platform.sent) == 1, place


@spoken
async def test_long_words_are_cut_between_two_characters(way: Way) -> None:
    for place, target in way.targets().items():
        way.platform.sent.clear()
        await way.channel.send(target.to, "啊" * 1000, key=f"delivery-{place}")
        assert way.platform.texts(target.who) == ["啊" * 682], place


@spoken
async def test_a_stranger_can_not_be_reached(way: Way) -> None:
    with pytest.raises(ChannelRefused) as caught:
        await way.channel.send(ReplyTo(way.stranger), REPLY.text, key="delivery-1")
    assert not caught.value.retryable
    assert REPLY.text not in str(caught.value)


@spoken
async def test_a_group_that_can_not_be_written_to_is_refused(way: Way) -> None:
    to = ReplyTo(way.person, "a-group-of-others")
    with pytest.raises(ChannelRefused):
        await way.channel.send(to, REPLY.text, key="delivery-1")
    assert list(way.platform.sent) == []


@spoken
@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_is_sorted_and_nothing_counts_as_delivered(
    way: Way, fault: Fault
) -> None:
    for place, target in way.targets().items():
        way.platform.sent.clear()
        way.platform.fail(target.path, fault, times=FOREVER)
        with pytest.raises(ChannelError) as caught:
            await way.channel.send(target.to, REPLY.text, key=f"delivery-{place}")
        assert isinstance(caught.value, ChannelUnavailable | ChannelRateLimited), place
        assert caught.value.retryable
        assert list(way.platform.sent) == [], place
        way.platform.heal()
        way.clock.advance(minutes=10)
        await way.channel.send(target.to, REPLY.text, key=f"delivery-{place}")
        assert way.platform.texts(target.who) == [REPLY.text], place


@spoken
@pytest.mark.parametrize("fault", sorted(UNKNOWN))
async def test_an_answer_that_can_not_be_read_is_never_a_receipt(way: Way, fault: Fault) -> None:
    """Nor is it sent a second time by another road: nobody knows whether the first arrived."""
    for place, target in way.targets().items():
        way.platform.calls.clear()
        way.platform.fail(target.path, fault)
        with pytest.raises(ChannelError) as caught:
            await way.channel.send(target.to, REPLY.text, key=f"delivery-{place}")
        assert caught.value.code in ("unknown", "1111"), place
        sends = [path for path in way.platform.calls if path in _paths(way)]
        assert sends == [target.path], place
        way.platform.heal()


# Silence ----------------------------------------------------------------------------------------


@every
async def test_neither_secret_nor_word_nor_name_is_said(
    way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[object] = []
    with capture_logs() as logs:
        said += [await _heard(way, way.call("这是只有我知道的一句话", group=way.group))]
        for call in (*way.forged(way.call("只有我知道")).values(), *way.broken().values()):
            said.append(await _heard(way, call))
        for target in way.targets().values():
            for fault in FAULTS:
                way.platform.fail(target.path, fault, times=2)
                said.append(await _refusal(way, target.to))
                way.platform.heal()
    assert any(said)
    everything = "\n".join([*map(repr, said), *map(repr, logs), caplog.text])
    tokens = list(way.platform._tokens)
    for secret in (*way.secrets, *tokens, NAME, GROUP_NAME, "只有我知道", "想死", REPLY.text):
        assert secret not in everything


async def _heard(way: Way, call: CallbackRequest) -> str:
    """Return what an error says of a call; of a message that was read nothing is said."""
    try:
        await way.arrive(call)
    except (CallbackRejected, CallbackMalformed) as error:
        return f"{error!r} {error}"
    return ""


async def _refusal(way: Way, to: ReplyTo) -> str:
    try:
        await way.channel.send(to, REPLY.text, key="delivery-1")
    except ChannelError as error:
        return f"{error!r} {error} {error.code}"
    return ""


def _paths(way: Way) -> set[str]:
    return {target.path for target in way.targets().values()}

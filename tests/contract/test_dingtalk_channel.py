"""The suite of every channel, for DingTalk; two of its tests read otherwise here.

DingTalk signs a header instead of the query, and nothing is said in a callback's answer.
"""

from collections.abc import Iterator
from datetime import datetime

import pytest
import stamina
from dingtalk_world import World, as_request
from test_channels import (  # noqa: F401  # pytest collects them here, with the bench below
    NOW,
    PERSON,
    REPLY,
    WORDS,
    Bench,
    test_a_late_message_is_kept_and_marked,
    test_a_message_is_translated_whole,
    test_dirty_words_are_cleaned,
    test_every_fault_becomes_a_retryable_channel_error,
    test_rubbish_is_refused_without_a_traceback,
    test_sending_delivers_the_words,
    test_sending_to_a_stranger_is_final,
    test_the_name_and_the_time_limit_are_known,
    test_the_same_callback_has_the_same_key_and_another_has_not,
)

from bot.core.clock import FixedClock
from bot.core.errors import CallbackRejected
from bot.core.ports import CallbackAnswer, CallbackRequest, Channel


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=10, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture
def bench() -> Bench:
    world = World(clock=FixedClock(NOW))
    # The type checker holds the channel to the port here.
    channel: Channel = world.channel

    def ask(text: str, at: datetime) -> CallbackRequest:
        return as_request(world.driver.prepare(PERSON, text, at=at))

    def read(answer: CallbackAnswer) -> str | None:
        assert answer.status == 200
        return None if answer.body == "{}" else answer.body

    return Bench(channel, world.platform, ask, read, "/v1.0/robot/oToMessages/batchSend")


@pytest.mark.parametrize("header", ["sign", "timestamp"])
@pytest.mark.parametrize("value", [None, "", "0", "é", "1767225600000"])
def test_nobody_gets_in_without_a_signed_header(
    bench: Bench, header: str, value: str | None
) -> None:
    signed = bench.ask(WORDS, NOW)
    headers = {name: text for name, text in signed.headers.items() if name != header}
    if value is not None:
        headers[header] = value
    request = CallbackRequest({}, headers, signed.body)
    with pytest.raises(CallbackRejected):
        bench.channel.parse(request)
    with pytest.raises(CallbackRejected):
        bench.channel.verify(request)


def test_nothing_is_said_in_the_answer(bench: Bench) -> None:
    request = bench.ask(WORDS, NOW)
    message = bench.channel.parse(request)
    for reply in (REPLY, None):
        assert bench.read(bench.channel.passive(request, message, reply)) is None
    assert getattr(bench.channel, "answers_inside", True) is False

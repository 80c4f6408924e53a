"""The driver, against a small server of the test's own, and the bare echo."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import repeat

import httpx2
import pytest

from bot.bench.echo import make_echo
from bot.bench.load import Connection, Driver, Ready
from bot.core.clock import SystemClock
from bot.simulator.driver import PreparedCallback, WechatCredentials, WechatDriver

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwords"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
READY = Ready.of(PreparedCallback("http://h:1/c?a=b", b"body"), "oA", "1")


@asynccontextmanager
async def serving(answer: bytes, *, requests: int = 10**6) -> AsyncIterator[tuple[Driver, int]]:
    """Answer so many requests of each connection, then close it."""

    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        for _ in range(requests):
            try:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(4)
            except asyncio.IncompleteReadError:
                break
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield Driver("127.0.0.1", port), port
        for writer in writers:
            writer.close()
            await writer.wait_closed()


def test_a_request_carries_path_query_and_length() -> None:
    head, _, body = READY.wire.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /c?a=b HTTP/1.1"
    assert b"Content-Length: 4" in head
    assert body == b"body"


async def test_a_closed_run_keeps_to_its_length() -> None:
    async with serving(ANSWER) as (driver, _):
        run = await driver.closed(repeat(READY), concurrency=4, seconds=0.1)
    assert len(run.good) == len(run.answers) > 4
    assert run.seconds >= 0.1
    assert run.per_second == pytest.approx(len(run.good) / run.seconds, abs=0.1)


async def test_a_closed_run_ends_with_its_requests() -> None:
    async with serving(ANSWER) as (driver, _):
        run = await driver.closed(iter([READY] * 10), concurrency=3, seconds=60)
    assert len(run.answers) == 10


async def test_a_steady_run_sends_everything() -> None:
    async with serving(ANSWER) as (driver, _):
        run = await driver.steady([READY] * 20, rate=1000, seed=1)
    assert len(run.good) == 20
    assert all(answered.seconds >= 0 for answered in run.answers)


@pytest.mark.parametrize("answer", [BUSY, ANSWER.replace(b"words", b"").replace(b"5", b"0")])
async def test_an_answer_without_words_is_not_counted(answer: bytes) -> None:
    async with serving(answer) as (driver, _):
        run = await driver.steady([READY] * 3, rate=1000, seed=1)
    assert len(run.answers) == 3
    assert run.good == []


async def test_a_connection_opens_itself_again() -> None:
    async with serving(ANSWER, requests=1) as (_, port):
        connection = Connection("127.0.0.1", port)
        statuses = [(await connection.post(READY.wire))[0] for _ in range(4)]
        await connection.close()
    assert statuses.count(200) >= 2
    assert set(statuses) <= {0, 200}


async def test_nobody_there_is_no_answer() -> None:
    assert await Connection("127.0.0.1", 9).post(READY.wire) == (0, b"")


async def test_the_echo_answers_the_same_words() -> None:
    credentials = WechatCredentials("demo", "wxbench", "token", "a" * 42 + "A")
    app = make_echo(credentials.token, credentials.encoding_aes_key, credentials.app_id)
    async with WechatDriver(
        "http://echo", credentials, clock=SystemClock(), transport=httpx2.ASGITransport(app)
    ) as wechat:
        assert await wechat.say("oA", "孩子写作业拖拉") == "孩子写作业拖拉"

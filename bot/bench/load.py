"""The driver: posts prepared callbacks as fast as they are answered, or at a steady rate.

It speaks HTTP/1.1 on kept connections itself, because a full client costs more time than the
service that is measured. Called by the benchmarks, in a process of their own.
"""

import asyncio
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from bot.simulator.driver import PreparedCallback


@dataclass(frozen=True, slots=True)
class Ready:
    """One callback as bytes; `openid` and `number` tell whose and which message it is."""

    openid: str
    number: str
    wire: bytes

    @classmethod
    def of(cls, prepared: PreparedCallback, openid: str, number: str) -> Self:
        """Turn a prepared callback into the bytes of a request."""
        url = urlsplit(prepared.url)
        head = (
            f"POST {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n"
            f"Content-Type: text/xml\r\nContent-Length: {len(prepared.body)}\r\n\r\n"
        )
        return cls(openid, number, head.encode() + prepared.body)


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer: how long it took, its status (0: none came) and its body."""

    ready: Ready
    seconds: float
    status: int
    body: bytes


@dataclass(slots=True)
class Run:
    """What a run of the driver saw.

    Args:
        seconds: from the first request to the last answer.
    """

    answers: list[Answered] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def good(self) -> list[Answered]:
        """Return the answers with words in them."""
        return [a for a in self.answers if a.status == 200 and a.body not in (b"", b"success")]

    @property
    def per_second(self) -> float:
        """Return the answers with words per second."""
        return round(len(self.good) / self.seconds, 1) if self.seconds else 0.0


class Connection:
    """One kept connection; opens itself again after an error."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, wire: bytes) -> tuple[int, bytes]:
        """Send a request and return status and body; status 0 when the connection broke."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(*self._address)
            reader, writer = self._streams
            writer.write(wire)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            return int(head[9:12]), await reader.readexactly(length)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            await self.close()
            return 0, b""

    async def close(self) -> None:
        """Close it."""
        if self._streams is not None:
            writer = self._streams[1]
            self._streams = None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


class Driver:
    """Posts to one address."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    async def closed(self, requests: Iterator[Ready], *, concurrency: int, seconds: float) -> Run:
        """Keep so many callbacks under way, each sent when the one before it was answered."""
        run = Run()
        start = time.perf_counter()
        end = start + seconds

        async def lane() -> None:
            connection = Connection(self._host, self._port)
            for ready in requests:
                run.answers.append(await _timed(connection, ready, time.perf_counter()))
                if time.perf_counter() >= end:
                    break
            await connection.close()

        await asyncio.gather(*(lane() for _ in range(concurrency)))
        run.seconds = time.perf_counter() - start
        return run

    async def steady(self, requests: Iterable[Ready], *, rate: float, seed: int) -> Run:
        """Send at a rate, at random moments as independent people do, however slow the answers.

        A time counts from the moment a callback was due, so waiting for a busy driver counts too.
        """
        rng = random.Random(seed)
        run = Run()
        idle: list[Connection] = []
        start = due = time.perf_counter()

        async def one(ready: Ready, moment: float) -> None:
            connection = idle.pop() if idle else Connection(self._host, self._port)
            run.answers.append(await _timed(connection, ready, moment))
            idle.append(connection)

        async with asyncio.TaskGroup() as group:
            for ready in requests:
                due += rng.expovariate(rate)
                # Who is behind still lets the answers in between.
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(one(ready, due))
        run.seconds = time.perf_counter() - start
        for connection in idle:
            await connection.close()
        return run


async def _timed(connection: Connection, ready: Ready, since: float) -> Answered:
    status, body = await connection.post(ready.wire)
    return Answered(ready, time.perf_counter() - since, status, body)

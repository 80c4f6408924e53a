"""DingTalk Stream: robot messages over a websocket that this side opens; no public address needed.

A message is stored before it is acknowledged, and what could not be stored is not acknowledged, so
that the platform sends it again. Treat every delivery as possibly repeated: the inbox knows a
message by its platform id. Own client, because the vendor's sleeps a fixed 10 s after a loss, can
die silently and logs the ticket (docs/decisions/0010). Started and stopped by wiring.

Source: open.dingtalk.com, `develop-stream-mode-push-server`, `configure-stream-push`.
"""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlencode

import structlog
from websockets.asyncio.client import connect as websockets_connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.frames import CloseCode

from bot.channels.dingtalk import parse
from bot.channels.dingtalk.client import DingtalkClient
from bot.channels.dingtalk.frames import Frame, acknowledge, read_frame
from bot.core.clock import Clock
from bot.core.errors import CallbackMalformed, ChannelError
from bot.core.messages import IncomingMessage
from bot.db.failures import kind_of

log = structlog.get_logger(__name__)

MESSAGES = "/v1.0/im/bot/messages/get"
CARDS = "/v1.0/card/instances/callback"
SILENCE_SECONDS = 75.0
ACK_SECONDS = 2.8
DRAIN_SECONDS = 10.0
FIRST_DELAY, LONGEST_DELAY = 0.5, 60.0
MAX_FRAME = 4 * 1024 * 1024
LOST = (OSError, TimeoutError, WebSocketException)

# At DEBUG it writes the address it connects to, ticket included.
logging.getLogger("websockets").setLevel(logging.WARNING)

Accept = Callable[[IncomingMessage], Awaitable[object]]
CardClick = Callable[[dict[str, Any]], Awaitable[Mapping[str, Any]]]


class Socket(Protocol):
    """What this module needs of a websocket."""

    async def recv(self) -> str | bytes:
        """Return the next frame."""
        ...

    async def send(self, message: str) -> None:
        """Send a frame."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...


async def open_socket(address: str) -> Socket:
    """Open a websocket as production does; tests hand in their own."""
    return await websockets_connect(
        address, proxy=None, max_size=MAX_FRAME, open_timeout=10, ping_interval=30, ping_timeout=30
    )


@dataclass(eq=False)
class _Link:
    """One connection. `leaving` is set when the platform asked us to move on."""

    socket: Socket
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    useful: bool = False


class StreamClient:
    """Keeps one robot connected, for as long as it runs.

    Args:
        account: the configured robot name.
        accept: stores and screens a message; the acknowledgement waits for it.
        on_event: takes event pushes; without it they are acknowledged and dropped.
        on_card: answers card clicks; without it they are not subscribed to.
        on_trouble: told `malformed` or `too large` when a frame of the platform can't be read.
        connect, sleep, jitter: tests pass their own.
        silence_seconds: a connection without any frame for so long is taken for dead.
        ack_seconds: what is not stored by then is not acknowledged; the storing goes on.
        drain_seconds: how long an old connection, or `stop`, waits for what is under way.
    """

    def __init__(
        self,
        account: str,
        *,
        client: DingtalkClient,
        accept: Accept,
        clock: Clock,
        on_event: Accept | None = None,
        on_card: CardClick | None = None,
        on_trouble: Callable[[str], object] | None = None,
        robot_names: tuple[str, ...] = (),
        connect: Callable[[str], Awaitable[Socket]] = open_socket,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        silence_seconds: float = SILENCE_SECONDS,
        ack_seconds: float = ACK_SECONDS,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self.account = account
        self.connections = 0
        self.last_frame_at: datetime | None = None
        self._client = client
        self._accept = accept
        self._clock = clock
        self._on_event = on_event
        self._on_card = on_card
        self._on_trouble = on_trouble
        self._robot_names = robot_names
        self._connect = connect
        self._sleep = sleep
        self._jitter = jitter
        self._silence = silence_seconds
        self._ack_seconds = ack_seconds
        self._drain = drain_seconds
        self._failures = 0
        self._stopping = asyncio.Event()
        self._links: dict[_Link, asyncio.Task[None]] = {}
        self._work: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        """Say whether a connection is open that the platform has not asked us to leave."""
        return any(not link.leaving.is_set() for link in self._links)

    async def run(self) -> None:
        """Stay connected until `stop`; never gives up, never raises for what the platform does."""
        while not self._stopping.is_set():
            link = await self._open()
            if link is None:
                self._failures += 1
                await self._pause(self._delay())
                continue
            if self._stopping.is_set():
                self._links[link].cancel()
                await self._close(link)
                return
            await self._hold(link)
            moved = link.leaving.is_set()
            self._failures = 0 if link.useful else self._failures + 1
            # Asked to move: at once; unless connections end before they carry anything.
            if not self._stopping.is_set() and not (moved and self._failures <= 1):
                await self._pause(self._delay())

    async def stop(self) -> None:
        """Read nothing more, finish what is under way, close."""
        self._stopping.set()
        readers = list(self._links.values())
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        if self._work:
            await asyncio.wait(set(self._work), timeout=self._drain)
        for link in list(self._links):
            await self._close(link)

    async def _open(self) -> _Link | None:
        subscriptions = [
            {"type": "CALLBACK", "topic": MESSAGES},
            {"type": "EVENT", "topic": "*"},
        ]
        if self._on_card is not None:
            subscriptions.append({"type": "CALLBACK", "topic": CARDS})
        try:
            endpoint, ticket = await self._client.open_stream(subscriptions)
            socket = await self._connect(f"{endpoint}?{urlencode({'ticket': ticket})}")
        except (ChannelError, *LOST) as error:
            # The type only: the text of some errors holds the address with its ticket.
            code = error.code if isinstance(error, ChannelError) else ""
            log.warning(
                "stream_not_open", robot=self.account, error=type(error).__name__, code=code
            )
            return None
        self.connections += 1
        link = _Link(socket)
        self._links[link] = asyncio.create_task(self._read(link))
        log.info("stream_open", robot=self.account, n=self.connections)
        return link

    async def _hold(self, link: _Link) -> None:
        """Return when a new connection is needed; an old one is read on for a while."""
        reader = self._links[link]
        leaving = asyncio.create_task(link.leaving.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({reader, leaving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        stopping.cancel()
        if self._stopping.is_set():
            return
        if reader.done():
            await self._close(link)
        else:
            self._keep(asyncio.create_task(self._retire(link)))

    async def _retire(self, link: _Link) -> None:
        reader = self._links[link]
        waiting = asyncio.ensure_future(self._sleep(self._drain))
        await asyncio.wait({reader, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        reader.cancel()
        await self._close(link)

    async def _close(self, link: _Link) -> None:
        with contextlib.suppress(*LOST):
            await link.socket.close()
        self._links.pop(link, None)

    async def _read(self, link: _Link) -> None:
        while (raw := await self._next(link)) is not None:
            self.last_frame_at = self._clock.now()
            frame = read_frame(raw)
            if frame is None:
                log.warning("stream_frame_unreadable", robot=self.account, length=len(raw))
                self._trouble("malformed")
            elif frame.kind == "SYSTEM" and frame.topic == "disconnect":
                link.leaving.set()
            else:
                link.useful = True
                self._keep(asyncio.create_task(self._take(link, frame)))

    async def _next(self, link: _Link) -> str | bytes | None:
        """Return the next frame; None when the connection is closed or silent for too long."""
        receiving = asyncio.ensure_future(link.socket.recv())
        watching = asyncio.ensure_future(self._sleep(self._silence))
        try:
            await asyncio.wait({receiving, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not receiving.done():
                log.warning("stream_silent", robot=self.account)
                return None
            return receiving.result()
        except LOST as error:
            log.info("stream_closed", robot=self.account, error=type(error).__name__)
            if _was_too_large(error):
                # Not acknowledged, so it comes again and ends the connection again: for a person.
                self._trouble("too large")
            return None
        finally:
            watching.cancel()
            receiving.cancel()

    async def _take(self, link: _Link, frame: Frame) -> None:
        """Do what a frame asks for and acknowledge it, or leave it to be sent again."""
        answer = await self._answer(frame)
        if answer is not None:
            with contextlib.suppress(*LOST):
                await link.socket.send(answer)

    async def _answer(self, frame: Frame) -> str | None:
        if frame.kind == "SYSTEM":
            return acknowledge(frame, data=frame.data)
        if frame.kind == "EVENT":
            return acknowledge(frame, data=json.dumps({"status": await self._event(frame)}))
        if frame.kind == "CALLBACK" and frame.topic == MESSAGES:
            return await self._message(frame)
        if frame.kind == "CALLBACK" and frame.topic == CARDS and self._on_card is not None:
            return await self._card(frame, self._on_card)
        return acknowledge(frame, code=404, message="unknown topic")

    async def _message(self, frame: Frame) -> str | None:
        try:
            message = parse.parse_message(
                parse.load_object(frame.data),
                account=self.account,
                now=self._clock.now(),
                robot_names=self._robot_names,
            )
        except CallbackMalformed as error:
            log.warning("stream_message_malformed", robot=self.account, reason=str(error))
            self._trouble("malformed")
            return acknowledge(frame, code=400, message="malformed")
        if not await self._in_time(self._accept(message)):
            return None
        return acknowledge(frame, data=json.dumps({"response": {}}))

    async def _event(self, frame: Frame) -> str:
        if self._on_event is None:
            return "SUCCESS"
        try:
            event = parse.parse_event(
                parse.load_object(frame.data),
                account=self.account,
                now=self._clock.now(),
                event=frame.headers.get("eventType", "unknown"),
                event_id=frame.headers.get("eventId", ""),
            )
        except CallbackMalformed:
            self._trouble("malformed")
            return "SUCCESS"
        return "SUCCESS" if await self._in_time(self._on_event(event)) else "LATER"

    async def _card(self, frame: Frame, on_card: CardClick) -> str | None:
        try:
            response = await on_card(parse.load_object(frame.data))
        except CallbackMalformed:
            return acknowledge(frame, code=400, message="malformed")
        except Exception as error:
            log.error("card_failed", robot=self.account, error=kind_of(error))
            return None
        return acknowledge(frame, data=json.dumps({"response": response}, ensure_ascii=False))

    async def _in_time(self, work: Awaitable[object]) -> bool:
        """Say whether the work was done in time. Late work goes on: it stores a message."""
        task = asyncio.create_task(_finish(work))
        self._keep(task)
        done, _ = await asyncio.wait({task}, timeout=self._ack_seconds)
        if not done:
            log.error("stream_late", robot=self.account)
            return False
        return not task.cancelled() and task.exception() is None

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._work.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._work.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("stream_work_failed", error=kind_of(error))

    def _trouble(self, kind: str) -> None:
        if self._on_trouble is not None:
            self._on_trouble(kind)

    async def _pause(self, seconds: float) -> None:
        waiting = asyncio.ensure_future(self._sleep(seconds))
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        stopping.cancel()

    def _delay(self) -> float:
        """Return the next wait: doubling to a minute, half of it by chance."""
        longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self._failures, 10))
        return longest * (0.5 + 0.5 * self._jitter())


def _was_too_large(error: BaseException) -> bool:
    """Say whether this side closed because of a frame over `MAX_FRAME`."""
    sent = error.sent if isinstance(error, ConnectionClosed) else None
    return sent is not None and sent.code == CloseCode.MESSAGE_TOO_BIG


async def _finish(work: Awaitable[object]) -> None:
    await work

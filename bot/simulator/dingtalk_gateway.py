"""The platform's side of DingTalk Stream: tickets, connections, frames, and everything that breaks.

A frame that was not acknowledged when its connection ended is sent again on the next one, as the
real gateway does. Used by `bot.simulator.dingtalk_server` and driven by tests and the simulator.

Source: open.dingtalk.com, `develop-stream-mode-push-server`.
"""

import asyncio
import contextlib
import itertools
import json
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

MESSAGES = "/v1.0/im/bot/messages/get"
CARDS = "/v1.0/card/instances/callback"
KEPT = 10_000
# The client takes a connection for dead after 75 seconds without a frame.
PING_SECONDS = 30.0


@dataclass(eq=False)
class _Connection:
    socket: WebSocket
    app_key: str
    leaving: bool = False
    unacked: dict[str, dict[str, Any]] = field(default_factory=dict)


class Gateway:
    """All Stream connections of the fake platform.

    Args:
        ping_seconds: how often each connection is pinged.
    """

    def __init__(self, *, ping_seconds: float = PING_SECONDS) -> None:
        self._ping_seconds = ping_seconds
        self.acks: dict[str, dict[str, Any]] = {}
        self.redelivered = 0
        self.opened = 0
        self._ids = itertools.count(1)
        self._tickets: dict[str, str] = {}
        self._connections: list[_Connection] = []
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=KEPT)
        self._changed = asyncio.Condition()

    # What the platform does ---------------------------------------------------------------------

    def issue_ticket(self, app_key: str) -> str:
        """Return a ticket that opens one connection."""
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = app_key
        return ticket

    async def push(
        self,
        app_key: str,
        data: Mapping[str, Any] | str,
        *,
        topic: str = MESSAGES,
        kind: str = "CALLBACK",
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Send a frame, or keep it until somebody is connected; return its id."""
        frame_id = f"frame-{next(self._ids)}"
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        frame = {
            "specVersion": "1.0",
            "type": kind,
            "headers": {"messageId": frame_id, "topic": topic, **(headers or {})},
            "data": text,
        }
        await self._deliver(app_key, frame)
        return frame_id

    async def event(self, app_key: str, event: str, data: Mapping[str, Any]) -> str:
        """Send an event push; answered `LATER`, it may be sent again by its id."""
        headers = {"eventType": event, "eventId": f"event-{next(self._ids)}"}
        return await self.push(app_key, data, topic="*", kind="EVENT", headers=headers)

    async def ping(self, app_key: str) -> str:
        """Send a ping; what comes back is in `acks`."""
        frame = self._ping()
        await self._deliver(app_key, frame)
        return str(frame["headers"]["messageId"])

    async def say_raw(self, app_key: str, text: str) -> None:
        """Send something that is no frame."""
        for connection in self._live(app_key):
            await connection.socket.send_text(text)

    async def disconnect(self, app_key: str, *, hang_up: bool = False) -> None:
        """Ask every connection to move; `hang_up` closes them without waiting."""
        for connection in self._live(app_key):
            connection.leaving = True
            await self._send(
                connection,
                {
                    "specVersion": "1.0",
                    "type": "SYSTEM",
                    "headers": {"messageId": f"frame-{next(self._ids)}", "topic": "disconnect"},
                    "data": '{"reason":"persistent connection is timeout"}',
                },
            )
            if hang_up:
                await self._close(connection)

    async def drop(self, app_key: str) -> None:
        """Close every connection without a word."""
        for connection in self._live(app_key):
            await self._close(connection)

    def is_connected(self, app_key: str) -> bool:
        """Say whether a frame would leave at once."""
        return bool(self._live(app_key))

    async def wait_connected(self, app_key: str, *, opened: int = 1) -> None:
        """Return once so many connections have ever been opened and one of them is live."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self.opened >= opened and self.is_connected(app_key)
            )

    async def wait_acks(self, count: int) -> None:
        """Return once so many different frames have been acknowledged."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.acks) >= count)

    # The websocket ------------------------------------------------------------------------------

    async def connect(self, socket: WebSocket) -> None:
        """Serve one connection until it ends."""
        app_key = self._tickets.pop(socket.query_params.get("ticket", ""), None)
        if app_key is None:
            await socket.close(code=4401)
            return
        await socket.accept()
        connection = _Connection(socket, app_key)
        self._connections.append(connection)
        self.opened += 1
        await self._notify()
        pings = asyncio.create_task(self._ping_forever(connection))
        try:
            await self._flush(connection)
            while True:
                await self._acknowledged(connection, json.loads(await socket.receive_text()))
        except (WebSocketDisconnect, RuntimeError, ValueError):
            pass
        finally:
            pings.cancel()
            await self._gone(connection)

    async def _ping_forever(self, connection: _Connection) -> None:
        while True:
            await asyncio.sleep(self._ping_seconds)
            await self._send(connection, self._ping())

    async def _acknowledged(self, connection: _Connection, ack: dict[str, Any]) -> None:
        frame_id = str(ack.get("headers", {}).get("messageId", ""))
        connection.unacked.pop(frame_id, None)
        self.acks[frame_id] = ack
        if len(self.acks) > KEPT:
            # A demo may run for weeks.
            del self.acks[next(iter(self.acks))]
        await self._notify()

    async def _flush(self, connection: _Connection) -> None:
        mine = [frame for app_key, frame in self._waiting if app_key == connection.app_key]
        kept = [item for item in self._waiting if item[0] != connection.app_key]
        self._waiting.clear()
        self._waiting.extend(kept)
        for frame in mine:
            await self._send(connection, frame)

    async def _deliver(self, app_key: str, frame: dict[str, Any]) -> None:
        live = self._live(app_key)
        if live:
            await self._send(live[-1], frame)
        else:
            self._waiting.append((app_key, frame))

    async def _send(self, connection: _Connection, frame: dict[str, Any]) -> None:
        if frame["type"] != "SYSTEM":
            connection.unacked[frame["headers"]["messageId"]] = frame
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await connection.socket.send_text(json.dumps(frame, ensure_ascii=False))

    async def _close(self, connection: _Connection) -> None:
        if connection.socket.application_state is not WebSocketState.DISCONNECTED:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await connection.socket.close(code=1012)

    async def _gone(self, connection: _Connection) -> None:
        self._connections.remove(connection)
        frames = list(connection.unacked.values())
        connection.unacked.clear()
        self.redelivered += len(frames)
        for frame in frames:
            await self._deliver(connection.app_key, frame)
        await self._notify()

    def _ping(self) -> dict[str, Any]:
        return {
            "specVersion": "1.0",
            "type": "SYSTEM",
            "headers": {"messageId": f"frame-{next(self._ids)}", "topic": "ping"},
            "data": json.dumps({"opaque": secrets.token_hex(8)}),
        }

    def _live(self, app_key: str) -> list[_Connection]:
        return [
            one
            for one in self._connections
            if one.app_key == app_key
            and not one.leaving
            and one.socket.application_state is WebSocketState.CONNECTED
        ]

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

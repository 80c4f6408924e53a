"""A websocket without a network: the gateway's own route on one end, the client on the other.

The route is the real one, called as a web server calls it; only the bytes on the wire are missing,
so that a day has the same course every time. Called by `bot.cli.simulated.day`.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
App = Callable[[Any, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Any]
GONE = 1006


class Line:
    """One connection; has what `StreamClient` needs of a websocket."""

    def __init__(self, app: App, address: str) -> None:
        parts = urlsplit(address)
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "scheme": parts.scheme,
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "headers": [],
            "subprotocols": [],
            "client": ("127.0.0.1", 1),
            "server": (parts.hostname, 80),
        }
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._to_client: asyncio.Queue[Message] = asyncio.Queue()
        self._closed = False
        self._to_app.put_nowait({"type": "websocket.connect"})
        self.task: asyncio.Task[None] = asyncio.create_task(
            app(scope, self._to_app.get, self._from_app), name="gateway"
        )

    @classmethod
    async def open(cls, app: App, address: str) -> "Line":
        """Connect.

        Raises:
            ConnectionError: the gateway refused.
        """
        line = cls(app, address)
        if (await line._to_client.get())["type"] != "websocket.accept":
            raise ConnectionError("refused")
        return line

    @property
    def idle(self) -> bool:
        """Say whether nothing is under way in either direction."""
        return self._to_app.empty() and self._to_client.empty()

    async def recv(self) -> str | bytes:
        """Return the next frame.

        Raises:
            ConnectionError: the other end has closed.
        """
        message = await self._to_client.get()
        if message["type"] != "websocket.send":
            raise ConnectionError("closed")
        return str(message["text"])

    async def send(self, message: str) -> None:
        """Send a frame.

        Raises:
            ConnectionError: the connection is closed.
        """
        if self._closed:
            raise ConnectionError("closed")
        self._to_app.put_nowait({"type": "websocket.receive", "text": message})

    async def close(self) -> None:
        """Close this end."""
        self.cut()

    def cut(self) -> None:
        """Be gone, as a process that was killed is."""
        if not self._closed:
            self._closed = True
            self._to_app.put_nowait({"type": "websocket.disconnect", "code": GONE})

    async def _from_app(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            self.cut()
        elif self._closed:
            raise OSError("closed")
        self._to_client.put_nowait(message)

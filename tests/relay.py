"""A relay in front of a database, to take the database away and give it back."""

import asyncio
from contextlib import suppress

from sqlalchemy import make_url


class Relay:
    """Passes bytes on between loopback and the server of an address, as long as it is up."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Return the same database's address through the relay."""
        through = self._url.set(host="127.0.0.1", port=self._port)
        return through.render_as_string(hide_password=False)

    async def up(self) -> None:
        """Listen, after the first time on the same port."""
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Cut every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Cut every connection; new ones are taken."""
        for writer in self._open:
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._url.host, self._url.port)
        self._open |= {writer, there[1]}
        await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
        self._open -= {writer, there[1]}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()

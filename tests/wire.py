"""The way to a database server, for tests that take it away."""

import asyncio

from sqlalchemy import make_url


class Wire:
    """The way to the server of an address, which can be cut."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._port = 0

    @property
    def url(self) -> str:
        """Return the same database's address over this wire."""
        over = self._url.set(host="127.0.0.1", port=self._port)
        return over.render_as_string(hide_password=False)

    async def mend(self) -> None:
        """Take connections, at the same port as before."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break every connection and refuse new ones."""
        assert self._server is not None
        self._server.close()
        self._flowing.set()
        for end in self._ends:
            end.transport.abort()
        await asyncio.gather(*self._running, return_exceptions=True)

    def stall(self) -> None:
        """Keep every connection and carry nothing, as a server that stands still."""
        self._flowing.clear()

    def flow(self) -> None:
        """Carry what has gathered."""
        self._flowing.set()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._url.host, self._url.port)
        ends = {writer, back}
        self._ends |= ends
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._carry(source, sink))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                await self._flowing.wait()
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.transport.abort()
            self._ends.discard(sink)

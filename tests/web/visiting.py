"""One request to the pages from inside, which also ends when the answer is a stream."""

import asyncio
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.types import ASGIApp


@dataclass(frozen=True)
class Answer:
    """What came back; of a stream only its beginning."""

    status: int
    location: str
    text: str


async def visit(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    cookies: Mapping[str, str],
    form: Mapping[str, str] | None = None,
) -> Answer:
    """Call one page and return its answer."""
    body = urlencode(form or {}).encode()
    started, ended = asyncio.Event(), asyncio.Event()
    seen: dict[str, Any] = {"status": 500, "headers": {}, "body": b""}
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        if waiting:
            return waiting.pop()
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = {key.decode().lower(): value.decode() for key, value in message["headers"]}
            seen.update(status=message["status"], headers=headers)
            started.set()
        elif message["type"] == "http.response.body":
            seen["body"] += message.get("body", b"")

    scope = _scope(method, path, cookies, len(body))
    task = asyncio.ensure_future(_run(app, scope, receive, send, started))
    await started.wait()
    if seen["headers"].get("content-type", "").startswith("text/event-stream"):
        ended.set()
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
    return Answer(
        seen["status"], seen["headers"].get("location", ""), seen["body"].decode(errors="replace")
    )


async def _run(app: ASGIApp, scope: Any, receive: Any, send: Any, started: asyncio.Event) -> None:
    try:
        await app(scope, receive, send)
    finally:
        started.set()


def _scope(method: str, path: str, cookies: Mapping[str, str], length: int) -> dict[str, Any]:
    path, _, query = path.partition("?")
    jar = "; ".join(f"{name}={value}" for name, value in cookies.items())
    headers = {
        "host": "127.0.0.1",
        "accept": "text/html",
        "content-type": "application/x-www-form-urlencoded",
        "content-length": str(length),
        "cookie": jar,
    }
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(key.encode(), value.encode()) for key, value in headers.items() if value],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
    }

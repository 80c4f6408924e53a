"""A real server around an application, and a real Chromium in front of it, for the page tests."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import uvicorn
from playwright.async_api import Browser, Page, async_playwright
from starlette.types import ASGIApp

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
BROWSER_MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
# The browser logs a refusal that a test provokes; scripts and the policy must be silent.
PROVOKED = ("Failed to load resource", "htmx: htmx:sse:error: SSE reconnect failed")


def listen() -> socket.socket:
    """Return a socket on a free port, so that an application can know its address beforehand."""
    return socket.create_server(("127.0.0.1", 0))


@asynccontextmanager
async def serve(app: ASGIApp, listener: socket.socket | None = None) -> AsyncIterator[str]:
    """Serve an application; yield its address."""
    with listener or listen() as bound:
        config = uvicorn.Config(
            app, log_config=None, timeout_graceful_shutdown=1, ws="websockets-sansio"
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[bound]))
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def launch() -> AsyncIterator[Browser]:
    """Start a browser without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


def watch(page: Page, complaints: list[str]) -> None:
    """Collect what scripts and the console complain of."""
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))


def unprovoked(complaints: Sequence[str]) -> list[str]:
    """Return the complaints that no test has provoked."""
    return [text for text in complaints if not text.startswith(PROVOKED)]

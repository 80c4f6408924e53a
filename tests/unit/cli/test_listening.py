"""The port takes connections before anything is loaded: a platform's message waits, not fails."""

import asyncio
import socket
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from house import make_settings

from bot import logs
from bot.cli import serving
from bot.config import Settings
from bot.core.errors import ConfigInvalid


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    made = make_settings(tmp_path, port=port)
    monkeypatch.setattr(serving, "load_settings", lambda: made)
    monkeypatch.setattr(logs, "configure", lambda _level: None)
    return made


def test_what_is_sent_while_it_loads_is_answered_afterwards(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[socket.socket] = []

    def load(found: Settings) -> uvicorn.Config:
        # The platform's side: it connects and sends while nothing here can read it yet.
        platform = socket.create_connection((found.host, found.port), timeout=10)
        platform.sendall(b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n")
        waiting.append(platform)
        return uvicorn.Config(_small(), host=found.host, port=found.port, log_config=None)

    monkeypatch.setattr(serving, "_uvicorn", load)
    monkeypatch.setattr(serving, "_print_pages", lambda _settings: None)
    serving.serve(once_ready="true", workers=1)
    with waiting[0] as platform:
        assert platform.recv(64).startswith(b"HTTP/1.1 200")


def test_a_port_that_is_taken_is_said_in_one_line(settings: Settings) -> None:
    with (
        socket.create_server((settings.host, settings.port)),
        pytest.raises(ConfigInvalid, match=f"XINQING_PORT: {settings.host}:{settings.port}"),
    ):
        serving.serve(once_ready="", workers=1)


def test_the_port_is_free_again_where_the_start_failed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_settings: Settings) -> uvicorn.Config:
        raise ConfigInvalid("nothing to load")

    monkeypatch.setattr(serving, "_uvicorn", fail)
    with pytest.raises(ConfigInvalid, match="nothing to load"):
        serving.serve(once_ready="", workers=1)
    socket.create_server((settings.host, settings.port)).close()


def _small() -> FastAPI:
    app = FastAPI()
    app.state.failure = None

    @app.get("/health")
    async def health() -> dict[str, str]:
        # The command that ends the server is done at once: this answer must still go out.
        await asyncio.sleep(0)
        return {"status": "ok"}

    return app

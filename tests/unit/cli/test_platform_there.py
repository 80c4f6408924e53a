"""`xinqing work` says why nothing will be sent when the demonstration's platform is elsewhere."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot import logs
from bot.cli import serving
from bot.cli.platform_there import without_platform
from bot.config import Settings, load_settings
from bot.db.crypto import new_key

ALERT = {"duty": {"kind": "wecom", "url": "simulator/cgi-bin/webhook/send?key=k"}}


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> int:
    """Return a port where nothing listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def settings(folder: Path, port: int, **more: Any) -> Settings:
    values = {"data_dir": folder, "secret_keys": new_key("k1"), "port": port, "alert": ALERT}
    return load_settings(**values | more)


def test_where_it_answers_nothing_is_said(tmp_path: Path, listening: int) -> None:
    assert without_platform(settings(tmp_path, listening)) is None


def test_where_nothing_answers_the_port_is_named(tmp_path: Path, closed: int) -> None:
    said = without_platform(settings(tmp_path, closed))
    assert said is not None
    assert f"127.0.0.1:{closed}" in said
    assert "XINQING_PORT" in said


@pytest.mark.parametrize(
    "more",
    [
        {"mode": "live"},
        {"alert": {"duty": {"kind": "wecom", "url": "https://qyapi.test/send?key=k"}}},
    ],
)
def test_real_platforms_are_not_looked_for(
    tmp_path: Path, closed: int, more: dict[str, Any]
) -> None:
    assert without_platform(settings(tmp_path, closed, **more)) is None


def test_the_worker_starts_all_the_same(
    tmp_path: Path,
    closed: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    started: list[Settings] = []

    async def start(settings: Settings) -> None:
        started.append(settings)

    made = settings(tmp_path, closed)
    monkeypatch.setattr(serving, "load_settings", lambda: made)
    monkeypatch.setattr(serving, "_work", start)
    monkeypatch.setattr(logs, "configure", lambda _level: None)
    serving.work()
    # In demo mode links lead to the service itself.
    address = f"http://{made.host}:{made.port}"
    assert started == [made.model_copy(update={"public_url": address})]
    assert "演示平台没有应答" in capsys.readouterr().err

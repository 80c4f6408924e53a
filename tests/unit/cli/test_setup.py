"""`xinqing setup`: the settings it writes once are taken, and an existing file is left alone."""

import stat
from pathlib import Path

import pytest

from bot.cli.setup import ROBOT_NAME, _make_env
from bot.config import load_settings
from bot.core.clock import FixedClock
from bot.db.crypto import KeyRing
from bot.simulator.dingtalk_server import FakeDingtalk
from bot.simulator.phones import Phones
from bot.simulator.platform import FakePlatform
from bot.wiring.simulator import make_simulator


def simulator(folder: Path, clock: FixedClock) -> Phones | None:
    """Return the phones of an installation."""
    settings = load_settings(data_dir=folder)
    return make_simulator(settings, FakeDingtalk(FakePlatform(clock)), clock)


async def test_a_demonstration_has_a_service_account_a_robot_and_a_duty_group(
    tmp_path: Path, clock: FixedClock, ring: KeyRing
) -> None:
    path = tmp_path / ".env"
    _make_env(path, with_demo=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    settings = load_settings(data_dir=tmp_path)
    robot = settings.dingtalk["demo"]
    assert (robot.api_base, robot.oapi_base, robot.stream) == ("simulator", "simulator", True)
    assert (robot.robot_name, len(robot.aes_key.get_secret_value())) == (ROBOT_NAME, 43)
    assert robot.agent_id > 0
    assert settings.wechat["demo"].api_base == "simulator"
    assert list(settings.alert) == ["duty"]
    phones = simulator(tmp_path, clock)
    assert phones is not None
    assert phones.wechat is not None
    assert phones.dingtalk is not None
    assert phones.dingtalk.way == "stream"
    await phones.close()


def test_every_installation_has_secrets_of_its_own(tmp_path: Path) -> None:
    names = ("one", "two")
    for name in names:
        (tmp_path / name).mkdir()
        _make_env(tmp_path / name / ".env", with_demo=True)
    one, two = (load_settings(data_dir=tmp_path / name).dingtalk["demo"] for name in names)
    for field in ("app_key", "app_secret", "robot_code", "token", "aes_key"):
        assert getattr(one, field) != getattr(two, field), field


async def test_settings_from_before_the_robot_are_left_alone_and_offer_wechat_only(
    tmp_path: Path, clock: FixedClock, ring: KeyRing
) -> None:
    path = tmp_path / ".env"
    _make_env(path, with_demo=True)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    old = "".join(line for line in lines if not line.startswith("XINQING_DINGTALK"))
    path.write_text(old, encoding="utf-8")
    _make_env(path, with_demo=True)
    assert path.read_text(encoding="utf-8") == old
    phones = simulator(tmp_path, clock)
    assert phones is not None
    assert phones.wechat is not None
    assert phones.dingtalk is None
    await phones.close()


@pytest.mark.parametrize("empty", [True, False], ids=["empty", "real addresses"])
def test_without_an_account_of_the_fake_platform_there_is_no_simulator(
    tmp_path: Path, clock: FixedClock, empty: bool
) -> None:
    path = tmp_path / ".env"
    _make_env(path, with_demo=not empty)
    if not empty:
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("_BASE=simulator", "_BASE=https://api.example"), "utf-8")
    assert simulator(tmp_path, clock) is None

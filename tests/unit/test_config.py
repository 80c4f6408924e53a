"""Settings: what is refused, what is named, where they come from, and what is never shown."""

import asyncio
import base64
import os
import socket
import sys
from pathlib import Path

import pytest
from factories import make_staff
from fakes import FakeAnswers, ReadyScreen
from house import AES_KEY, KEYS, make_settings
from pydantic import SecretStr
from typer.testing import CliRunner

from bot import cli, logs, wiring
from bot.config import AlertChannel, Mode, Settings, WechatAccount, load_settings
from bot.core.clock import SystemClock
from bot.core.crisis import load_crisis
from bot.core.errors import ConfigInvalid
from bot.db import crypto
from bot.db.crypto import new_key
from bot.db.engine import Database, make_engine
from bot.wiring import build
from bot.wiring.channels import make_budgets

ACCOUNT = {
    "XINQING_WECHAT__SCHOOL1__APP_ID": "wx0123456789abcdef",
    "XINQING_WECHAT__SCHOOL1__APP_SECRET": "the-app-secret-itself",
    "XINQING_WECHAT__SCHOOL1__TOKEN": "the-token-itself",
    "XINQING_WECHAT__SCHOOL1__ENCODING_AES_KEY": AES_KEY,
}
ROBOT = {
    "XINQING_ALERT__DUTY__KIND": "wecom",
    "XINQING_ALERT__DUTY__URL": "http://127.0.0.1:1/cgi-bin/webhook/send?key=the-robot-key",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A complete environment, to be spoilt by the test."""
    values = {
        "XINQING_DATA_DIR": str(tmp_path),
        "XINQING_SECRET_KEYS": KEYS,
        "XINQING_ENCODER": "none",
        **ACCOUNT,
        **ROBOT,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_an_account_is_read_by_its_name() -> None:
    settings = load_settings()
    account = settings.wechat["school1"]
    assert (account.app_id, account.mode) == ("wx0123456789abcdef", "safe")
    assert account.token.get_secret_value() == "the-token-itself"
    assert settings.alert["duty"].tier == "district"
    assert settings.mode is Mode.DEMO
    assert settings.url.startswith("sqlite+aiosqlite:///")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("XINQING_SECRET_KEYS", ""),
        ("XINQING_SECRET_KEYS", "   "),
        ("XINQING_WECHAT__SCHOOL1__APP_ID", ""),
        ("XINQING_WECHAT__SCHOOL1__APP_SECRET", ""),
        ("XINQING_WECHAT__SCHOOL1__APP_SECRET", "  "),
        ("XINQING_WECHAT__SCHOOL1__TOKEN", ""),
        ("XINQING_WECHAT__SCHOOL1__TOKEN", " "),
        ("XINQING_WECHAT__SCHOOL1__ENCODING_AES_KEY", ""),
        ("XINQING_WECHAT__SCHOOL1__ENCODING_AES_KEY", AES_KEY[:-1]),
        ("XINQING_WECHAT__SCHOOL1__MODE", "open"),
        ("XINQING_WECHAT__SCHOOL1__ENCODING_AES_KEY", f"{AES_KEY[:-1]}-"),
        ("XINQING_WECHAT__SCHOOL1__ENCODING_AES_KEY", f"{AES_KEY[:-1]}密"),
        ("XINQING_WECHAT__SCHOOL1__PREVIOUS_ENCODING_AES_KEY", "short"),
        ("XINQING_ALERT__DUTY__URL", ""),
        ("XINQING_ALERT__DUTY__KIND", "fax"),
        ("XINQING_MODE", "test"),
        ("XINQING_PORT", "0"),
    ],
)
def test_what_is_empty_or_wrong_is_refused_and_named(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(ConfigInvalid) as caught:
        load_settings()
    assert name in str(caught.value)
    for secret in (KEYS, "itself", "robot-key", AES_KEY[:-1]):
        assert secret not in str(caught.value)


def test_without_any_setting_the_missing_key_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XINQING_DATA_DIR", str(tmp_path))
    with pytest.raises(ConfigInvalid, match="XINQING_SECRET_KEYS"):
        load_settings()


def test_a_plain_account_needs_no_aes_key(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("XINQING_WECHAT__SCHOOL1__MODE", "plain")
    environment.setenv("XINQING_WECHAT__SCHOOL1__ENCODING_AES_KEY", "")
    assert load_settings().wechat["school1"].mode == "plain"


def test_the_file_in_the_data_folder_is_read_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(
        f"XINQING_SECRET_KEYS={KEYS}\nXINQING_PORT=8701\nXINQING_REGION=3212\n", encoding="utf-8"
    )
    monkeypatch.setenv("XINQING_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("XINQING_REGION", "1101")
    settings = load_settings()
    assert (settings.port, settings.region) == (8701, "1101")
    assert settings.secret_keys.get_secret_value() == KEYS
    assert load_settings(port=8702).port == 8702


@pytest.mark.usefixtures("environment")
def test_printing_the_settings_shows_no_secret() -> None:
    shown = repr(load_settings())
    for secret in (KEYS, "the-app-secret", "the-token", AES_KEY, "the-robot-key"):
        assert secret not in shown


def test_every_setting_says_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
    for model in (WechatAccount, AlertChannel):
        assert all(field.description for field in model.model_fields.values())


# Starting -----------------------------------------------------------------------------------------


def test_live_refuses_unsigned_crisis_phrases(tmp_path: Path) -> None:
    assert load_crisis().unsigned(), "nobody has signed yet"
    with pytest.raises(ConfigInvalid, match=r"XINQING_MODE=live: \d+ crisis phrases"):
        build(make_settings(tmp_path, mode=Mode.LIVE))


def test_live_refuses_the_simulators_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "_refuse_unsigned", lambda: None)
    settings = make_settings(tmp_path, mode=Mode.LIVE)
    settings.wechat["school1"].api_base = "simulator"
    with pytest.raises(ConfigInvalid, match="simulator"):
        build(settings, answers=FakeAnswers(), screen=ReadyScreen())


@pytest.mark.parametrize("ring", ["k1:AAAA", "nonsense", f"{KEYS},{KEYS}"])
def test_a_broken_key_ring_is_refused_without_its_value(tmp_path: Path, ring: str) -> None:
    settings = make_settings(tmp_path, secret_keys=SecretStr(ring))
    with pytest.raises(ConfigInvalid) as caught:
        build(settings)
    assert "XINQING_SECRET_KEYS" in str(caught.value)
    assert KEYS not in str(caught.value)


# Commands -----------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _logs_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave logging alone: a command would bind it to a stream that is closed afterwards."""
    monkeypatch.setattr(logs, "configure", lambda _level: None)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, arguments)
    return result.exit_code, result.output


@pytest.mark.usefixtures("environment")
def test_doctor_prints_what_is_in_force_with_secrets_masked(tmp_path: Path) -> None:
    code, output = run("doctor")
    assert code == 1, "the tables have not been made"
    assert "XINQING_WECHAT__SCHOOL1__MODE = safe" in output
    assert f"XINQING_DATA_DIR = {tmp_path}" in output.replace("\n", "")
    assert "XINQING_SECRET_KEYS = ******" in output
    for secret in (KEYS, KEYS[-20:], "the-app-secret", "the-token", AES_KEY, "the-robot-key"):
        assert secret not in output
    assert "数据库的表不是最新" in output


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "postgresql+psycopg://xinqing:the-password@127.0.0.1:1/xinqing",
            "postgresql+psycopg://xinqing:***@127.0.0.1:1/xinqing",
        ),
        (
            "postgresql+psycopg://xinqing@127.0.0.1:1/xinqing?password=the-password",
            "postgresql+psycopg://xinqing@127.0.0.1:1/xinqing?password=%2A%2A%2A",
        ),
    ],
)
def test_doctor_says_that_the_database_is_down_and_shows_no_password(
    environment: pytest.MonkeyPatch, url: str, shown: str
) -> None:
    environment.setenv("XINQING_DATABASE_URL", url)
    environment.setenv("COLUMNS", "200")
    code, output = run("doctor")
    assert code == 1
    assert "[错误] 数据库连不上" in output
    assert shown in output
    assert "the-password" not in output
    assert "Traceback" not in output


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> str:
    """Run a command that refuses with status 2; return its one line on standard error."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("XINQING_PORT", str(probe.getsockname()[1]))
    monkeypatch.setattr(sys, "argv", ["xinqing", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    ours = [line for line in capsys.readouterr().err.splitlines() if line.startswith("xinqing:")]
    assert len(ours) == 1
    assert "the-password" not in ours[0]
    return ours[0]


@pytest.mark.parametrize("command", ["serve", "work"])
def test_a_start_without_its_database_is_refused_in_one_line(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    url = "postgresql+psycopg://xinqing:the-password@127.0.0.1:1/xinqing"
    environment.setenv("XINQING_DATABASE_URL", url)
    assert "XINQING_DATABASE_URL: the database can't be reached" in refused(
        environment, capsys, command
    )


@pytest.mark.parametrize("command", ["serve", "work", "setup", "doctor"])
def test_a_folder_that_can_not_be_made_is_refused_in_one_line(
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    command: str,
) -> None:
    (tmp_path / "file").touch()
    environment.setenv("XINQING_DATA_DIR", str(tmp_path / "file" / "var"))
    assert "XINQING_DATA_DIR" in refused(environment, capsys, command)


def test_other_keys_are_refused_and_doctor_says_so(
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    database_url: str,
    ring: crypto.KeyRing,
) -> None:
    async def fill() -> None:
        database = Database(make_engine(database_url))
        async with database.write() as session:
            await make_staff(session, now=SystemClock().now())
        await database.close()

    asyncio.run(fill())
    environment.setenv("XINQING_DATABASE_URL", database_url)
    environment.setenv("XINQING_SECRET_KEYS", new_key("k1"))
    for command in ("serve", "work"):
        assert "XINQING_SECRET_KEYS: the stored staff.name" in refused(environment, capsys, command)
    code, output = run("doctor")
    assert code == 1
    assert "XINQING_SECRET_KEYS 读不出已存的 staff.name" in output.replace("\n", "")


@pytest.mark.slow
def test_setup_makes_the_secrets_once_and_nobody_else_may_read_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "var"
    monkeypatch.setenv("XINQING_DATA_DIR", str(folder))
    monkeypatch.setenv("XINQING_ENCODER", "none")
    code, output = run("setup", "--demo")
    assert code == 0
    assert "一次性密码" in output
    env = folder / ".env"
    made = env.read_text(encoding="utf-8")
    assert env.stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0
    key = next(line for line in made.splitlines() if line.startswith("XINQING_SECRET_KEYS="))
    assert len(base64.b64decode(key.partition(":")[2])) == 32
    again, output = run("setup", "--demo")
    assert again == 0
    assert "已经设置过" in output
    assert env.read_text(encoding="utf-8") == made
    code, output = run("doctor")
    assert code == 0, output
    assert "七天内没有空缺" in output
    monkeypatch.setenv("XINQING_SECRET_KEYS", f"{new_key('k2')},{key.partition('=')[2]}")
    code, output = run("rotate-keys")
    assert code == 0
    assert int("".join(filter(str.isdigit, output))) > 0
    monkeypatch.setenv("XINQING_SECRET_KEYS", new_key("k3"))
    with pytest.raises(ConfigInvalid, match="XINQING_SECRET_KEYS"):
        CliRunner().invoke(cli.app, ["rotate-keys"], catch_exceptions=False)


DINGTALK_ROBOT: dict[str, object] = {
    "app_key": "k",
    "app_secret": "s",
    "robot_code": "r",
    "agent_id": 7,
}
CALL: dict[str, object] = {"kind": "dingtalk_work", "robot": "One", "people": "t1"}
CARD: dict[str, object] = {"kind": "dingtalk_card", "robot": "one", "group": "g", "template": "t"}


@pytest.mark.parametrize(
    ("alert", "robot", "problem"),
    [
        ({"kind": "wecom"}, {}, "XINQING_ALERT__DUTY__URL"),
        (CALL | {"robot": ""}, {}, "XINQING_ALERT__DUTY__ROBOT"),
        (CALL | {"robot": "two"}, {}, "XINQING_ALERT__DUTY__ROBOT"),
        (CALL | {"people": " , "}, {}, "XINQING_ALERT__DUTY__PEOPLE"),
        (CALL, {"agent_id": 0}, "XINQING_DINGTALK__ONE__AGENT_ID"),
        (CARD | {"template": ""}, {}, "XINQING_ALERT__DUTY__GROUP"),
        (CARD, {"stream": False}, "XINQING_DINGTALK__ONE__CARD_SECRET"),
    ],
)
def test_a_call_in_dingtalk_says_what_is_missing(
    tmp_path: Path, alert: dict[str, object], robot: dict[str, object], problem: str
) -> None:
    with pytest.raises(ConfigInvalid, match=problem):
        load_settings(
            data_dir=tmp_path,
            secret_keys=new_key("k1"),
            alert={"duty": alert},
            dingtalk={"one": DINGTALK_ROBOT | robot},
        )


def test_listed_people_are_each_called_once(tmp_path: Path) -> None:
    settings = load_settings(
        data_dir=tmp_path,
        secret_keys=new_key("k1"),
        alert={"duty": CALL | {"people": "t1, t2，t1,"}, "card": CARD},
        dingtalk={"one": DINGTALK_ROBOT},
    )
    assert settings.alert["duty"].staff_ids == ("t1", "t2")


def test_robots_of_one_organisation_have_one_quota(tmp_path: Path) -> None:
    robots = {
        "one": DINGTALK_ROBOT | {"organisation": "district"},
        "two": DINGTALK_ROBOT | {"organisation": "district"},
        "three": DINGTALK_ROBOT,
    }
    settings = load_settings(data_dir=tmp_path, secret_keys=new_key("k1"), dingtalk=robots)
    scopes = {budget.scope for budget in make_budgets(settings).values()}
    assert scopes == {"dingtalk/district", "dingtalk/three"}
    robots["two"] |= {"calls_per_month": 9}
    with pytest.raises(ConfigInvalid, match="XINQING_DINGTALK__TWO__CALLS_PER_MONTH"):
        load_settings(data_dir=tmp_path, secret_keys=new_key("k1"), dingtalk=robots)


def test_nothing_of_this_machine_leaks_into_the_tests() -> None:
    assert [name for name in os.environ if name.startswith("XINQING_WECHAT")] == []

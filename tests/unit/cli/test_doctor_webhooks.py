"""What `xinqing doctor` says of DingTalk webhooks that count in no organisation's month."""

from pathlib import Path

import pytest

from bot.cli.doctor import WARN, _uncounted
from bot.config import Settings, load_settings
from bot.db.crypto import new_key

ROBOT = {"app_key": "k", "app_secret": "s", "robot_code": "r"}
WEBHOOK = {"kind": "dingtalk", "url": "https://oapi.test/robot/send?access_token=secret-token"}


def settings(folder: Path, alert: dict[str, str], *, robots: bool = True) -> Settings:
    return load_settings(
        data_dir=folder,
        secret_keys=new_key("k1"),
        alert={"duty": alert},
        dingtalk={"one": ROBOT} if robots else {},
    )


@pytest.mark.parametrize("robot", ["", "two"])
def test_a_webhook_of_no_robot_is_named(tmp_path: Path, robot: str) -> None:
    ((state, words),) = _uncounted(settings(tmp_path, WEBHOOK | {"robot": robot}))
    assert state == WARN
    assert "XINQING_ALERT__DUTY__ROBOT" in words
    assert "secret-token" not in words


def test_a_webhook_that_names_its_robot_is_in_order(tmp_path: Path) -> None:
    assert _uncounted(settings(tmp_path, WEBHOOK | {"robot": "One"})) == []


def test_without_robots_or_of_wecom_there_is_nothing_to_count(tmp_path: Path) -> None:
    assert _uncounted(settings(tmp_path, WEBHOOK, robots=False)) == []
    assert _uncounted(settings(tmp_path, WEBHOOK | {"kind": "wecom"})) == []

"""What `xinqing doctor` says of a month's quota."""

from datetime import UTC, datetime

import pytest

from bot.cli.doctor import BAD, OK, WARN, _used
from bot.services.quota import Usage

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("one", "state", "words"),
    [
        (Usage("dingtalk/a", "calls", 7, 0, None, None), OK, "接口调用：已用 7，未设上限"),
        (Usage("dingtalk/a", "calls", 70, 100, None, None), OK, "已用 70/100（70%）"),
        (Usage("dingtalk/a", "messages", 80, 100, None, None), WARN, "收到的消息：已用 80/100"),
        (Usage("dingtalk/a", "calls", 10, 100, NOW, None), WARN, "11-22 12:00 用完"),
        (Usage("dingtalk/a", "calls", 10, 100, None, NOW), BAD, "平台 11-22 12:00 说已用完"),
    ],
)
def test_each_state_has_its_line(one: Usage, state: str, words: str) -> None:
    said = _used(one)
    assert said[0] == state
    assert words in said[1]
    assert "dingtalk/a" in said[1]

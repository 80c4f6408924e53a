"""The suite of every alert sender: what the ladder may rely on. A new kind joins by its name."""

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx2
import pytest
import stamina

from bot.channels.alerts import make_alert_sender
from bot.channels.http import make_http
from bot.core.clock import FixedClock
from bot.core.errors import ChannelError
from bot.core.ports import AlertSender
from bot.simulator.platform import FakePlatform, Fault
from bot.simulator.wechat_server import make_fake_wechat

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=10, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture(params=["wecom", "dingtalk"])
def alert(request: pytest.FixtureRequest) -> tuple[AlertSender, FakePlatform, str]:
    clock = FixedClock(NOW)
    platform = FakePlatform(clock)
    platform.add_robot("robot", "SECx" if request.param == "dingtalk" else "")
    path, query = {
        "wecom": ("/cgi-bin/webhook/send", "key=robot"),
        "dingtalk": ("/robot/send", "access_token=robot"),
    }[request.param]
    sender = make_alert_sender(
        "hall",
        kind=request.param,
        url=f"http://fake{path}?{query}",
        secret="SECx",
        http=make_http(httpx2.ASGITransport(make_fake_wechat(platform))),
        clock=clock,
    )
    return sender, platform, path


async def test_an_alert_arrives(alert: tuple[AlertSender, FakePlatform, str]) -> None:
    sender, platform, _ = alert
    assert sender.name == "hall"
    await sender.send("请打开工作台。", mention_all=True, key="alert-1")
    assert platform.texts("robot") == ["请打开工作台。"]
    await sender.close()


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.TOO_MANY, Fault.HTML, Fault.BUSY])
async def test_an_alert_that_failed_may_be_tried_again(
    alert: tuple[AlertSender, FakePlatform, str], fault: Fault
) -> None:
    sender, platform, path = alert
    platform.fail(path, fault)
    with pytest.raises(ChannelError) as caught:
        await sender.send("请打开工作台。", mention_all=True, key="alert-1")
    assert caught.value.retryable
    await sender.send("请打开工作台。", mention_all=True, key="alert-1")
    assert platform.texts("robot") == ["请打开工作台。"]
    await sender.close()

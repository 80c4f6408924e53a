"""The simulator's side of the platforms, in demo mode. Called by `bot.wiring` only."""

import httpx2

from bot.config import Settings, WechatAccount
from bot.core.clock import Clock
from bot.simulator.dingtalk_server import FakeDingtalk
from bot.simulator.driver import WechatCredentials, WechatDriver
from bot.simulator.parents import ParentSimulator
from bot.wiring.channels import SIMULATOR, address


def make_simulator(
    settings: Settings, dingtalk: FakeDingtalk, clock: Clock
) -> ParentSimulator | None:
    """Return the simulator for the first account whose API is the fake platform."""
    found = [
        (name, account)
        for name, account in settings.wechat.items()
        if account.api_base.startswith(SIMULATOR)
    ]
    if not found:
        return None
    platform = dingtalk.platform
    for robot in settings.dingtalk.values():
        if robot.api_base.startswith(SIMULATOR):
            dingtalk.add_robot(robot.app_key, robot.app_secret.get_secret_value(), robot.robot_code)
    name, account = found[0]
    platform.add_app(account.app_id, account.app_secret.get_secret_value())
    robots: list[str] = []
    for alert in settings.alert.values():
        url = httpx2.URL(address(settings, alert.url.get_secret_value()))
        key = url.params.get("key") or url.params.get("access_token") or ""
        platform.add_robot(key, alert.secret.get_secret_value())
        robots.append(key)
    driver = WechatDriver(
        f"http://127.0.0.1:{settings.port}",
        _credentials(name, account),
        clock=clock,
        platform=platform,
    )
    return ParentSimulator(driver, platform, robots)


def _credentials(name: str, account: WechatAccount) -> WechatCredentials:
    return WechatCredentials(
        account=name,
        app_id=account.app_id,
        token=account.token.get_secret_value(),
        encoding_aes_key=account.encoding_aes_key.get_secret_value(),
        mode=account.mode,
    )

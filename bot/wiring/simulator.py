"""The simulator's side of the platforms, in demo mode. Called by `bot.wiring` only."""

import httpx2

from bot.config import DingtalkRobot, Settings, WechatAccount
from bot.core.clock import Clock
from bot.simulator.dingtalk_driver import DingtalkCredentials, DingtalkDriver
from bot.simulator.dingtalk_families import fill
from bot.simulator.dingtalk_phone import DingtalkPhone
from bot.simulator.dingtalk_server import FakeDingtalk
from bot.simulator.driver import WechatCredentials, WechatDriver
from bot.simulator.phones import Phones
from bot.simulator.wechat_phone import WechatPhone
from bot.web.simulator import DINGTALK, cast
from bot.wiring.channels import DINGTALK_PATH, SIMULATOR, address


def make_simulator(settings: Settings, dingtalk: FakeDingtalk, clock: Clock) -> Phones | None:
    """Return phones for the first account of each platform whose API is the fake one."""
    wechat, robot = _wechat(settings, dingtalk, clock), _dingtalk(settings, dingtalk, clock)
    if wechat is None and robot is None:
        return None
    groups = _duty_groups(settings, dingtalk)
    fill(dingtalk.families)
    return Phones(dingtalk.platform, wechat=wechat, dingtalk=robot, robots=groups)


def _wechat(settings: Settings, dingtalk: FakeDingtalk, clock: Clock) -> WechatPhone | None:
    platform = dingtalk.platform
    for name, account in settings.wechat.items():
        if account.api_base.startswith(SIMULATOR):
            platform.add_app(account.app_id, account.app_secret.get_secret_value())
            credentials = _account(name, account)
            return WechatPhone(
                WechatDriver(_own(settings), credentials, clock=clock, platform=platform)
            )
    return None


def _dingtalk(settings: Settings, dingtalk: FakeDingtalk, clock: Clock) -> DingtalkPhone | None:
    phones: list[DingtalkPhone] = []
    for name, robot in settings.dingtalk.items():
        if not robot.api_base.startswith(SIMULATOR):
            continue
        dingtalk.add_robot(robot.app_key, robot.app_secret.get_secret_value(), robot.robot_code)
        phones.append(_robot_phone(settings, name, robot, dingtalk, clock))
    return phones[0] if phones else None


def _robot_phone(
    settings: Settings, name: str, robot: DingtalkRobot, dingtalk: FakeDingtalk, clock: Clock
) -> DingtalkPhone:
    driver = DingtalkDriver(
        _own(settings),
        _robot(name, robot),
        clock=clock,
        dingtalk=dingtalk,
        webhook_base=address(settings, robot.oapi_base, DINGTALK_PATH),
    )
    threads = [thread for thread in cast().threads.values() if thread.platform == DINGTALK]
    return DingtalkPhone(
        driver,
        dingtalk,
        stream=robot.stream,
        robot_name=robot.robot_name,
        people=[thread.key for thread in threads if not thread.members],
        groups=[thread.key for thread in threads if thread.members],
    )


def _duty_groups(settings: Settings, dingtalk: FakeDingtalk) -> list[str]:
    """Register the robots of the duty groups and return their keys."""
    keys: list[str] = []
    for alert in settings.alert.values():
        url = httpx2.URL(address(settings, alert.url.get_secret_value()))
        key = url.params.get("key") or url.params.get("access_token") or ""
        dingtalk.platform.add_robot(key, alert.secret.get_secret_value())
        keys.append(key)
    return keys


def _own(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.port}"


def _account(name: str, account: WechatAccount) -> WechatCredentials:
    return WechatCredentials(
        account=name,
        app_id=account.app_id,
        token=account.token.get_secret_value(),
        encoding_aes_key=account.encoding_aes_key.get_secret_value(),
        mode=account.mode,
    )


def _robot(name: str, robot: DingtalkRobot) -> DingtalkCredentials:
    return DingtalkCredentials(
        robot=name,
        app_key=robot.app_key,
        app_secret=robot.app_secret.get_secret_value(),
        robot_code=robot.robot_code,
        token=robot.token.get_secret_value(),
        aes_key=robot.aes_key.get_secret_value(),
    )

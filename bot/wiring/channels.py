"""Channels, Stream connections and alert senders, from settings. Called by `bot.wiring` only."""

from collections.abc import Mapping
from functools import partial

import httpx2

from bot.channels.alerts import make_alert_sender
from bot.channels.cards import Cards
from bot.channels.dingtalk.alerts import CardAlerts, CardCallback, DingAlerts, WorkAlerts
from bot.channels.dingtalk.channel import DingtalkChannel
from bot.channels.dingtalk.client import DingtalkClient
from bot.channels.dingtalk.directory import DingtalkDirectory
from bot.channels.dingtalk.stream import StreamClient
from bot.channels.dingtalk.work import WorkNotices
from bot.channels.http import make_http
from bot.channels.reception import Reception
from bot.channels.trouble import Trouble
from bot.channels.webpush import WebPush
from bot.channels.wechat.channel import WechatChannel
from bot.channels.wechat.client import WechatClient
from bot.channels.wechat.codes import SceneCodes
from bot.channels.wechat.template import WechatNoticeTemplate, parse_fields
from bot.config import WEBHOOKS, AlertChannel, DingtalkRobot, Mode, Settings, WechatAccount
from bot.core.clock import Clock
from bot.core.errors import ConfigInvalid
from bot.core.ports import (
    AlertSender,
    Caller,
    Channel,
    ManySender,
    NoticeTemplate,
    Prover,
    Pusher,
)
from bot.services.class_codes import CodeMaker
from bot.services.container import Services
from bot.services.quota import Budget, Meter
from bot.services.tokens import DatabaseTokens, TokenStore

SIMULATOR = "simulator"
WECHAT_PATH = "/simulator/platform"
DINGTALK_PATH = "/simulator/dingtalk"
Transport = httpx2.AsyncBaseTransport | None


def address(settings: Settings, value: str, path: str = WECHAT_PATH) -> str:
    """Return an API address, where `simulator` stands for this service's own fake platform.

    Args:
        path: where that platform is mounted.

    Raises:
        ConfigInvalid: the fake platform in live mode.
    """
    if not value.startswith(SIMULATOR):
        return value
    if settings.mode is Mode.LIVE:
        raise ConfigInvalid("the simulator's platform can't be used in live mode")
    return f"http://127.0.0.1:{settings.port}{path}{value.removeprefix(SIMULATOR)}"


def make_many_senders(
    channels: Mapping[tuple[str, str], Channel],
) -> dict[tuple[str, str], ManySender]:
    """Return the accounts that tell the same words to many people in one call."""
    return {
        account: channel
        for account, channel in channels.items()
        if isinstance(channel, DingtalkChannel)
    }


def make_budgets(settings: Settings) -> dict[tuple[str, str], Budget]:
    """Return the month's quota of every account that has one."""
    return {
        ("dingtalk", name): Budget(
            robot.scope(name), robot.calls_per_month, robot.messages_per_month
        )
        for name, robot in settings.dingtalk.items()
    }


def make_channels(
    settings: Settings, services: Services, transport: Transport, meter: Meter
) -> dict[tuple[str, str], Channel]:
    """Return every account's channel by (channel, account)."""
    tokens = DatabaseTokens(services.database, services.clock)
    channels: dict[tuple[str, str], Channel] = {}
    for name, account in settings.wechat.items():
        channels["wechat", name] = _wechat(
            settings, name, account, tokens, services.clock, transport
        )
    for name, robot in settings.dingtalk.items():
        client = _dingtalk_client(settings, name, robot, tokens, services.clock, transport, meter)
        channels["dingtalk", name] = DingtalkChannel(
            name,
            app_key=robot.app_key,
            app_secret=robot.app_secret.get_secret_value(),
            client=client,
            clock=services.clock,
            token=robot.token.get_secret_value(),
            aes_key=robot.aes_key.get_secret_value(),
            previous_aes_key=robot.previous_aes_key.get_secret_value(),
            freshness_seconds=robot.freshness_seconds,
            robot_over_http=not robot.stream,
            robot_names=_names(robot),
        )
    return channels


def make_directories(
    channels: Mapping[tuple[str, str], Channel],
) -> dict[str, DingtalkDirectory]:
    """Return the directory of families of every robot's organisation, by the robot's name."""
    return {
        name: DingtalkDirectory(channel.client)
        for (_, name), channel in channels.items()
        if isinstance(channel, DingtalkChannel)
    }


def make_class_codes(channels: Mapping[tuple[str, str], Channel]) -> dict[str, CodeMaker]:
    """Return who makes the address of a class's QR code, by WeChat account."""
    return {
        name: SceneCodes(channel.client).address
        for (_, name), channel in channels.items()
        if isinstance(channel, WechatChannel)
    }


def make_streams(
    settings: Settings,
    services: Services,
    channels: Mapping[tuple[str, str], Channel],
    reception: Reception,
    trouble: Trouble,
    cards: Cards,
) -> dict[str, StreamClient]:
    """Return a Stream connection for every robot that receives that way, by its name."""
    streams: dict[str, StreamClient] = {}
    for name, robot in settings.dingtalk.items():
        channel = channels["dingtalk", name]
        if not robot.stream or not isinstance(channel, DingtalkChannel):
            continue
        streams[name] = StreamClient(
            name,
            client=channel.client,
            accept=reception.take,
            on_event=reception.accept,
            on_card=partial(cards.click, name),
            on_trouble=trouble.of("dingtalk", name),
            clock=services.clock,
            robot_names=_names(robot),
        )
    return streams


def _wechat(
    settings: Settings,
    name: str,
    account: WechatAccount,
    tokens: TokenStore,
    clock: Clock,
    transport: Transport,
) -> WechatChannel:
    client = WechatClient(
        name,
        app_id=account.app_id,
        app_secret=account.app_secret.get_secret_value(),
        api_base=address(settings, account.api_base),
        tokens=tokens,
        clock=clock,
        http=make_http(transport),
    )
    return WechatChannel(
        name,
        app_id=account.app_id,
        token=account.token.get_secret_value(),
        encoding_aes_key=account.encoding_aes_key.get_secret_value(),
        mode=account.mode,
        client=client,
        clock=clock,
        freshness_seconds=settings.freshness_seconds,
        previous_encoding_aes_key=account.previous_encoding_aes_key.get_secret_value(),
    )


def _dingtalk_client(
    settings: Settings,
    name: str,
    robot: DingtalkRobot,
    tokens: TokenStore,
    clock: Clock,
    transport: Transport,
    meter: Meter,
) -> DingtalkClient:
    return DingtalkClient(
        name,
        app_key=robot.app_key,
        app_secret=robot.app_secret.get_secret_value(),
        robot_code=robot.robot_code,
        api_base=address(settings, robot.api_base, DINGTALK_PATH),
        oapi_base=address(settings, robot.oapi_base, DINGTALK_PATH),
        tokens=tokens,
        clock=clock,
        http=make_http(transport),
        on_call=meter.calls_of(("dingtalk", name)),
    )


def _names(robot: DingtalkRobot) -> tuple[str, ...]:
    return (robot.robot_name,) if robot.robot_name else ()


def make_cards(settings: Settings, services: Services, meter: Meter) -> Cards:
    """Return what answers clicks on cards."""
    targets = {
        robot: frozenset(
            name
            for name, alert in settings.alert.items()
            if alert.kind == "dingtalk_card" and alert.robot.lower() == robot
        )
        for robot in settings.dingtalk
    }
    secrets = {
        name: robot.card_secret.get_secret_value()
        for name, robot in settings.dingtalk.items()
        if robot.card_secret.get_secret_value()
    }
    freshness = {name: robot.freshness_seconds for name, robot in settings.dingtalk.items()}
    return Cards(services, secrets=secrets, freshness=freshness, targets=targets, heard=meter.heard)


def make_senders(
    settings: Settings,
    clock: Clock,
    transport: Transport,
    channels: Mapping[tuple[str, str], Channel],
    meter: Meter,
) -> dict[str, AlertSender]:
    """Return the ways to wake people, by name.

    Args:
        channels: whose clients carry what leaves through a DingTalk robot.
    """
    senders: dict[str, AlertSender] = {}
    for name, alert in settings.alert.items():
        robot = ("dingtalk", alert.robot.lower())
        channel = channels.get(robot)
        if alert.kind in WEBHOOKS:
            senders[name] = make_alert_sender(
                name,
                kind=alert.kind,
                url=address(settings, alert.url.get_secret_value()),
                secret=alert.secret.get_secret_value(),
                http=make_http(transport),
                clock=clock,
                on_call=meter.calls_of(robot),
            )
        elif isinstance(channel, DingtalkChannel):
            senders[name] = _robot_sender(settings, name, alert, channel.client)
        else:
            raise ConfigInvalid(f"XINQING_ALERT__{name.upper()}__ROBOT: there is no such robot")
    return senders


def _robot_sender(
    settings: Settings, name: str, alert: AlertChannel, client: DingtalkClient
) -> AlertSender:
    robot = settings.dingtalk[alert.robot.lower()]
    if alert.kind == "dingtalk_work":
        return WorkAlerts(name, alert.staff_ids, WorkNotices(client, robot.agent_id))
    if alert.kind == "dingtalk_ding":
        return DingAlerts(name, alert.staff_ids, client)
    callback = None
    if not robot.stream and robot.card_secret.get_secret_value():
        url = f"{settings.public_url.rstrip('/')}/callbacks/dingtalk/{alert.robot.lower()}/card"
        callback = CardCallback(url, robot.card_secret.get_secret_value())
    return CardAlerts(name, client, group=alert.group, template=alert.template, callback=callback)


def callers_of(senders: Mapping[str, AlertSender]) -> dict[str, Caller]:
    """Return the senders that can call single people of their organisation."""
    return {
        name: sender
        for name, sender in senders.items()
        if isinstance(sender, WorkAlerts | DingAlerts)
    }


def make_pusher(settings: Settings, clock: Clock, transport: Transport) -> Pusher | None:
    """Return what wakes browsers; None without a key.

    Raises:
        ConfigInvalid: the key or the subject is unusable.
    """
    key = settings.push_private_key.get_secret_value()
    if not key:
        return None
    return WebPush(
        key,
        subject=settings.push_subject,
        http=make_http(transport),
        clock=clock,
        hosts=settings.push_hosts.replace("，", ",").split(","),
        loopback=settings.mode is Mode.DEMO,
    )


def make_templates(
    settings: Settings, channels: Mapping[tuple[str, str], Channel]
) -> dict[str, NoticeTemplate]:
    """Return the template messages for notices, by WeChat account.

    Raises:
        ConfigInvalid: a template's fields make no sense.
    """
    templates: dict[str, NoticeTemplate] = {}
    for name, account in settings.wechat.items():
        channel = channels["wechat", name]
        if not account.notice_template or not isinstance(channel, WechatChannel):
            continue
        try:
            fields = parse_fields(account.notice_fields)
        except ValueError as error:
            raise ConfigInvalid(f"XINQING_WECHAT__{name.upper()}__NOTICE_FIELDS: {error}") from None
        templates[name] = WechatNoticeTemplate(
            channel.client, template_id=account.notice_template, fields=fields
        )
    return templates


def chat_staff(settings: Settings) -> dict[str, str]:
    """Return the robots at which staff are known by their id, with the scene of their place.

    A person's id says who they are within one organisation only. Where there are several, a robot
    without a home of its own knows nobody: another organisation could hand out the same id.
    """
    robots = settings.dingtalk
    alone = len({robot.scope(name) for name, robot in robots.items()}) == 1
    return {name: robot.home for name, robot in robots.items() if robot.home or alone}


def provers_of(senders: Mapping[str, AlertSender]) -> dict[str, Prover]:
    """Return the senders whose platform says only afterwards whom they reached."""
    return {name: sender for name, sender in senders.items() if isinstance(sender, WorkAlerts)}

"""The one place that builds concrete objects: from settings to a running house.

Called by `bot.app` (web process), by `xinqing work` (worker process) and by the batch commands.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

import httpx2

import handlers
from bot.channels.callbacks import Callbacks
from bot.channels.cards import Cards
from bot.channels.dingtalk.stream import StreamClient
from bot.channels.handover import Handover
from bot.channels.reception import Reception
from bot.channels.trouble import Trouble
from bot.config import Mode, Settings, make_folder
from bot.core.bell import Bell
from bot.core.clock import Clock, SystemClock
from bot.core.crisis import load_crisis
from bot.core.errors import ConfigInvalid
from bot.core.phrases import load_alerts, load_phrases
from bot.core.ports import AlertSender, Channel
from bot.db import crypto
from bot.db.engine import Database, make_engine
from bot.jobs.registry import JobRegistry
from bot.jobs.retention import register_forgetting
from bot.jobs.worker import Worker
from bot.pipeline.again import SecondLook
from bot.pipeline.calls import Calls
from bot.pipeline.courses import CourseJobs
from bot.pipeline.delivery import Deliverer
from bot.pipeline.inbox import Inbox
from bot.pipeline.notice_batches import NoticeBatches
from bot.pipeline.notices import Notices
from bot.pipeline.patience import Patience
from bot.pipeline.read_states import ReadStates
from bot.pipeline.reminders import Reminders
from bot.pipeline.router import Router
from bot.pipeline.saving import Saving
from bot.pipeline.typing_signs import TypingSigns
from bot.pipeline.work import Proofs
from bot.services.alert_people import PUSH, STAFF
from bot.services.alerts import AlertPolicy, AlertTarget
from bot.services.anchors import Anchors
from bot.services.answers import Answers
from bot.services.container import Services
from bot.services.drills import DrillJobs
from bot.services.guarding import guarded
from bot.services.handbook_in_force import HandbookInForce
from bot.services.hotlines import Lines
from bot.services.importing.work import Imports
from bot.services.live import LiveEvents
from bot.services.quota import Meter
from bot.services.replays import Replays
from bot.services.retention import Nights
from bot.services.roster_watch import RosterJobs
from bot.services.rules_in_force import RulesInForce
from bot.services.screening import Screen
from bot.simulator.dingtalk_server import FakeDingtalk
from bot.simulator.platform import FakePlatform
from bot.wiring.answers import HANDBOOK, HandbookShelf, make_answers, open_answers
from bot.wiring.channels import (
    callers_of,
    chat_staff,
    make_budgets,
    make_cards,
    make_channels,
    make_class_codes,
    make_directories,
    make_many_senders,
    make_pusher,
    make_senders,
    make_streams,
    make_templates,
    provers_of,
)
from bot.wiring.simulator import make_simulator
from handlers import FALLBACK, HANDLERS

__all__ = ["HANDBOOK", "House", "build", "make_answers", "make_screen"]


@dataclass(frozen=True, slots=True)
class House:
    """Everything that runs in one process."""

    settings: Settings
    services: Services
    inbox: Inbox
    router: Router
    reception: Reception
    callbacks: Callbacks
    cards: Cards
    meter: Meter
    trouble: Trouble
    rules_in_force: RulesInForce
    handbook_in_force: HandbookInForce
    streams: dict[str, StreamClient]
    handover: Handover
    deliverer: Deliverer
    worker: Worker
    channels: dict[tuple[str, str], Channel]
    senders: dict[str, AlertSender]
    platform: FakePlatform | None
    dingtalk: FakeDingtalk | None

    async def close(self) -> None:
        """Close connections; the worker has been stopped before."""
        for channel in self.channels.values():
            await channel.close()
        for sender in self.senders.values():
            await sender.close()
        if self.services.pusher is not None:
            await self.services.pusher.close()
        await self.meter.close()
        if self.services.simulator is not None:
            await self.services.simulator.close()
        await self.services.live.close()
        await self.services.database.close()


def build(
    settings: Settings,
    clock: Clock | None = None,
    *,
    answers: Answers | None = None,
    screen: Screen | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
    random: Random | None = None,
) -> House:
    """Build a house from settings; nothing is opened yet and the tables are not touched.

    Args:
        answers: instead of the handbook and encoder of the settings (tests); no file is followed.
        screen: instead of the packaged rules (tests).
        transport: instead of the network, for every call to a platform (tests).
        random: of the worker's choices and waits (a simulated day).

    Raises:
        ConfigInvalid: live mode with unsigned crisis phrases, a broken key ring or account.
    """
    clock = clock or SystemClock()
    if settings.mode is Mode.LIVE:
        _refuse_unsigned()
    ring = crypto.KeyRing.parse(settings.secret_keys.get_secret_value())
    crypto.install(ring)
    make_folder(settings.data_dir)
    database = Database(make_engine(settings.url, synchronous=settings.sqlite_synchronous))
    bell = Bell()
    live = LiveEvents(database, clock)
    bell.listen(live.wake)
    dingtalk = FakeDingtalk(FakePlatform(clock)) if settings.mode is Mode.DEMO else None
    shelf = HandbookShelf(settings) if answers is None else None
    services = Services(
        database=database,
        clock=clock,
        ring=ring,
        mode=settings.mode.value,
        phrases=load_phrases(),
        lines=Lines(),
        screen=screen or make_screen(settings),
        policy=_policy(settings),
        live=live,
        bell=bell,
        answers=answers or open_answers(settings, shelf),
        public_url=settings.public_url.rstrip("/"),
        region=settings.region,
        budgets=tuple(make_budgets(settings).values()),
        directories={name: robot.home for name, robot in settings.dingtalk.items()},
        templates=frozenset(
            name for name, account in settings.wechat.items() if account.notice_template
        ),
        chat_staff=chat_staff(settings),
        second_factor_required=settings.second_factor_required,
    )
    simulator = make_simulator(settings, dingtalk, clock) if dingtalk else None
    pusher = make_pusher(settings, clock, transport)
    services = replace(services, simulator=simulator, pusher=pusher)
    return _assemble(settings, services, shelf, dingtalk, transport, random)


def _assemble(
    settings: Settings,
    services: Services,
    shelf: HandbookShelf | None,
    dingtalk: FakeDingtalk | None,
    transport: httpx2.AsyncBaseTransport | None,
    random: Random | None,
) -> House:
    clock = services.clock
    inbox = Inbox(
        services.database,
        clock,
        services.screen,
        services.policy,
        services.bell,
        _homes(settings),
    )
    router = Router(services, HANDLERS, FALLBACK)
    meter = Meter(services.database, clock, services.policy, make_budgets(settings))
    channels = make_channels(settings, services, transport, meter)
    services = replace(services, class_codes=make_class_codes(channels))
    saving = Saving(meter, clock)
    templates = make_templates(settings, channels)
    notices = Notices(services, channels, templates, saving)
    batches = NoticeBatches(services, make_many_senders(channels), templates.keys(), saving)
    reception = Reception(inbox, router, heard=meter.heard, reported=notices.reported)
    trouble = Trouble(services)
    cards = make_cards(settings, services, meter)
    streams = make_streams(settings, services, channels, reception, trouble, cards)
    senders = make_senders(settings, clock, transport, channels, meter)
    handover = Handover(services)
    proofs = Proofs(services, provers_of(senders))
    patience = Patience(services.database, clock)
    calls = Calls(services, callers_of(senders), services.pusher)
    deliverer = Deliverer(services, router, channels, senders, patience, saving, proofs, calls)
    registry = JobRegistry()
    deliverer.register(registry)
    notices.register(registry)
    batches.register(registry)
    SecondLook(services, lambda: inbox.crowd.behind or router.crowded, handlers.risk).register(
        registry
    )
    rules = RulesInForce(services.database, clock, services.screen)
    Replays(services.database, clock, services.screen, rules).register(registry)
    CourseJobs(services).register(registry)
    Reminders(services.policy, clock).register(registry)
    TypingSigns(services.database, channels).register(registry)
    ReadStates(services, channels).register(registry)
    Imports(services.database, clock, services.ring, make_directories(channels)).register(registry)
    register_forgetting(registry, clock)
    Nights(clock, services.policy).register(registry)
    Anchors(settings.data_dir).register(registry, clock)
    RosterJobs(clock, services.policy).register(registry)
    DrillJobs(clock).register(registry)
    worker = Worker(
        services.database,
        registry,
        slots=settings.worker_slots,
        lease_seconds=settings.lease_seconds,
        clock=clock,
        random=random,
    )
    return House(
        settings=settings,
        services=services,
        inbox=inbox,
        router=router,
        reception=reception,
        callbacks=Callbacks(reception, channels, handover, trouble),
        cards=cards,
        meter=meter,
        trouble=trouble,
        rules_in_force=rules,
        handbook_in_force=HandbookInForce(services.database, clock, services.answers, shelf),
        streams=streams,
        handover=handover,
        deliverer=deliverer,
        worker=worker,
        channels=channels,
        senders=senders,
        platform=dingtalk.platform if dingtalk else None,
        dingtalk=dingtalk,
    )


def make_screen(settings: Settings) -> Screen:
    """Load the rules and the classifier beside them; without one the rules go on alone."""
    classifier, unaided = guarded(settings.risk_model)
    return Screen(
        keep=settings.data_dir / "rules-last-good", classifier=classifier, unaided=unaided
    )


def _refuse_unsigned() -> None:
    missing = load_crisis().unsigned()
    if missing:
        raise ConfigInvalid(
            f"XINQING_MODE=live: {len(missing)} crisis phrases are not signed by a reviewer "
            f"(first: {missing[0]}); use XINQING_MODE=demo until they are"
        )


def _homes(settings: Settings) -> dict[tuple[str, str], str]:
    wechat = {("wechat", name): account.home for name, account in settings.wechat.items()}
    dingtalk = {("dingtalk", name): robot.home for name, robot in settings.dingtalk.items()}
    return wechat | dingtalk


def _policy(settings: Settings) -> AlertPolicy:
    base = settings.public_url.rstrip("/") or f"http://{settings.host}:{settings.port}"
    targets = [
        AlertTarget(
            name,
            alert.tier,
            loud=alert.kind == "dingtalk_ding",
            personal=STAFF if alert.calls_duty else "",
            spare=alert.spare,
            home=alert.home,
            order=alert.order,
        )
        for name, alert in settings.alert.items()
    ]
    if settings.push_private_key.get_secret_value():
        targets.append(AlertTarget(PUSH, "class", personal=PUSH))
    wait = timedelta(seconds=settings.alert_receipt_seconds)
    return AlertPolicy(targets, load_alerts(), f"{base}/desk", wait)

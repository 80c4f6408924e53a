"""The one bundle of built services that pages, channels, pipeline and handlers are handed.

Built in `bot.wiring` only; tests build it with fakes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.core.bell import Bell
from bot.core.clock import Clock
from bot.core.phrases import PhraseBook
from bot.core.ports import Pusher
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.services.alerts import AlertPolicy
from bot.services.answers import Answers
from bot.services.class_codes import CodeMaker
from bot.services.hotlines import Lines
from bot.services.live import LiveEvents
from bot.services.quota import Budget
from bot.services.screening import Screen


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that is built once per process.

    Args:
        mode: `demo` or `live`.
        simulator: the simulator's side of the platforms; None in live.
        public_url: the address parents reach, without a slash at its end; empty: no links.
        budgets: the month's quotas that are counted.
        directories: the robots whose organisations' families can be imported, each with the scene
            of its place; empty: the whole district.
        templates: WeChat accounts that have a template message for notices.
        chat_staff: by DingTalk robot the scene of the place whose staff are known there by their
            id; empty: the whole district. A robot that is not named knows nobody.
        class_codes: by WeChat account who makes the address of a class's QR code.
        pusher: wakes browsers of people on duty; None: not set up.
        second_factor_required: whoever may change other people's data has to set one up.
    """

    database: Database
    clock: Clock
    ring: KeyRing
    mode: str
    phrases: PhraseBook
    lines: Lines
    screen: Screen
    policy: AlertPolicy
    live: LiveEvents
    bell: Bell
    answers: Answers
    public_url: str = ""
    region: str = ""
    simulator: Any = None
    budgets: tuple[Budget, ...] = ()
    directories: Mapping[str, str] = field(default_factory=dict)
    templates: frozenset[str] = frozenset()
    chat_staff: Mapping[str, str] = field(default_factory=dict)
    class_codes: Mapping[str, CodeMaker] = field(default_factory=dict)
    second_factor_required: bool = False
    pusher: Pusher | None = None

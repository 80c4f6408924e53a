"""What the pages are handed by wiring."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Protocol

from bot.core.bell import Bell
from bot.core.clock import Clock
from bot.core.phrases import PhraseBook
from bot.core.ports import Pusher
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.services.alerts import AlertPolicy
from bot.services.class_codes import CodeMaker
from bot.services.hotlines import Lines
from bot.services.live import LiveEvents
from bot.services.quota import Budget
from bot.services.screening import Screened
from knowledge.entry import Entry
from knowledge.risk import RuleSet


class WechatPhone(Protocol):
    """Plays WeChat towards the real callback route; every method returns the passive reply."""

    async def say(self, parent: str, text: str) -> str | None:
        """Send words as a parent."""
        ...

    async def follow(self, parent: str, scene: str) -> str | None:
        """Follow the account by the QR code of a scene (empty: by search)."""
        ...

    async def send_kind(self, parent: str, kind: str) -> str | None:
        """Send something that is not text: `voice`, `image` or `sticker`."""
        ...


class DingtalkPhone(Protocol):
    """Plays DingTalk over the service's own Stream connection; replies come by `events`."""

    @property
    def way(self) -> str:
        """Return how messages reach the service: `stream` or `http`."""
        ...

    @property
    def connected(self) -> bool:
        """Say whether a message would reach the service at once."""
        ...

    async def say(self, person: str, text: str, group: str = "") -> None:
        """Write to the robot 1:1, or in a group with its name before the words."""
        ...

    async def send_kind(self, person: str, kind: str) -> None:
        """Send something that is not text 1:1: `voice` or `image`."""
        ...

    async def again(self, person: str, group: str = "") -> None:
        """Send somebody's last message once more, with the same id."""
        ...

    async def exhaust(self, person: str, group: str = "") -> None:
        """Write when the month's quota is used up: the message comes without its words."""
        ...

    async def disconnect(self) -> None:
        """Cut the Stream connection for a few seconds."""
        ...


class Heard(Protocol):
    """Something that a platform showed to a person or a group."""

    @property
    def kind(self) -> str: ...
    @property
    def recipient(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def mentions(self) -> Sequence[str]: ...


class Simulator(Protocol):
    """Everybody's phone; there is none in live. A platform without a demo account is None."""

    @property
    def wechat(self) -> WechatPhone | None: ...
    @property
    def dingtalk(self) -> DingtalkPhone | None: ...

    def events(self, recipients: Collection[str]) -> AsyncIterator[Heard]:
        """Yield what people and groups are sent outside a callback's answer."""
        ...

    def alerts(self) -> Sequence[str]:
        """Return the texts that the duty group received, oldest first."""
        ...


class Answers(Protocol):
    """The part of the answering service that pages use."""

    def entry(self, entry_id: str) -> Entry | None:
        """Return an entry of the handbook."""
        ...


class Screening(Protocol):
    """The rules in force."""

    @property
    def rules(self) -> RuleSet | None:
        """Return the rules that messages are judged with; None when none can be read."""
        ...

    def judge(
        self, text: str, *, who: str | None, turns: Sequence[str], floor: str, weak_signs: int
    ) -> Screened:
        """Judge one text; never raises."""
        ...


class PageServices(Protocol):
    """The built services, as far as pages need them."""

    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def ring(self) -> KeyRing: ...
    @property
    def mode(self) -> str: ...
    @property
    def second_factor_required(self) -> bool: ...
    @property
    def templates(self) -> Collection[str]: ...
    @property
    def phrases(self) -> PhraseBook: ...
    @property
    def public_url(self) -> str: ...
    @property
    def policy(self) -> AlertPolicy: ...
    @property
    def lines(self) -> Lines: ...
    @property
    def class_codes(self) -> Mapping[str, CodeMaker]: ...
    @property
    def screen(self) -> Screening: ...
    @property
    def live(self) -> LiveEvents: ...
    @property
    def bell(self) -> Bell: ...
    @property
    def answers(self) -> Answers: ...
    @property
    def budgets(self) -> Sequence[Budget]: ...
    @property
    def directories(self) -> Mapping[str, str]: ...
    @property
    def simulator(self) -> Simulator | None: ...
    @property
    def pusher(self) -> Pusher | None: ...

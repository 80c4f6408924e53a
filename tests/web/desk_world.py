"""A small world for page tests: two schools, everybody's role, parents, cases, and fakes.

All people and sentences are invented.
"""

import base64
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.bell import Bell
from bot.core.clock import FixedClock
from bot.core.errors import NotFound
from bot.core.phrases import PhraseBook, load_alerts, load_phrases
from bot.core.ports import Pusher
from bot.db import crypto
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import (
    Assessment,
    Case,
    CaseEvent,
    Contact,
    Login,
    Message,
    Place,
    ReadReason,
    Staff,
)
from bot.services import live, passwords, places, read_reasons, risk_cases, staff
from bot.services.alerts import AlertPolicy
from bot.services.class_codes import CodeMaker
from bot.services.hotlines import Lines
from bot.services.quota import Budget
from bot.services.risk_cases import Judgement
from bot.services.screening import Screen, Screened
from bot.services.staff import StaffView
from knowledge.entry import Entry
from knowledge.loader import load_handbook
from knowledge.risk import RuleSet
from knowledge.risk.assess import default_rules

Browser = Callable[..., httpx2.AsyncClient]
START = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
WORDS = "孩子站在阳台上不肯下来"
ROLES = {
    "counselor": ("counselor", "school_a"),
    "other_counselor": ("counselor", "school_b"),
    "second_counselor": ("counselor", "school_a"),
    "lead": ("lead", "school_a"),
    "other_lead": ("lead", "school_b"),
    "district": ("district", "district"),
    "teacher": ("teacher", "class_a"),
    "editor": ("editor", "district"),
    "admin": ("admin", "district"),
}


@dataclass
class FakeWechat:
    """Answers every sentence with itself."""

    said: list[tuple[str, ...]]

    async def say(self, parent: str, text: str) -> str | None:
        """Return an answer that names the text."""
        self.said.append((parent, text))
        return f"收到:{text}"

    async def follow(self, parent: str, scene: str) -> str | None:
        """Greet."""
        self.said.append((parent, f"follow:{scene}"))
        return "你好,这里是心晴。"

    async def send_kind(self, parent: str, kind: str) -> str | None:
        """Say nothing."""
        self.said.append((parent, f"kind:{kind}"))
        return None


@dataclass
class FakeDingtalk:
    """Notes what was done; nothing is answered."""

    said: list[tuple[str, ...]]
    way: str = "stream"
    connected: bool = True

    async def say(self, person: str, text: str, group: str = "") -> None:
        """Note the words."""
        self.said.append((person, text, group))

    async def send_kind(self, person: str, kind: str) -> None:
        """Note the kind."""
        self.said.append((person, f"kind:{kind}"))

    async def again(self, person: str, group: str = "") -> None:
        """Note it, if somebody has written."""
        if (person, group) not in [(row[0], row[-1]) for row in self.said]:
            raise NotFound("nothing to send again")
        self.said.append((person, "again", group))

    async def exhaust(self, person: str, group: str = "") -> None:
        """Note it."""
        self.said.append((person, "exhaust", group))

    async def disconnect(self) -> None:
        """Be disconnected from now on."""
        self.connected = False


@dataclass(frozen=True)
class FakeHeard:
    """Something that reached somebody."""

    recipient: str
    text: str
    kind: str = "dingtalk-session"
    mentions: tuple[str, ...] = ()


class FakeSimulator:
    """Both platforms' phones; in a group the robot says one sentence later."""

    def __init__(self) -> None:
        self.said: list[tuple[str, ...]] = []
        self.wechat: FakeWechat | None = FakeWechat(self.said)
        self.dingtalk: FakeDingtalk | None = FakeDingtalk(self.said)

    async def events(self, recipients: Collection[str]) -> AsyncIterator[FakeHeard]:
        """Send one sentence later."""
        assert "demo-ding-group" in recipients
        called = ("demo-ding-mother", "somebody")
        yield FakeHeard("demo-ding-group", "第一行\n第二行", mentions=called)

    def alerts(self) -> Sequence[str]:
        """Return one alert."""
        return ["个案 1 等级 3! 等待接手"]


class FakeAnswers:
    """The handbook without search."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def entry(self, entry_id: str) -> Entry | None:
        """Return an entry of the real handbook."""
        if not self._entries:
            folder = Path(__file__).parents[2] / "knowledge" / "handbook"
            self._entries = dict(load_handbook(folder).entries)
        return self._entries.get(entry_id)


@dataclass
class FakeScreen:
    """The rules that ship with the project."""

    rules: RuleSet | None = field(default_factory=default_rules)

    def judge(
        self, text: str, *, who: str | None, turns: Sequence[str], floor: str, weak_signs: int
    ) -> Screened:
        """Judge as the real one does."""
        return Screen().judge(text, who=who, turns=turns, floor=floor, weak_signs=weak_signs)


@dataclass
class FakeServices:
    """What wiring hands to the pages."""

    database: Database
    clock: FixedClock
    ring: KeyRing
    mode: str
    live: live.LiveEvents
    bell: Bell
    answers: FakeAnswers
    simulator: FakeSimulator | None
    budgets: tuple[Budget, ...] = ()
    directories: Mapping[str, str] = field(default_factory=lambda: {"school1": ""})
    screen: FakeScreen = field(default_factory=FakeScreen)
    templates: frozenset[str] = frozenset()
    phrases: PhraseBook = field(default_factory=load_phrases)
    public_url: str = "https://xinqing.example.cn"
    second_factor_required: bool = False
    policy: AlertPolicy = field(
        default_factory=lambda: AlertPolicy([], load_alerts(), "https://xinqing.example.cn/desk")
    )
    lines: Lines = field(default_factory=Lines)
    class_codes: Mapping[str, CodeMaker] = field(default_factory=dict)
    pusher: Pusher | None = None


@dataclass
class World:
    """The services with what stands in the tables; ids by name."""

    services: FakeServices
    places: dict[str, Place] = field(default_factory=dict)
    staff: dict[str, Staff] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    csrf: dict[str, str] = field(default_factory=dict)
    cases: dict[str, int] = field(default_factory=dict)
    contacts: dict[str, int] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """Return the world's time."""
        return self.services.clock.now()

    async def add_case(
        self,
        name: str,
        *,
        place: str | None,
        level: str = "3!",
        text: str = WORDS,
        fired: str = "站在阳台",
        ago: timedelta = timedelta(minutes=2),
        family: str = "self_harm",
        asks: bool = False,
    ) -> int:
        """Add a parent with a message that opened a case, and tell the desk.

        Args:
            asks: whoever opens its page is asked why; else everybody has said it today.
        """
        async with self.services.database.write() as session:
            home = self.places[place] if place else None
            case_id = await _case(
                session, self, name, home, level, text, fired, self.now - ago, family
            )
            self.cases[name] = case_id
            everybody = () if asks else (await session.scalars(select(Staff.id))).all()
            for staff_id in everybody:
                session.add(_said_why(staff_id, case_id, self.now))
            await live.publish(
                session,
                "case",
                place_id=home.id if home else None,
                case_id=case_id,
                now=self.now,
            )
        self.services.bell.ring()
        return case_id

    async def seen(self, login: str) -> StaffView:
        """Return somebody as they are signed in."""
        async with self.services.database.read() as session:
            return await staff.view(session, self.staff[login], self.now)

    async def message_of(self, name: str) -> int:
        """Return the id of the message that opened a case."""
        async with self.services.database.read() as session:
            case = await session.get_one(Case, self.cases[name])
        assert case.message_id is not None
        return case.message_id

    async def add_rule_case(self, name: str, *, by: str = "counselor", level: str = "0") -> int:
        """Mark the message of a case as a false alarm."""
        message_id = await self.message_of(name)
        async with self.services.database.write() as session:
            row = await risk_cases.mark(
                session,
                await staff.view(session, self.staff[by], self.now),
                await session.get_one(Case, self.cases[name]),
                message_id=message_id,
                judgement=Judgement(level, "NONE" if level == "0" else "DIS"),
                now=self.now,
            )
            return row.id


async def _case(
    session: AsyncSession,
    world: World,
    name: str,
    place: Place | None,
    level: str,
    text: str,
    fired: str,
    at: datetime,
    family: str,
) -> int:
    contact = Contact(
        channel="wechat",
        account="demo",
        external_id=f"parent-{name}",
        place_id=place.id if place else None,
        created_at=at,
        window_until=at + timedelta(hours=48),
        window_limit=5,
        window_used=1,
    )
    session.add(contact)
    await session.flush()
    world.contacts[name] = contact.id
    message = Message(
        channel="wechat",
        account="demo",
        platform_id=f"m-{name}",
        contact_id=contact.id,
        kind="text",
        text=text,
        media_id="",
        sent_at=at,
        received_at=at,
        level=level,
        state="done",
    )
    session.add(message)
    await session.flush()
    start = text.find(fired)
    session.add(
        Assessment(
            message_id=message.id,
            contact_id=contact.id,
            level=level,
            fresh_level=level,
            categories=["SI-AT"],
            who="PC",
            subject="child",
            spans=[{"start": start, "end": start + len(fired), "text": fired}],
            reasons=["人已经在高处,正在发生"],
            rule_ids=["si_at.height"],
            rule_version="2026.11.1",
            created_at=at,
        )
    )
    case = Case(
        contact_id=contact.id,
        place_id=place.id if place else None,
        message_id=message.id,
        level=level,
        family=family,
        subject="child",
        speaker="parent_about_child",
        opened_at=at,
        raised_at=at,
    )
    session.add(case)
    await session.flush()
    session.add(
        CaseEvent(
            case_id=case.id, at=at, kind="opened", message_id=message.id, data={"level": level}
        )
    )
    return case.id


def _said_why(staff_id: int, case_id: int, now: datetime) -> ReadReason:
    return ReadReason(
        staff_id=staff_id,
        case_id=case_id,
        day=read_reasons.day_of(now),
        reason="supervision",
        words="",
        at=now,
    )


async def make_world(database: Database, *, mode: str = "demo") -> World:
    """Build the world in an empty database, which the world's owner closes."""
    ring = KeyRing.parse(f"k1:{base64.b64encode(bytes(32)).decode()}")
    crypto.install(ring)
    clock = FixedClock(START)
    hub = live.LiveEvents(database, clock)
    bell = Bell()
    bell.listen(hub.wake)
    simulator = FakeSimulator() if mode == "demo" else None
    world = World(FakeServices(database, clock, ring, mode, hub, bell, FakeAnswers(), simulator))
    async with database.write() as session:
        await _people(session, world)
    return world


async def _people(session: AsyncSession, world: World) -> None:
    district = await places.add(session, kind="district", name="晴川区", parent=None)
    world.places["district"] = district
    for letter, name in (("a", "晴川一小"), ("b", "晴川二中")):
        school = await places.add(session, kind="school", name=name, parent=district)
        world.places[f"school_{letter}"] = school
        world.places[f"class_{letter}"] = await places.add(
            session, kind="class", name="三年级2班", parent=school
        )
    for login, (role, place) in ROLES.items():
        person = Staff(
            login=login,
            name=f"{login}老师",
            password_hash=passwords._nobody(),
            must_change_password=False,
            active=True,
            created_at=START,
        )
        session.add(person)
        await session.flush()
        world.staff[login] = person
        await staff.grant(session, staff_id=person.id, place_id=world.places[place].id, role=role)
        token = f"token-{login}"
        world.tokens[login], world.csrf[login] = token, f"csrf-{login}"
        session.add(
            Login(
                staff_id=person.id,
                token_hash=world.services.ring.fingerprint(token, purpose="login.token"),
                csrf=f"csrf-{login}",
                created_at=START,
                seen_at=START,
                expires_at=START + timedelta(hours=12),
            )
        )

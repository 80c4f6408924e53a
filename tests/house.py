"""The whole running house for tests: real routes, real signatures, a database file, no network.

`Home` holds a house with a clock that stands still, and plays everybody around it: parents through
signed and encrypted callbacks, WeChat and the duty groups through the fake platform, counselors
through the services that the desk calls, the worker one round at a time.
"""

import base64
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from factories import ACCOUNT, District, make_district, make_shift
from fakes import FakeAnswers, ReadyScreen
from fastapi import FastAPI
from sqlalchemy import inspect, select
from starlette.applications import Starlette

from bot.app import create_app
from bot.channels.dingtalk.parse import parse_message
from bot.config import Settings
from bot.core.clock import FixedClock
from bot.core.messages import IncomingMessage, Receipt
from bot.db.base import Base
from bot.db.models import Alarm, Assessment, Case, CaseEvent, Contact, Delivery, Job, Message
from bot.services import cases, conversations, judging
from bot.services.screening import Screen
from bot.services.staff import StaffView
from bot.simulator.dingtalk_driver import DingtalkCredentials, DingtalkDriver
from bot.simulator.dingtalk_server import FakeDingtalk, make_fake_dingtalk
from bot.simulator.driver import WechatCredentials, WechatDriver
from bot.simulator.platform import FakePlatform
from bot.simulator.wechat_server import make_fake_wechat
from bot.upkeep import prepare
from bot.wiring import House, build

APP_ID, APP_SECRET, TOKEN = "wx0123456789abcdef", "secret-of-the-app", "tok_Parent2026"
AES_KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
KEYS = f"k1:{base64.b64encode(bytes(range(32))).decode()}"
PARENT = "oParent0001"
# What the packaged rules call 3!, 3 and 2 (`test_night_crisis` holds them to it), and nothing.
URGENT, DANGER, WORRY = "孩子在楼顶，说要跳", "孩子刚才说他不想活了", "孩子用小刀划手臂"
CALM = "孩子不爱吃青菜"
GROUP, DISTRICT_GROUP = "robot-school", "robot-district"
SEND_PATH, ROBOT_PATH = "/cgi-bin/message/custom/send", "/cgi-bin/webhook/send"
CREDENTIALS = WechatCredentials(ACCOUNT, APP_ID, TOKEN, AES_KEY, "safe", gh_id="gh_school001")
ROBOT, ROBOT_CODE = "school1", "dingrobot01"
ROBOT_CREDENTIALS = DingtalkCredentials(
    ROBOT, "dingtestappkey000001", "test_app_secret_ABC", ROBOT_CODE, TOKEN, AES_KEY
)

Row = TypeVar("Row", bound=Base)


def make_settings(folder: Path, **more: Any) -> Settings:
    """Return the settings of a tenant: one account in safe mode, two duty groups."""
    values: dict[str, Any] = {
        "mode": "demo",
        "data_dir": folder,
        "secret_keys": KEYS,
        "encoder": "none",
        "sqlite_synchronous": "NORMAL",
        "wechat": {
            ACCOUNT: {
                "app_id": APP_ID,
                "app_secret": APP_SECRET,
                "token": TOKEN,
                "encoding_aes_key": AES_KEY,
                "api_base": "http://platform",
            }
        },
        "dingtalk": {
            ROBOT: {
                "app_key": ROBOT_CREDENTIALS.app_key,
                "app_secret": ROBOT_CREDENTIALS.app_secret,
                "robot_code": ROBOT_CODE,
                "robot_name": "心晴",
                "token": TOKEN,
                "aes_key": AES_KEY,
                "api_base": "http://platform",
                "oapi_base": "http://platform",
                # Only tests with a real server on loopback open a Stream.
                "stream": False,
            }
        },
        "alert": {
            name: {
                "kind": "wecom",
                "url": f"http://platform{ROBOT_PATH}?key={robot}",
                "tier": tier,
            }
            for name, robot, tier in (
                ("school", GROUP, "school"),
                ("district", DISTRICT_GROUP, "district"),
            )
        },
    }
    return Settings(**values | more)


def make_platforms(dingtalk: FakeDingtalk) -> Starlette:
    """Return every fake platform as one application; their paths differ."""
    return Starlette(
        routes=[*make_fake_wechat(dingtalk.platform).routes, *make_fake_dingtalk(dingtalk).routes]
    )


class Home:
    """A house, and everybody around it."""

    def __init__(
        self,
        house: House,
        clock: FixedClock,
        dingtalk: FakeDingtalk,
        answers: FakeAnswers,
        screen: Screen,
        place: District,
    ) -> None:
        self.house = house
        self.clock = clock
        self.dingtalk = dingtalk
        self.platform = dingtalk.platform
        self.answers = answers
        self.screen = screen
        self.place = place
        self.app: FastAPI = create_app(house)
        self.driver = WechatDriver(
            "http://house",
            CREDENTIALS,
            clock=clock,
            transport=httpx2.ASGITransport(self.app),
            platform=self.platform,
        )
        self.robot = DingtalkDriver(
            "http://house",
            ROBOT_CREDENTIALS,
            clock=clock,
            dingtalk=dingtalk,
            webhook_base="http://platform",
            transport=httpx2.ASGITransport(self.app),
        )

    # What people do -----------------------------------------------------------------------------

    async def say(self, text: str, *, parent: str = PARENT) -> str:
        """Write as a parent; return the words of the callback's answer, empty for none."""
        answer = await self.driver.say(parent, text)
        await self.house.handover.flush()
        return answer or ""

    async def hear(self, message: dict[str, Any]) -> None:
        """Take a message of the DingTalk robot as its Stream connection hands it on."""
        incoming = parse_message(
            message, account=ROBOT, now=self.clock.now(), robot_names=("心晴",)
        )
        await self.house.reception.take(incoming)

    async def accept(self, message: IncomingMessage) -> Receipt:
        """Hand a message straight to the inbox, for what WeChat can't send (groups)."""
        return await self.house.inbox.accept(message)

    async def route(self, receipt: Receipt) -> tuple[str, ...]:
        """Route an accepted message; return the words of its replies."""
        routed = await self.house.router.route(receipt.message_id, receipt.contact_id)
        return tuple(reply.text for reply in routed.outcome.replies) if routed.outcome else ()

    def whose(self, case: Case | None) -> StaffView:
        """Return the counselor who works on a case: the school's, or the district's."""
        here = case is not None and case.place_id in (self.place.school.id, self.place.class_.id)
        return self.place.as_counselor if here else self.place.as_district

    async def take_case(self, case_id: int) -> None:
        """Accept a case as the counselor whose it is."""
        async with self.write() as session:
            by = self.whose(await session.get_one(Case, case_id))
            await cases.accept(session, by, case_id, now=self.clock.now())

    async def close_case(self, case_id: int, *, reason: str = "answered", note: str = "") -> None:
        """Judge a case to be no danger any more, and close it, as the counselor whose it is."""
        async with self.write() as session:
            case, now = await session.get_one(Case, case_id), self.clock.now()
            by = self.whose(case)
            await judging.judge(
                session,
                self.house.services.policy,
                by,
                case,
                level="1",
                reason="没有危险了",
                now=now,
            )
            await cases.close(session, by, case_id, reason=reason, note=note, now=now)

    async def hold(self, contact_id: int = 1) -> None:
        """Take over a conversation as the counselor."""
        async with self.write() as session:
            by, now = self.whose(await cases.latest(session, contact_id)), self.clock.now()
            await conversations.take(session, by, contact_id, now=now)

    async def write_as_counselor(self, text: str, contact_id: int = 1) -> Delivery:
        """Write to a parent as the counselor who holds the conversation, a moment later."""
        self.clock.advance(milliseconds=1)
        async with self.write() as session:
            by, now = self.whose(await cases.latest(session, contact_id)), self.clock.now()
            return await conversations.write(session, by, contact_id, text=text, now=now)

    async def on_duty(self, *, hours: float = 24, wakes: bool = True) -> None:
        """Put the school's counselor on duty from now on."""
        async with self.write() as session:
            await make_shift(
                session,
                self.place.school,
                self.place.counselor,
                start=self.clock.now(),
                hours=hours,
                wakes=wakes,
            )

    # Time and work ------------------------------------------------------------------------------

    async def work(self) -> int:
        """Let the worker do everything that is due now."""
        return await self.house.worker.run_due()

    async def wait(self, **delta: float) -> int:
        """Let time pass, then the worker work."""
        self.clock.advance(**delta)
        return await self.work()

    # What stands in the tables ------------------------------------------------------------------

    def write(self) -> Any:
        """Open a writing transaction."""
        return self.house.services.database.write()

    async def rows(self, model: type[Row], *conditions: Any) -> list[Row]:
        """Return rows in the order in which they were made."""
        async with self.house.services.database.read() as session:
            (key,) = inspect(model).primary_key
            return list(await session.scalars(select(model).where(*conditions).order_by(key)))

    async def messages(self) -> list[Message]:
        """Return every stored message."""
        return await self.rows(Message)

    async def assessments(self) -> list[Assessment]:
        """Return every assessment."""
        return await self.rows(Assessment)

    async def cases(self) -> list[Case]:
        """Return every case."""
        return await self.rows(Case)

    async def case(self) -> Case:
        """Return the only case."""
        (found,) = await self.cases()
        return found

    async def events(self) -> list[str]:
        """Return the kinds of the timeline's lines."""
        return [event.kind for event in await self.rows(CaseEvent)]

    async def contact(self, parent: str = PARENT) -> Contact:
        """Return a parent's row."""
        (found,) = await self.rows(Contact, Contact.external_id == parent)
        return found

    async def deliveries(self, route: str = "") -> list[Delivery]:
        """Return deliveries, of one route or all."""
        return await self.rows(Delivery, *([Delivery.route == route] if route else []))

    async def jobs(self, kind: str, *states: str) -> list[Job]:
        """Return jobs of a kind, in some states or all."""
        return await self.rows(Job, Job.kind == kind, *([Job.state.in_(states)] if states else []))

    async def alarms(self) -> list[str]:
        """Return the kinds of the operator's alarms."""
        return [alarm.kind for alarm in await self.rows(Alarm)]

    def alerts(self, group: str = GROUP) -> list[str]:
        """Return what a duty group was sent."""
        return self.platform.texts(group)

    def sent(self, parent: str = PARENT) -> list[str]:
        """Return what a parent was sent outside callbacks."""
        return self.platform.texts(parent)

    async def close(self) -> None:
        """Close everything."""
        await self.driver.close()
        await self.robot.close()
        await self.house.reception.finish(5)
        await self.house.handover.flush()
        await self.house.close()


class Houses:
    """Makes homes; a second one on the same folder is what a restart, or another process, is.

    Args:
        database_url: the migrated database that they all work on.
        folder: their data folder.
    """

    def __init__(self, database_url: str, folder: Path, clock: FixedClock) -> None:
        self._database_url = database_url
        self._folder = folder
        self._clock = clock
        self._platform = FakePlatform(clock)
        self._platform.add_app(APP_ID, APP_SECRET)
        self._platform.add_robot(GROUP)
        self._platform.add_robot(DISTRICT_GROUP)
        self._dingtalk = FakeDingtalk(self._platform)
        self._dingtalk.add_robot(
            ROBOT_CREDENTIALS.app_key, ROBOT_CREDENTIALS.app_secret, ROBOT_CODE
        )
        self._place: District | None = None
        self._open: list[Home] = []

    async def make(
        self, *, answers: FakeAnswers | None = None, screen: Screen | None = None, **settings: Any
    ) -> Home:
        """Build a home on this test's database."""
        answers = answers or FakeAnswers()
        screen = screen or ReadyScreen()
        house = build(
            make_settings(self._folder, **{"database_url": self._database_url} | settings),
            self._clock,
            answers=answers,
            screen=screen,
            transport=httpx2.ASGITransport(make_platforms(self._dingtalk)),
        )
        if self._place is None:
            async with house.services.database.write() as session:
                self._place = await make_district(session, now=self._clock.now())
        await prepare(house)
        home = Home(house, self._clock, self._dingtalk, answers, screen, self._place)
        self._open.append(home)
        return home

    async def close(self) -> None:
        """Close every home."""
        for home in self._open:
            await home.close()

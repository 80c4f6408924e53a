"""The house of a simulated day and what stands around it: settings, doors, Stream, a failing table.

Called by `day`, `process` and `people`. No setting of the caller's environment gets in here.
"""

import asyncio
import base64
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette

from bot.channels.dingtalk.channel import DingtalkChannel
from bot.channels.dingtalk.stream import StreamClient
from bot.config import Settings
from bot.core.messages import IncomingMessage
from bot.db.models import QuotaUse
from bot.services.answers import Answers, Before
from bot.simulator.day.clock import DayClock
from bot.simulator.day.line import Line
from bot.simulator.dingtalk_driver import DingtalkCredentials
from bot.simulator.driver import WechatCredentials
from bot.wiring import House
from knowledge.decision import Decision
from knowledge.preference import NOBODY, Asker

PLATFORM = "http://platform"
ACCOUNT, HTTP_ROBOT, STREAM_ROBOT = "day", "dayhttp", "daystream"
HOME = "demo-class-302"
DUTY_GROUPS = {"school": "day-duty-school", "district": "day-duty-district"}
# The gateway's pings are left out of the day, so a quiet connection is not a dead one.
NEVER = 10 * 24 * 3600.0
DRAIN_SECONDS = 2.0
WRITES = ("INSERT", "UPDATE", "DELETE")


def _aes_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")


WECHAT = WechatCredentials(
    ACCOUNT, "wxsimulatedday0001", secrets.token_hex(12), _aes_key(), "safe", gh_id="gh_day"
)
WECHAT_SECRET = secrets.token_hex(16)


def _robot(name: str) -> DingtalkCredentials:
    secret, token = secrets.token_urlsafe(24), secrets.token_hex(12)
    return DingtalkCredentials(name, f"ding{name}", secret, f"code-{name}", token, _aes_key())


ROBOTS = {name: _robot(name) for name in (HTTP_ROBOT, STREAM_ROBOT)}


class DaySettings(Settings):
    """Settings that only the caller gives."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing from outside."""
        return (init_settings,)


def make_day_settings(folder: Path, database_url: str, secret_keys: str) -> Settings:
    """Return the settings: one WeChat account in safe mode, two robots, two duty groups."""
    values: dict[str, Any] = {
        "mode": "demo",
        "data_dir": folder,
        "database_url": database_url,
        "secret_keys": secret_keys,
        "encoder": "none",
        "sqlite_synchronous": "NORMAL",
        # One job at a time: the order of two that run side by side would be a matter of chance.
        "worker_slots": 1,
        "wechat": {
            ACCOUNT: {
                "app_id": WECHAT.app_id,
                "app_secret": WECHAT_SECRET,
                "token": WECHAT.token,
                "encoding_aes_key": WECHAT.encoding_aes_key,
                "api_base": PLATFORM,
                "home": HOME,
            }
        },
        "dingtalk": {name: _robot_settings(robot) for name, robot in ROBOTS.items()},
        "alert": {
            tier: {
                "kind": "wecom",
                "url": f"{PLATFORM}/cgi-bin/webhook/send?key={key}",
                "tier": tier,
            }
            for tier, key in DUTY_GROUPS.items()
        },
    }
    return DaySettings(**values)


def _robot_settings(robot: DingtalkCredentials) -> dict[str, Any]:
    return {
        "app_key": robot.app_key,
        "app_secret": robot.app_secret,
        "robot_code": robot.robot_code,
        "robot_name": "心晴",
        "token": robot.token,
        "aes_key": robot.aes_key,
        "api_base": PLATFORM,
        "oapi_base": PLATFORM,
        "organisation": "day",
        "home": HOME,
        # The day opens Stream itself, over a line instead of a network.
        "stream": False,
    }


class GatedAnswers(Answers):
    """Search that hangs while the gate is shut, so that a process can be killed in the middle."""

    def __init__(self, made: Answers) -> None:
        super().__init__(made.handbook, made.retriever, made.thresholds, unsigned_allowed=True)
        self.gate = asyncio.Event()
        self.gate.set()
        self.reached = asyncio.Event()

    async def ask(
        self, question: str, asker: Asker = NOBODY, before: Before | None = None
    ) -> Decision:
        """Search once the gate is open."""
        self.reached.set()
        await self.gate.wait()
        return await super().ask(question, asker, before)


class StreamSide:
    """One process's Stream connection over lines.

    Args:
        app: the fake platforms, whose gateway route is called.
    """

    def __init__(self, house: House, clock: DayClock, app: Starlette, random: Random) -> None:
        self.lines: list[Line] = []
        self.taking = 0
        self._app = app
        channel = house.channels["dingtalk", STREAM_ROBOT]
        assert isinstance(channel, DingtalkChannel)
        self.client = StreamClient(
            STREAM_ROBOT,
            client=channel.client,
            accept=self._counted(house.reception.take),
            on_event=self._counted(house.reception.accept),
            on_trouble=house.trouble.of("dingtalk", STREAM_ROBOT),
            clock=clock,
            robot_names=("心晴",),
            connect=self._connect,
            sleep=clock.sleep,
            jitter=random.random,
            silence_seconds=NEVER,
            drain_seconds=DRAIN_SECONDS,
        )

    @property
    def idle(self) -> bool:
        """Say whether no frame is under way and none is being stored."""
        return self.taking == 0 and all(line.idle for line in self.lines)

    def cut(self) -> None:
        """Be gone without a word."""
        for line in self.lines:
            line.cut()

    async def _connect(self, address: str) -> Line:
        line = await Line.open(self._app, address)
        self.lines = [one for one in self.lines if not one.task.done()] + [line]
        return line

    def _counted(
        self, accept: Callable[[IncomingMessage], Awaitable[object]]
    ) -> Callable[[IncomingMessage], Awaitable[object]]:
        async def counted(message: IncomingMessage) -> object:
            self.taking += 1
            try:
                return await accept(message)
            finally:
                self.taking -= 1

        return counted


class TableOutage:
    """Makes every statement that writes fail, as a full or broken disk does, while it lasts.

    Attributes:
        refused: how many failed; without the month's meter, which writes by a timer in real time:
            how often it meets an outage depends on how fast this machine plays the day.
    """

    def __init__(self) -> None:
        self.lasts = False
        self.refused = 0

    def attach(self, engine: AsyncEngine) -> None:
        """Watch one process's engine."""
        event.listen(engine.sync_engine, "before_cursor_execute", self._look)

    def _look(
        self,
        _connection: Any,
        _cursor: Any,
        statement: str,
        _parameters: Any,
        _context: Any,
        _many: bool,
    ) -> None:
        if self.lasts and statement.lstrip().upper().startswith(WRITES):
            self.refused += QuotaUse.__tablename__ not in statement
            raise OperationalError("", None, OSError("no space left on device"))

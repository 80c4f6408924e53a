"""People and their platforms' side of the simulated day: hand a message over, and try again.

WeChat and DingTalk over HTTP post a message up to four times, five seconds apart; over Stream the
gateway keeps what was not acknowledged. Called by `bot.cli.simulated.day`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import httpx2

from bot.cli.simulated.house import ACCOUNT, HTTP_ROBOT, PLATFORM, ROBOTS, STREAM_ROBOT, WECHAT
from bot.cli.simulated.process import DayProcess
from bot.simulator.day.clock import DayClock
from bot.simulator.day.plan import Kind, Mark, Planned, Way
from bot.simulator.day.tally import Seen
from bot.simulator.dingtalk_driver import DingtalkDriver
from bot.simulator.dingtalk_server import FakeDingtalk
from bot.simulator.driver import DELIVERIES, ServiceBroken, WechatDriver

AGAIN_SECONDS = 5.0
# How long, in real time, the callback of a search that hangs is waited for.
HANGING_SECONDS = 0.05
MEDIA_FIELDS = {"PicUrl": "http://mmbiz.qpic.cn/0", "MediaId": "media"}
PICTURE = {"msgtype": "picture", "text": None, "content": {"downloadCode": "code"}}
Act = Callable[[], Awaitable[None]]
# Posts one message; gives the words that came back, empty for none, None for no success.
Post = Callable[[], Awaitable[str | None]]


class People:
    """Everybody who writes.

    Args:
        later: does something after so many seconds of the day.
        kill: kills the process for a while.
    """

    def __init__(
        self,
        process: DayProcess,
        dingtalk: FakeDingtalk,
        clock: DayClock,
        *,
        later: Callable[[float, Act], object],
        kill: Act,
    ) -> None:
        self._process = process
        self._dingtalk = dingtalk
        self._clock = clock
        self._later = later
        self._kill = kill
        self._frames: list[tuple[str, Seen]] = []
        self._wechat = WechatDriver("http://house", WECHAT, clock=clock, transport=process.door)
        self._robots = {
            way: DingtalkDriver(
                "http://house",
                ROBOTS[name],
                clock=clock,
                dingtalk=dingtalk,
                webhook_base=PLATFORM,
                transport=process.door,
            )
            for way, name in ((Way.DINGTALK, HTTP_ROBOT), (Way.STREAM, STREAM_ROBOT))
        }

    async def close(self) -> None:
        """Close the connections."""
        await self._wechat.close()
        for robot in self._robots.values():
            await robot.close()

    def note_acknowledged(self) -> None:
        """Note which messages over Stream were acknowledged in the end."""
        for frame, seen in self._frames:
            ack = self._dingtalk.gateway.acks.get(frame, {})
            seen.taken = seen.taken or ack.get("code") == 200

    async def write(self, seen: Seen) -> None:
        """Hand a message over for the first time."""
        seen.begun = self._clock.now()
        if seen.planned.way is Way.STREAM:
            await self._push(seen)
        elif seen.planned.mark is Mark.SLOW:
            await self._post_slow(seen)
        elif seen.planned.mark is Mark.KILL_FIRST:
            await self._post_and_kill(seen)
        else:
            await self._post(seen)

    async def _push(self, seen: Seen) -> None:
        """Hand a frame to the gateway, which keeps it until somebody takes it."""
        message = self._robot_message(seen.planned)
        for _ in range(seen.planned.copies):
            seen.tries += 1
            app_key = ROBOTS[STREAM_ROBOT].app_key
            frame = await self._dingtalk.gateway.push(app_key, message)
            self._frames.append((frame, seen))

    async def _post(self, seen: Seen) -> None:
        """Post once, all copies together; again in five seconds if that was no success."""
        planned = seen.planned
        post = self._posting(planned)
        is_first = seen.tries == 0
        answers = await asyncio.gather(*(post() for _ in range(planned.copies)))
        seen.tries += planned.copies
        if planned.mark is Mark.UNHEARD and is_first:
            # Taken and answered, but the answer never reached the platform.
            self._later(AGAIN_SECONDS, lambda: self._post(seen))
            return
        self._answered(seen, answers)
        if planned.mark is Mark.KILL_AFTER and seen.taken:
            await self._kill()

    async def _post_slow(self, seen: Seen) -> None:
        """Post while the search takes longer than the platform waits."""
        house, answers = self._process.house, self._process.answers
        if house is None:
            await self._post(seen)
            return
        channel = house.channels["wechat", ACCOUNT]
        patience, channel.passive_seconds = channel.passive_seconds, HANGING_SECONDS
        answers.gate.clear()
        seen.tries += 1
        self._answered(seen, [await self._posting(seen.planned)()])
        channel.passive_seconds = patience
        answers.gate.set()

    async def _post_and_kill(self, seen: Seen) -> None:
        """Post, and kill the process while it searches: stored, but not routed yet."""
        answers = self._process.answers
        answers.gate.clear()
        answers.reached.clear()
        seen.tries += 1
        posting = asyncio.ensure_future(self._posting(seen.planned)())
        reached = asyncio.ensure_future(answers.reached.wait())
        await asyncio.wait({posting, reached}, return_when=asyncio.FIRST_COMPLETED)
        if seen.planned.way is Way.DINGTALK:
            # Acknowledged while the search still hangs: nobody will send it again.
            self._answered(seen, [await posting])
            await asyncio.wait({reached}, timeout=HANGING_SECONDS)
        reached.cancel()
        await self._kill()
        with suppress(asyncio.CancelledError):
            await posting
        if not seen.taken:
            self._later(AGAIN_SECONDS, lambda: self._post(seen))

    def _answered(self, seen: Seen, answers: list[str | None]) -> None:
        """Note what came back, and try again or give up."""
        for answer in answers:
            if answer is None:
                continue
            seen.taken = True
            if answer:
                seen.words.setdefault(answer, self._clock.now())
        if seen.taken:
            return
        if seen.tries >= DELIVERIES * seen.planned.copies:
            seen.given_up = True
        else:
            self._later(AGAIN_SECONDS, lambda: self._post(seen))

    # Messages -----------------------------------------------------------------------------------

    def _posting(self, planned: Planned) -> Post:
        at = self._clock.now() + timedelta(seconds=planned.shift)
        return (
            self._to_wechat(planned, at)
            if planned.way is Way.WECHAT
            else self._to_robot(planned, at)
        )

    def _to_wechat(self, planned: Planned, at: datetime) -> Post:
        media = planned.kind is Kind.MEDIA
        fields = MEDIA_FIELDS if media else {"Content": planned.text}
        kind = "image" if media else "text"
        prepared = self._wechat.prepare_message(planned.person, kind, fields, planned.number, at)
        self._dingtalk.platform.wrote(planned.person)

        async def post() -> str | None:
            with suppress(ServiceBroken, httpx2.TransportError):
                return self._wechat.read_answer(await self._wechat.post(prepared)) or ""
            return None

        return post

    def _to_robot(self, planned: Planned, at: datetime) -> Post:
        robot = self._robots[Way.DINGTALK]
        prepared = robot.wrap(self._robot_message(planned, at), at=at)

        async def post() -> str | None:
            with suppress(httpx2.TransportError):
                return "" if (await robot.post(prepared)).status_code == 200 else None
            return None

        return post

    def _robot_message(self, planned: Planned, at: datetime | None = None) -> dict[str, Any]:
        robot = self._robots[planned.way]
        if planned.kind is Kind.QUOTA:
            message = robot.exhausted(planned.person, group=planned.group)
        else:
            message = robot.message(planned.person, planned.text, group=planned.group, at=at)
        if planned.kind is Kind.MEDIA:
            message |= PICTURE
        return {**message, "msgId": planned.number}

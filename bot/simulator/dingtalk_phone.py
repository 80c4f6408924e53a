"""The simulator's DingTalk: parents, groups and teachers of one robot, over the real Stream.

What people write leaves the fake gateway as a frame on the websocket that the service itself has
opened (or, without Stream, as a signed callback); what the service answers comes back through the
fake platform's API. Present in demo mode only. Made by `bot.wiring.simulator`, used by the page.
"""

from collections.abc import Iterable
from typing import Any

import httpx2

from bot.core.errors import ChannelUnavailable, NotFound
from bot.simulator.dingtalk_driver import DingtalkDriver
from bot.simulator.dingtalk_server import OPEN_PATH, FakeDingtalk
from bot.simulator.platform import Fault

# So many tries to connect again are refused after a cut: with the client's pauses, 2 to 7 seconds.
REFUSALS = 2
# What DingTalk sends of a voice note that it could not make out, and of a picture.
KINDS = {
    "voice": {"msgtype": "audio", "content": {"downloadCode": "simulated", "duration": 3000}},
    "image": {"msgtype": "picture", "content": {"downloadCode": "simulated"}},
}


class DingtalkPhone:
    """Plays the people of one robot's organisation.

    Args:
        stream: the robot receives over Stream; False: over HTTP.
        robot_name: what people put after the @ in a group.
        people: staff ids that the organisation has from the start.
        groups: conversations in which the robot is.
    """

    def __init__(
        self,
        driver: DingtalkDriver,
        dingtalk: FakeDingtalk,
        *,
        stream: bool,
        robot_name: str,
        people: Iterable[str] = (),
        groups: Iterable[str] = (),
    ) -> None:
        self._driver = driver
        self._dingtalk = dingtalk
        self._stream = stream
        self._robot_name = robot_name
        self._last: dict[tuple[str, str], dict[str, Any]] = {}
        for person in people:
            dingtalk.platform.follow(person)
        dingtalk.groups.update(groups)

    @property
    def way(self) -> str:
        """Return how messages reach the service: `stream` or `http`."""
        return "stream" if self._stream else "http"

    @property
    def connected(self) -> bool:
        """Say whether a message would reach the service at once."""
        return not self._stream or self._dingtalk.gateway.is_connected(self._app_key)

    async def say(self, person: str, text: str, group: str = "") -> None:
        """Write to the robot 1:1, or in a group with its name before the words.

        Without a connection the frame is kept on the platform's side until there is one.

        Raises:
            ChannelUnavailable: the callback (without Stream) was not acknowledged.
        """
        words = f"@{self._robot_name} {text}" if group and self._robot_name else text
        await self._send(person, group, self._driver.message(person, words, group=group))

    async def send_kind(self, person: str, kind: str) -> None:
        """Send something that is not text 1:1: `voice` or `image`."""
        fields = {"text": None, **KINDS[kind]}
        await self._send(person, "", self._driver.message(person, fields=fields))

    async def again(self, person: str, group: str = "") -> None:
        """Send somebody's last message once more, with the same id, as the platform may.

        Raises:
            NotFound: nothing was written yet.
        """
        last = self._last.get((person, group))
        if last is None:
            raise NotFound("nothing to send again")
        await self._send(person, group, last)

    async def exhaust(self, person: str, group: str = "") -> None:
        """Write when the month's quota is used up: the message comes without its words."""
        await self._send(person, group, self._driver.exhausted(person, group=group))

    async def disconnect(self) -> None:
        """Cut the Stream connection and refuse the next tries, so that it can be seen."""
        if self._stream and self.connected:
            self._dingtalk.platform.fail(OPEN_PATH, Fault.DOWN, times=REFUSALS)
            await self._dingtalk.gateway.drop(self._app_key)

    async def close(self) -> None:
        """Close the connections."""
        await self._driver.close()

    async def _send(self, person: str, group: str, message: dict[str, Any]) -> None:
        self._last[person, group] = message
        if self._stream:
            await self._dingtalk.gateway.push(self._app_key, message)
            return
        try:
            response = await self._driver.post(self._driver.wrap(message))
        except httpx2.HTTPError:
            raise ChannelUnavailable("no answer to the callback") from None
        if response.status_code != 200:
            raise ChannelUnavailable(f"the callback was answered with {response.status_code}")

    @property
    def _app_key(self) -> str:
        return self._driver.credentials.app_key

"""The simulator's parents: what the simulator page uses, over the real callback route.

Present in demo mode only. Every word goes through a signed and encrypted callback to this very
service, and what the service sends later arrives through the fake platform's own API.
"""

from collections.abc import AsyncIterator, Sequence

from bot.core.errors import ChannelUnavailable
from bot.simulator.driver import ServiceBroken, WechatDriver
from bot.simulator.platform import FakePlatform


class ParentSimulator:
    """Plays parents of one WeChat account.

    Args:
        robots: keys of the group robots whose alerts are shown.
    """

    def __init__(self, driver: WechatDriver, platform: FakePlatform, robots: Sequence[str]) -> None:
        self._driver = driver
        self._platform = platform
        self._robots = frozenset(robots)

    async def say(self, parent: str, text: str) -> str | None:
        """Send words as a parent and return the passive reply.

        Raises:
            ChannelUnavailable: the callback was not answered as WeChat wants it.
        """
        try:
            return await self._driver.say(parent, text)
        except ServiceBroken as error:
            raise ChannelUnavailable(str(error)) from None

    async def follow(self, parent: str, scene: str) -> str | None:
        """Follow the account, by the QR code of a scene or (empty) by search."""
        return await self._driver.follow(parent, scene)

    async def send_kind(self, parent: str, kind: str) -> str | None:
        """Send something that is not text: `voice`, `image` or `sticker`."""
        if kind == "voice":
            return await self._driver.speak(parent, None)
        return await self._driver.show(parent)

    async def events(self, parent: str) -> AsyncIterator[str]:
        """Yield what arrives for a parent outside a callback's answer."""
        async for sent in self._platform.subscribe(parent):
            yield sent.text

    def alerts(self) -> Sequence[str]:
        """Return the texts that the duty groups received, oldest first."""
        return [sent.text for sent in self._platform.sent if sent.recipient in self._robots]

"""The simulator's WeChat: every word goes through a signed and encrypted callback to this service.

Present in demo mode only. Made by `bot.wiring.simulator`, used by the simulator page.
"""

from collections.abc import Awaitable

from bot.core.errors import ChannelUnavailable
from bot.simulator.driver import ServiceBroken, WechatDriver


class WechatPhone:
    """Plays the parents of one service account.

    Every method returns the passive reply, None for a bare acknowledgement, and raises
    `ChannelUnavailable` when the callback was not answered as WeChat wants it.
    """

    def __init__(self, driver: WechatDriver) -> None:
        self._driver = driver

    async def say(self, parent: str, text: str) -> str | None:
        """Send words as a parent."""
        return await _answered(self._driver.say(parent, text))

    async def follow(self, parent: str, scene: str) -> str | None:
        """Follow the account, by the QR code of a scene or (empty) by search."""
        return await _answered(self._driver.follow(parent, scene))

    async def send_kind(self, parent: str, kind: str) -> str | None:
        """Send something that is not text: `voice`, `image` or `sticker`."""
        if kind == "voice":
            return await _answered(self._driver.speak(parent, None))
        return await _answered(self._driver.show(parent))

    async def close(self) -> None:
        """Close the connections."""
        await self._driver.close()


async def _answered(delivery: Awaitable[str | None]) -> str | None:
    try:
        return await delivery
    except ServiceBroken as error:
        raise ChannelUnavailable(str(error)) from None

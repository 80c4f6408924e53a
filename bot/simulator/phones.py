"""What the simulator page is handed: the people of every platform, and all that reaches them.

Present in demo mode only. Made by `bot.wiring.simulator`, used by `bot.web.simulator`.
"""

from collections.abc import AsyncIterator, Collection, Sequence

from bot.simulator.dingtalk_phone import DingtalkPhone
from bot.simulator.platform import FakePlatform, Sent
from bot.simulator.wechat_phone import WechatPhone


class Phones:
    """Everybody's phone.

    Args:
        wechat, dingtalk: None for a platform without an account on the fake platform.
        robots: keys of the group robots whose alerts are shown.
    """

    def __init__(
        self,
        platform: FakePlatform,
        *,
        wechat: WechatPhone | None,
        dingtalk: DingtalkPhone | None,
        robots: Sequence[str] = (),
    ) -> None:
        self.wechat = wechat
        self.dingtalk = dingtalk
        self._platform = platform
        self._robots = frozenset(robots)

    def events(self, recipients: Collection[str]) -> AsyncIterator[Sent]:
        """Yield what people and groups are sent outside a callback's answer, from now on."""
        return self._platform.subscribe(*recipients)

    async def close(self) -> None:
        """Close every phone's connections."""
        for phone in (self.wechat, self.dingtalk):
            if phone is not None:
                await phone.close()

    def alerts(self) -> Sequence[str]:
        """Return the texts that the duty groups received, oldest first."""
        return [sent.text for sent in self._platform.sent if sent.recipient in self._robots]

"""The address that stands in a WeChat QR code with a scene, asked for once and kept.

Called through `Services.class_codes` by the pages of a class's code and of the slips. A permanent
code with the same scene has the same address again, so nothing is stored.
Source: developers.weixin.qq.com, "Generating a parametric QR code" (`QR_LIMIT_STR_SCENE`; 100,000
permanent codes an account; `QR_STR_SCENE` with `expire_seconds` up to 2,592,000; `url` is what the
picture holds, to be drawn by oneself).
"""

from collections.abc import Mapping

from bot.channels.wechat.client import WechatClient
from bot.core.errors import ChannelUnavailable

PATH = "/cgi-bin/qrcode/create"
LONGEST_SCENE = 64
DAY_SECONDS = 86_400


class SceneCodes:
    """Codes of one account."""

    def __init__(self, client: WechatClient) -> None:
        self._client = client
        self._known: dict[str, str] = {}

    async def address(self, scene: str, days: int = 0, /) -> str:
        """Return the address that a scene's code holds.

        Args:
            days: 1 to 30 for a code that ends; 0: a permanent one.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
            ValueError: WeChat takes scenes of 1 to 64 characters.
        """
        if not 1 <= len(scene) <= LONGEST_SCENE:
            raise ValueError("a scene has 1 to 64 characters")
        if days:
            ends = {"action_name": "QR_STR_SCENE", "expire_seconds": days * DAY_SECONDS}
            return await self._ask(scene, ends)
        if scene not in self._known:
            self._known[scene] = await self._ask(scene, {"action_name": "QR_LIMIT_STR_SCENE"})
        return self._known[scene]

    async def _ask(self, scene: str, kind: Mapping[str, object]) -> str:
        payload = {**kind, "action_info": {"scene": {"scene_str": scene}}}
        answer = await self._client.call(PATH, payload, proof="url")
        url = answer.get("url")
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise ChannelUnavailable("qrcode/create: no address in the answer")
        return url

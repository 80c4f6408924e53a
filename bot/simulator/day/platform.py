"""The platforms of a simulated day: whole outages by path, and calls whose answer never arrives.

Called by `bot.cli.simulated.day`.
"""

from collections import Counter
from collections.abc import Collection
from typing import Any

import httpx2

from bot.core.clock import Clock
from bot.simulator.platform import FakePlatform, Fault, Sent

WECHAT_PATHS = ("/cgi-bin/message/custom/send", "/cgi-bin/stable_token")
DINGTALK_PATHS = (
    "/robot/sendBySession",
    "/v1.0/robot/oToMessages/batchSend",
    "/v1.0/robot/groupMessages/send",
    "/v1.0/oauth2/accessToken",
)
WEBHOOK_PATHS = ("/cgi-bin/webhook/send",)


class DayPlatform(FakePlatform):
    """A platform with outages that begin and end.

    Attributes:
        hit: how many calls each kind of fault has hit.
        unheard: what was taken although the caller never got the answer.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, slow_seconds=0)
        self.hit: Counter[str] = Counter()
        self.unheard: list[Sent] = []
        self._outages: dict[str, Fault] = {}
        self._is_slow = False

    def begin_outage(self, paths: Collection[str], fault: Fault) -> None:
        """Let every call of these paths go wrong."""
        self._outages |= dict.fromkeys(paths, fault)

    def end_outage(self, paths: Collection[str]) -> None:
        """Mend these paths."""
        for path in paths:
            self._outages.pop(path, None)

    def take_fault(self, path: str) -> Fault | None:
        """Return the fault that hits this call."""
        fault = self._outages.get(path) or super().take_fault(path)
        if fault is not None:
            self.hit[fault.value] += 1
        self._is_slow = fault is Fault.SLOW
        return fault

    def was_slow(self) -> bool:
        """Say once whether the call that has just been answered took longer than its caller."""
        slow, self._is_slow = self._is_slow, False
        return slow

    def record(self, kind: str, recipient: str, text: str, payload: dict[str, Any]) -> None:
        """Keep what was sent, and that the caller will not know it."""
        super().record(kind, recipient, text, payload)
        if self._is_slow:
            self.unheard.append(self.sent[-1])


class Network(httpx2.AsyncBaseTransport):
    """The way to the platforms: what is answered too late has timed out, without real waiting."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, platform: DayPlatform) -> None:
        self._inner = inner
        self._platform = platform

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass a call on; raises `ReadTimeout` for one that was slow."""
        response = await self._inner.handle_async_request(request)
        if self._platform.was_slow():
            await response.aclose()
            raise httpx2.ReadTimeout("no answer in time", request=request)
        return response


class Door(httpx2.AsyncBaseTransport):
    """The service's address: refuses connections while no process listens behind it."""

    def __init__(self) -> None:
        self.inside: httpx2.AsyncBaseTransport | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass a callback on; raises `ConnectError` while nobody is there."""
        if self.inside is None:
            raise httpx2.ConnectError("nobody listens", request=request)
        return await self.inside.handle_async_request(request)

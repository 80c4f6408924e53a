"""What a platform that is down, slow or mistaken answers; the same for every fake server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse

from bot.core.clock import Clock
from bot.simulator.platform import Fault


class SkewedClock:
    """A platform's clock that is off from the service's; its driver and its servers go by it.

    Args:
        ahead: how far it is before the other clock; negative when it is behind.
    """

    def __init__(self, clock: Clock, ahead: timedelta) -> None:
        self._clock = clock
        self.ahead = ahead

    def now(self) -> datetime:
        """Return what the platform takes for the present moment."""
        return self._clock.now() + self.ahead


def broken_transport(fault: Fault, *, cut: str) -> Response | None:
    """Return the answer to a fault below the platform's own codes; None for one of its codes.

    Args:
        cut: the beginning of a JSON answer, for the one that breaks off.
    """
    if fault is Fault.TOO_MANY:
        return PlainTextResponse("too many requests", 429, {"Retry-After": "30"})
    if fault is Fault.DOWN:
        return PlainTextResponse("service unavailable", 503)
    if fault is Fault.HTML:
        return HTMLResponse("<html><body>1111</body></html>")
    if fault is Fault.TRUNCATED:
        return Response(cut, media_type="application/json")
    if fault is Fault.NOT_JSON:
        return PlainTextResponse("ok")
    return None


def slowly(response: Response, seconds: float) -> Response:
    """Return the same answer, its head and first byte at once and the rest after some seconds."""

    async def body() -> AsyncIterator[bytes]:
        whole = bytes(response.body)
        yield whole[:1]
        await asyncio.sleep(seconds)
        yield whole[1:]

    return StreamingResponse(body(), response.status_code, dict(response.headers))

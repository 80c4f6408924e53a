"""What a platform that is down, slow or mistaken answers; the same for every fake server."""

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from bot.simulator.platform import Fault


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

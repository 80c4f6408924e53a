"""Security headers of every page, and the files under /static. Called by `bot.web.guard`."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
# No inline script or style anywhere; Tabler's and WeUI's icons are data: images.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LOOPBACK = frozenset({"127.0.0.1", "::1", "[::1]", "localhost"})


def secure(response: Response, request: Request) -> Response:
    """Add the security headers; a page is never kept by a browser or a proxy.

    One that brings a content policy of its own (a file, which may run nothing) keeps that.
    """
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    if request.url.scheme == "https":
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def on_loopback(request: Request) -> bool:
    """Say whether the browser and the service are on one machine (then http is good enough)."""
    return (request.url.hostname or "") in LOOPBACK


class StaticPages(StaticFiles):
    """The vendored and own front-end files; addresses carry the version, so they may be kept."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file with the security headers."""
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response

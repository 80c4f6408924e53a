"""Plain Chinese pages for what no page could answer: unknown addresses and unexpected failures.

`bot.app` installs `exception_handlers()`. A traceback never reaches a browser; the log gets the
error's type and the route, never a person's words.
"""

from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bot.web.headers import secure
from bot.web.render import Renderer

log = structlog.get_logger(__name__)

Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]


def exception_handlers() -> dict[int | type[Exception], Handler]:
    """Return the handlers for `FastAPI(exception_handlers=…)`."""
    pages = Renderer()

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if not _wants_page(request):
            return secure(PlainTextResponse("", status), request)
        key = "error.not_found" if status in (404, 405) else "error.general"
        return secure(pages.error_page(key, status), request)

    async def failed(request: Request, error: Exception) -> Response:
        route = request.scope.get("route")
        log.error(
            "page_failed", error=type(error).__name__, route=getattr(route, "path", "unknown")
        )
        return secure(pages.error_page("error.general", 500), request)

    return {HTTPException: refused, Exception: failed}


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")

"""One way to call a platform's JSON API: time limits, and every kind of nonsense made an error.

Addresses carry access tokens and bodies carry a parent's answer, so neither is ever put into an
exception or a log line, and the HTTP library's own request log is switched off here. Called by the
clients of the channels and by the alert webhooks.
"""

import json
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx2

from bot.core.clock import Clock
from bot.core.errors import NOT_SENT, UNKNOWN, ChannelRateLimited, ChannelUnavailable

CONNECT_SECONDS, READ_SECONDS = 3.0, 8.0
RETRY_AFTER_SECONDS = 60
MAX_RETRY_AFTER_SECONDS = 86_400

# httpx2 logs every address at INFO, access token included; httpcore2 logs headers at DEBUG.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def make_http(transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """Return a client for one platform account; the owner closes it."""
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
        limits=httpx2.Limits(max_connections=20, max_keepalive_connections=10),
        follow_redirects=False,
        trust_env=False,
        transport=transport,
    )


async def post_json(
    http: httpx2.AsyncClient,
    url: str,
    payload: Mapping[str, Any],
    *,
    what: str,
    clock: Clock,
    params: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Post JSON and return the JSON object that comes back with status 200.

    Args:
        what: names the call in errors (`custom/send`).

    Raises:
        ChannelUnavailable: code `not_sent` when no connection was made, else `unknown` or `http…`.
        ChannelRateLimited: status 429.
    """
    body = json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace")
    headers = {"Content-Type": "application/json; charset=utf-8"}
    try:
        response = await http.post(url, params=params, content=body, headers=headers)
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout):
        raise ChannelUnavailable(f"{what}: no connection", code=NOT_SENT) from None
    except (httpx2.HTTPError, httpx2.InvalidURL):
        raise ChannelUnavailable(f"{what}: no answer", code=UNKNOWN) from None
    if response.status_code == 429:
        raise ChannelRateLimited(
            f"{what}: too many calls", retry_at=make_retry_at(response, clock), code="http429"
        )
    if response.status_code != 200:
        code = f"http{response.status_code}"
        raise ChannelUnavailable(f"{what}: {code}", code=code)
    try:
        answer = json.loads(response.content)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise ChannelUnavailable(f"{what}: the answer is not a JSON object", code=UNKNOWN)
    return answer


def error_code(answer: Mapping[str, Any], *, what: str) -> int:
    """Return the platform's `errcode`; DingTalk's 88 wraps the real one in `sub_code`.

    Raises:
        ChannelUnavailable: code `unknown` when there is none.
    """
    code = answer.get("errcode")
    if code == 88 and str(answer.get("sub_code", "")).isdecimal():
        code = int(answer["sub_code"])
    if not isinstance(code, int) or isinstance(code, bool):
        raise ChannelUnavailable(f"{what}: the answer has no errcode", code=UNKNOWN)
    return code


def make_retry_at(response: httpx2.Response, clock: Clock) -> datetime:
    """Return when a platform that answered 429 may be called again."""
    header = response.headers.get("Retry-After", "")
    seconds = int(header) if header.isascii() and header.isdecimal() else RETRY_AFTER_SECONDS
    return clock.now() + timedelta(seconds=min(seconds, MAX_RETRY_AFTER_SECONDS))

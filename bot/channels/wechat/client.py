"""Calls to WeChat's API for one service account: the access token and customer-service messages.

A refused token is dropped, fetched anew once and the call repeated once: at most two calls when it
stays refused (wechatpy recurses without end there). Used by `WechatChannel`.

Source: developers.weixin.qq.com, `api_getstableaccesstoken`, `Customer_Service_Messages`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import httpx2
import stamina

from bot.channels.http import error_code, post_json
from bot.channels.tokens import TokenKeeper
from bot.channels.words import fit
from bot.core.clock import Clock, to_shanghai
from bot.core.errors import (
    UNKNOWN,
    ChannelError,
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
)
from bot.core.ports import SendResult
from bot.services.tokens import SharedToken, TokenStore

FORCE_EVERY = timedelta(minutes=75)  # 20 forced refreshes a day are allowed
BUSY_ATTEMPTS = 3

BUSY = -1
TOKEN_EXPIRED = 42001
TOKEN_CODES = frozenset({40001, 40014, TOKEN_EXPIRED})
DAY_LIMIT, MINUTE_LIMIT = 45009, 45011
# Wrong here, not at the platform: right again once somebody mends the settings, so try later.
SETTING_CODES = frozenset({40013, 40125, 40164, 48004, 50002})


class _Busy(ChannelUnavailable):
    """The platform said -1: try again in a moment."""


class WechatClient:
    """One account's way out.

    Args:
        account: the configured name; also names the token's row (`wechat:<account>`).
        http: owned by this client from now on.
        sleep: waits between two looks at the token's row; tests pass their own.
    """

    def __init__(
        self,
        account: str,
        *,
        app_id: str,
        app_secret: str,
        api_base: str,
        tokens: TokenStore,
        clock: Clock,
        http: httpx2.AsyncClient,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._app_id = app_id
        self._app_secret = app_secret
        self._base = api_base.rstrip("/")
        self._clock = clock
        self._http = http
        self._token = TokenKeeper(
            f"wechat:{account}", fetch=self._fetch, tokens=tokens, clock=clock, sleep=sleep
        )
        self._forced_at: datetime | None = None

    async def send_custom(self, openid: str, text: str) -> SendResult:
        """Send a customer-service text (five within 48 h after the person wrote).

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        await self.call(
            "/cgi-bin/message/custom/send",
            {"touser": openid, "msgtype": "text", "text": {"content": fit(text)}},
        )
        return SendResult()

    async def call(self, path: str, payload: dict[str, Any], *, proof: str = "") -> dict[str, Any]:
        """Post to the API with the token; return the answer when its `errcode` is 0.

        Args:
            proof: the field that says so where the API gives no `errcode` when all is well.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        what = path.removeprefix("/cgi-bin/")
        token = await self.access_token()
        answer = await self._post(path, payload, token, what)
        code = _code_of(answer, what, proof)
        if code in TOKEN_CODES:
            fresh = await self._token.replace(token, wrong=code != TOKEN_EXPIRED)
            answer = await self._post(path, payload, fresh, what)
            code = _code_of(answer, what, proof)
        if code:
            raise self._error(code, what)
        return answer

    async def access_token(self) -> str:
        """Return a token that is good for at least five minutes."""
        return await self._token.get()

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()

    def _may_force(self) -> bool:
        """Allow a forced refresh now and then: a plain one returns the very token just refused."""
        now = self._clock.now()
        if self._forced_at is not None and now - self._forced_at < FORCE_EVERY:
            return False
        self._forced_at = now
        return True

    async def _fetch(self, wrong: bool) -> SharedToken:
        payload = {
            "grant_type": "client_credential",
            "appid": self._app_id,
            "secret": self._app_secret,
            "force_refresh": wrong and self._may_force(),
        }
        what = "stable_token"
        answer = await self._post("/cgi-bin/stable_token", payload, None, what)
        value, seconds = answer.get("access_token"), answer.get("expires_in")
        if isinstance(value, str) and value and isinstance(seconds, int):
            return SharedToken(value, self._clock.now() + timedelta(seconds=min(seconds, 86_400)))
        code = error_code(answer, what=what)
        error = self._error(code, what)
        if isinstance(error, ChannelRefused):
            raise ChannelUnavailable(f"{what}: errcode {code}", code=str(code))
        raise error

    async def _post(
        self, path: str, payload: dict[str, Any], token: str | None, what: str
    ) -> dict[str, Any]:
        params = {"access_token": token} if token is not None else None
        answer: dict[str, Any] = {}
        async for attempt in stamina.retry_context(
            on=_Busy, attempts=BUSY_ATTEMPTS, timeout=6.0, wait_initial=0.3, wait_max=2.0
        ):
            with attempt:
                answer = await post_json(
                    self._http,
                    self._base + path,
                    payload,
                    what=what,
                    clock=self._clock,
                    params=params,
                )
                if answer.get("errcode") == BUSY:
                    raise _Busy(f"{what}: busy", code=str(BUSY))
        return answer

    def _error(self, code: int, what: str) -> ChannelError:
        """Sort the platform's codes; its message is left out, it may quote what was sent."""
        text = f"{what}: errcode {code}"
        now = self._clock.now()
        if code == DAY_LIMIT:
            midnight = to_shanghai(now).replace(hour=0, minute=0, second=0, microsecond=0)
            return ChannelRateLimited(text, retry_at=midnight + timedelta(days=1), code=str(code))
        if code == MINUTE_LIMIT:
            return ChannelRateLimited(text, retry_at=now + timedelta(minutes=1), code=str(code))
        if code == 0:
            return ChannelUnavailable(f"{what}: the answer has no token", code=UNKNOWN)
        if code in TOKEN_CODES or code in SETTING_CODES:
            return ChannelUnavailable(text, code=str(code))
        return ChannelRefused(text, code=str(code))


def _code_of(answer: dict[str, Any], what: str, proof: str) -> int:
    if proof and proof in answer and "errcode" not in answer:
        return 0
    return error_code(answer, what=what)

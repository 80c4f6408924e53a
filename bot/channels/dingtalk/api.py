"""The two generations of DingTalk's API for one robot: tokens, errors, the count of calls.

A refused token is dropped, fetched anew once and the call repeated once. Neither words nor token
nor secret get into errors or logs. `DingtalkClient` builds on it.

Source: open.dingtalk.com, `obtain-the-access-token-of-an-internal-app`,
`how-to-process-api-throttling`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import httpx2
import stamina

from bot.channels.dingtalk import errors
from bot.channels.http import error_code
from bot.channels.tokens import TokenKeeper
from bot.core.clock import Clock
from bot.core.errors import NOT_SENT, UNKNOWN, ChannelError, ChannelRefused, ChannelUnavailable
from bot.services.tokens import SharedToken, TokenStore

TOKEN_HEADER = "x-acs-dingtalk-access-token"
BUSY_ATTEMPTS = 3
MAX_TOKEN_SECONDS = 86_400


class _Busy(ChannelUnavailable):
    """The platform said -1: try again in a moment."""


class DingtalkApi:
    """Calls with one robot's tokens.

    Args:
        robot: the configured name; also names the tokens' rows (`dingtalk:<robot>`).
        http: owned by this client from now on.
        on_call: told of every call that counts against the month's quota.
        sleep: waits between two looks at a token's row; tests pass their own.
    """

    def __init__(
        self,
        robot: str,
        *,
        app_key: str,
        app_secret: str,
        robot_code: str,
        api_base: str,
        oapi_base: str,
        tokens: TokenStore,
        clock: Clock,
        http: httpx2.AsyncClient,
        on_call: Callable[[str], object] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.robot_code = robot_code
        self.clock = clock
        self._app_key = app_key
        self._app_secret = app_secret
        self.api_base = api_base.rstrip("/")
        self.oapi_base = oapi_base.rstrip("/")
        self._http = http
        self._on_call = on_call
        keeper = partial(TokenKeeper, tokens=tokens, clock=clock, sleep=sleep)
        self._new = keeper(f"dingtalk:{robot}", fetch=self._fetch_new)
        self._old = keeper(f"dingtalk-oapi:{robot}", fetch=self._fetch_old)

    async def call(
        self,
        method: str,
        path: str,
        payload: Mapping[str, Any] | None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Call `api.dingtalk.com` with the token; return the answer of a success.

        Args:
            query: goes into the address, encoded.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        what = "/".join(path.split("/")[-2:])
        token = await self._new.get()
        send = partial(self._send_new, method, path, query or {}, payload, what)
        status, answer = await send(token)
        if status != 200 and errors.is_token_word(answer):
            token = await self._new.replace(token)
            status, answer = await send(token)
        if status != 200:
            raise errors.sort_word(status, answer, what, self.clock)
        return answer

    async def topapi(self, path: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Call `oapi.dingtalk.com` with its token; return the answer when its code is 0.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        what = path.rsplit("/", 1)[-1]
        token = await self._old.get()
        answer = await self._send_old(path, payload, token, what)
        code = error_code(answer, what=what)
        if code in errors.TOKEN_CODES:
            answer = await self._send_old(path, payload, await self._old.replace(token), what)
            code = error_code(answer, what=what)
        if code:
            raise errors.sort_number(code, what, self.clock)
        return answer

    async def open_stream(self, subscriptions: Sequence[Mapping[str, str]]) -> tuple[str, str]:
        """Return address and ticket for one Stream connection; a ticket is good for one only."""
        what = "connections/open"
        status, answer = await self.request(
            "POST",
            f"{self.api_base}/v1.0/gateway/connections/open",
            {
                "clientId": self._app_key,
                "clientSecret": self._app_secret,
                "subscriptions": [dict(one) for one in subscriptions],
                "ua": "xinqing/1",
            },
            what,
        )
        endpoint, ticket = answer.get("endpoint"), answer.get("ticket")
        if status != 200:
            raise errors.sort_word(status, answer, what, self.clock)
        secure = not self.api_base.startswith("http://")
        if not isinstance(endpoint, str) or not isinstance(ticket, str) or not ticket:
            raise ChannelUnavailable(f"{what}: the answer has no ticket", code=UNKNOWN)
        if not endpoint.startswith("wss://" if secure else ("ws://", "wss://")):
            raise ChannelUnavailable(f"{what}: the endpoint is not secure", code="endpoint")
        return endpoint, ticket

    async def read(self, address: httpx2.URL, what: str, *, limit: int) -> tuple[str, bytes]:
        """Return type and content of a file; no token is sent there and no redirect followed.

        Raises:
            ChannelRefused: code `media_size`, or `http…` for what the host does not have.
            ChannelUnavailable
        """
        content = bytearray()
        try:
            async with self._http.stream("GET", address) as response:
                if response.status_code != 200:
                    code = f"http{response.status_code}"
                    lasting = response.status_code < 500
                    raise (ChannelRefused if lasting else ChannelUnavailable)(
                        f"{what}: {code}", code=code
                    )
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > limit:
                        raise ChannelRefused(f"{what}: too large", code="media_size")
        except httpx2.HTTPError:
            raise ChannelUnavailable(f"{what}: no answer", code=UNKNOWN) from None
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return kind, bytes(content)

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def _send_new(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        payload: Mapping[str, Any] | None,
        what: str,
        token: str,
    ) -> tuple[int, dict[str, Any]]:
        self._count(what)
        address = httpx2.URL(self.api_base + path).copy_merge_params(query)
        return await self.request(method, address, payload, what, {TOKEN_HEADER: token})

    async def _send_old(
        self, path: str, payload: Mapping[str, Any], token: str, what: str
    ) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        address = httpx2.URL(self.oapi_base + path).copy_merge_params({"access_token": token})
        async for attempt in stamina.retry_context(
            on=_Busy, attempts=BUSY_ATTEMPTS, timeout=6.0, wait_initial=0.3, wait_max=2.0
        ):
            with attempt:
                self._count(what)
                _, answer = await self.request("POST", address, payload, what)
                if answer.get("errcode") == errors.BUSY:
                    raise _Busy(f"{what}: busy", code=str(errors.BUSY))
        return answer

    def _count(self, what: str) -> None:
        if self._on_call is not None:
            self._on_call(what)

    async def request(
        self,
        method: str,
        address: str | httpx2.URL,
        payload: Mapping[str, Any] | None,
        what: str,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON object; v1.0 explains itself in the body of a 4xx or 5xx."""
        body = None
        if payload is not None:
            body = json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace")
        sent = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        try:
            response = await self._http.request(method, address, content=body, headers=sent)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout):
            raise ChannelUnavailable(f"{what}: no connection", code=NOT_SENT) from None
        except (httpx2.HTTPError, httpx2.InvalidURL):
            raise ChannelUnavailable(f"{what}: no answer", code=UNKNOWN) from None
        return response.status_code, self._read(response, what)

    def _read(self, response: httpx2.Response, what: str) -> dict[str, Any]:
        try:
            answer = json.loads(response.content)
        except (ValueError, RecursionError):
            answer = None
        if isinstance(answer, dict):
            if answer.get("status") == errors.PUNISHED:
                raise errors.shut_out(what, self.clock)
            return answer
        if response.status_code != 200:
            raise errors.sort_word(response.status_code, {}, what, self.clock)
        if b"<" in response.content and b"1111" in response.content:
            raise errors.shut_out(what, self.clock)
        raise errors.unreadable(what)

    async def _fetch_new(self, _wrong: bool) -> SharedToken:
        what = "accessToken"
        status, answer = await self.request(
            "POST",
            f"{self.api_base}/v1.0/oauth2/accessToken",
            {"appKey": self._app_key, "appSecret": self._app_secret},
            what,
        )
        if status != 200:
            raise _settings(errors.sort_word(status, answer, what, self.clock), what)
        return self._token(answer.get("accessToken"), answer.get("expireIn"), what)

    async def _fetch_old(self, _wrong: bool) -> SharedToken:
        what = "gettoken"
        address = httpx2.URL(f"{self.oapi_base}/gettoken").copy_merge_params(
            {"appkey": self._app_key, "appsecret": self._app_secret}
        )
        _, answer = await self.request("GET", address, None, what)
        code = error_code(answer, what=what)
        if code:
            raise _settings(errors.sort_number(code, what, self.clock), what)
        return self._token(answer.get("access_token"), answer.get("expires_in"), what)

    def _token(self, value: object, seconds: object, what: str) -> SharedToken:
        if not isinstance(value, str) or not value or not isinstance(seconds, int):
            raise ChannelUnavailable(f"{what}: the answer has no token", code=UNKNOWN)
        life = timedelta(seconds=min(seconds, MAX_TOKEN_SECONDS))
        return SharedToken(value, self.clock.now() + life)


def _settings(error: ChannelError, what: str) -> ChannelError:
    """Turn a refusal of our credentials into "later": right again once the settings are mended."""
    if isinstance(error, ChannelRefused):
        return ChannelUnavailable(f"{what}: refused {error.code}", code=error.code)
    return error

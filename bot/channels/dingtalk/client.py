"""Calls to DingTalk's two APIs for one robot: tokens, errors, quotas, and what a robot can send.

A refused token is dropped, fetched anew once and the call repeated once. Neither words nor token
nor secret get into errors or logs. Used by `DingtalkChannel`, `StreamClient`, `WorkNotices` and
`cards`.

Source: open.dingtalk.com, `obtain-the-access-token-of-an-internal-app`,
`chatbots-send-one-on-one-chat-messages-in-batches`, `the-robot-sends-a-group-message`,
`robot-sends-nail-message`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import stamina

from bot.channels.dingtalk import errors
from bot.channels.dingtalk.tokens import TokenKeeper
from bot.channels.http import NOT_SENT, UNKNOWN, error_code
from bot.channels.xml import fit
from bot.core.clock import Clock, epoch_ms
from bot.core.errors import ChannelError, ChannelRateLimited, ChannelRefused, ChannelUnavailable
from bot.core.ports import SendResult
from bot.services.tokens import SharedToken, TokenStore

TOKEN_HEADER = "x-acs-dingtalk-access-token"
CHUNK = 20
DING_CHUNK = 200
BUSY_ATTEMPTS = 3
FLOW_WAIT = timedelta(minutes=1)
MAX_TOKEN_SECONDS = 86_400
SESSION_PATH = "/robot/sendBySession"


class _Busy(ChannelUnavailable):
    """The platform said -1: try again in a moment."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one chunk of a batch.

    Args:
        people: whom the chunk was for.
        receipt: the platform's key to ask for readers; empty when the chunk was not taken.
        invalid: ids the platform does not know.
        slowed: ids that are written to too often just now; try these again.
        filtered: ids that do not take the robot's messages.
        error: why the whole chunk was not taken; what follows a rate limit was not tried.
    """

    people: tuple[str, ...]
    receipt: str = ""
    invalid: tuple[str, ...] = ()
    slowed: tuple[str, ...] = ()
    filtered: tuple[str, ...] = ()
    error: ChannelError | None = None

    @property
    def reached(self) -> tuple[str, ...]:
        """Return those the platform took the message for."""
        if self.error is not None:
            return ()
        missed = {*self.invalid, *self.slowed, *self.filtered}
        return tuple(person for person in self.people if person not in missed)


class DingtalkClient:
    """One robot's way out.

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
        self._api = api_base.rstrip("/")
        self._oapi = oapi_base.rstrip("/")
        self._http = http
        self._on_call = on_call
        keeper = {"tokens": tokens, "clock": clock, "sleep": sleep}
        self._new = TokenKeeper(f"dingtalk:{robot}", fetch=self._fetch_new, **keeper)  # type: ignore[arg-type]
        self._old = TokenKeeper(f"dingtalk-oapi:{robot}", fetch=self._fetch_old, **keeper)  # type: ignore[arg-type]

    # What a robot sends -------------------------------------------------------------------------

    async def send_person(self, staff_id: str, text: str) -> SendResult:
        """Send words to one person of the organisation.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        sent = await self._batch((staff_id,), "sampleText", {"content": fit(text)})
        if sent.slowed:
            retry_at = self.clock.now() + FLOW_WAIT
            raise ChannelRateLimited("batchSend: slowed", retry_at=retry_at, code="slowed")
        if sent.invalid or sent.filtered:
            code = "invalid" if sent.invalid else "filtered"
            raise ChannelRefused(f"batchSend: {code}", code=code)
        return SendResult(sent.receipt)

    async def send_people(
        self, staff_ids: Sequence[str], key: str, parameters: Mapping[str, str]
    ) -> list[Sent]:
        """Send one message to many, 20 a call; an error stays with its chunk.

        Args:
            key: the platform's template, such as `sampleMarkdown`.
            parameters: its values, all strings.
        """
        done: list[Sent] = []
        stop: ChannelRateLimited | None = None
        for start in range(0, len(staff_ids), CHUNK):
            people = tuple(staff_ids[start : start + CHUNK])
            if stop is not None:
                done.append(Sent(people, error=stop))
                continue
            try:
                done.append(await self._batch(people, key, parameters))
            except ChannelError as error:
                done.append(Sent(people, error=error))
                stop = error if isinstance(error, ChannelRateLimited) else None
        return done

    async def _batch(
        self, people: tuple[str, ...], key: str, parameters: Mapping[str, str]
    ) -> Sent:
        answer = await self.call(
            "POST",
            "/v1.0/robot/oToMessages/batchSend",
            {
                "robotCode": self.robot_code,
                "userIds": list(people),
                "msgKey": key,
                "msgParam": json.dumps(parameters, ensure_ascii=False),
            },
        )
        return Sent(
            people,
            _receipt(answer, "batchSend"),
            invalid=_ids(answer, "invalidStaffIdList"),
            slowed=_ids(answer, "flowControlledStaffIdList"),
            filtered=_ids(answer, "filteredStaffIdList"),
        )

    async def send_group(
        self, conversation: str, key: str, parameters: Mapping[str, str]
    ) -> SendResult:
        """Send to a group the robot is in; nobody can be mentioned this way."""
        answer = await self.call(
            "POST",
            "/v1.0/robot/groupMessages/send",
            {
                "robotCode": self.robot_code,
                "openConversationId": conversation,
                "msgKey": key,
                "msgParam": json.dumps(parameters, ensure_ascii=False),
            },
        )
        return SendResult(_receipt(answer, "groupMessages/send"))

    async def group_readers(self, conversation: str, receipt: str) -> list[str]:
        """Return the staff ids of those who have read a group message."""
        readers: list[str] = []
        token = ""
        for _ in range(100):
            answer = await self.call(
                "POST",
                "/v1.0/robot/groupMessages/query",
                {
                    "robotCode": self.robot_code,
                    "openConversationId": conversation,
                    "processQueryKey": receipt,
                    "maxResults": 200,
                    "nextToken": token,
                },
            )
            readers += _ids(answer, "readUserIds")
            token = str(answer.get("nextToken") or "")
            if answer.get("hasMore") is not True or not token:
                break
        return readers

    async def answer_session(
        self, webhook: str, text: str, *, expires_ms: int, mention: str = ""
    ) -> SendResult:
        """Answer where a message came from, with the address that came with it.

        The address comes from outside: only the platform's own host and path are called.

        Raises:
            ChannelRefused: code `webhook_expired` or `webhook_host`.
        """
        if expires_ms <= epoch_ms(self.clock.now()):
            raise ChannelRefused("sendBySession: expired", code="webhook_expired")
        address = self._session_address(webhook)
        payload: dict[str, Any] = {"msgtype": "text", "text": {"content": fit(text)}}
        if mention:
            payload["at"] = {"atUserIds": [mention], "isAtAll": False}
        _, answer = await self._request("POST", address, payload, "sendBySession")
        code = error_code(answer, what="sendBySession")
        if code:
            raise errors.sort_number(code, "sendBySession", self.clock)
        return SendResult()

    def _session_address(self, webhook: str) -> httpx2.URL:
        try:
            address, base = httpx2.URL(webhook), httpx2.URL(self._oapi)
        except (httpx2.InvalidURL, TypeError, ValueError):
            raise ChannelRefused("sendBySession: no address", code="webhook_host") from None
        ours = (base.scheme, base.host, base.port, base.path.rstrip("/") + SESSION_PATH)
        if (address.scheme, address.host, address.port, address.path) != ours or address.userinfo:
            raise ChannelRefused("sendBySession: foreign address", code="webhook_host")
        return address

    async def ding(self, staff_ids: Sequence[str], text: str, *, remind: int = 1) -> SendResult:
        """Send a DING inside the app (1), by SMS (2) or by phone (3, paid); at most 200 people.

        Raises:
            ChannelRefused: code `ding_failed` when it reached nobody.
        """
        people = list(staff_ids[:DING_CHUNK])
        answer = await self.call(
            "POST",
            "/v1.0/robot/ding/send",
            {
                "robotCode": self.robot_code,
                "remindType": remind,
                "receiverUserIdList": people,
                "content": text,
            },
        )
        failed = answer.get("failedList")
        if isinstance(failed, Mapping | list) and len(failed) >= len(people):
            raise ChannelRefused("ding/send: reached nobody", code="ding_failed")
        return SendResult(str(answer.get("openDingId") or ""))

    # The two generations of the API -------------------------------------------------------------

    async def call(self, method: str, path: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Call `api.dingtalk.com` with the token; return the answer of a success.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        what = "/".join(path.split("/")[-2:])
        token = await self._new.get()
        status, answer = await self._send_new(method, path, payload, token, what)
        if status != 200 and errors.is_token_word(answer):
            token = await self._new.replace(token)
            status, answer = await self._send_new(method, path, payload, token, what)
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
        status, answer = await self._request(
            "POST",
            f"{self._api}/v1.0/gateway/connections/open",
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
        secure = not self._api.startswith("http://")
        if not isinstance(endpoint, str) or not isinstance(ticket, str) or not ticket:
            raise ChannelUnavailable(f"{what}: the answer has no ticket", code=UNKNOWN)
        if not endpoint.startswith("wss://" if secure else ("ws://", "wss://")):
            raise ChannelUnavailable(f"{what}: the endpoint is not secure", code="endpoint")
        return endpoint, ticket

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def _send_new(
        self, method: str, path: str, payload: Mapping[str, Any], token: str, what: str
    ) -> tuple[int, dict[str, Any]]:
        self._count(what)
        return await self._request(method, self._api + path, payload, what, {TOKEN_HEADER: token})

    async def _send_old(
        self, path: str, payload: Mapping[str, Any], token: str, what: str
    ) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        address = httpx2.URL(self._oapi + path).copy_merge_params({"access_token": token})
        async for attempt in stamina.retry_context(
            on=_Busy, attempts=BUSY_ATTEMPTS, timeout=6.0, wait_initial=0.3, wait_max=2.0
        ):
            with attempt:
                self._count(what)
                _, answer = await self._request("POST", address, payload, what)
                if answer.get("errcode") == errors.BUSY:
                    raise _Busy(f"{what}: busy", code=str(errors.BUSY))
        return answer

    def _count(self, what: str) -> None:
        if self._on_call is not None:
            self._on_call(what)

    async def _request(
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

    async def _fetch_new(self) -> SharedToken:
        what = "accessToken"
        status, answer = await self._request(
            "POST",
            f"{self._api}/v1.0/oauth2/accessToken",
            {"appKey": self._app_key, "appSecret": self._app_secret},
            what,
        )
        if status != 200:
            raise _settings(errors.sort_word(status, answer, what, self.clock), what)
        return self._token(answer.get("accessToken"), answer.get("expireIn"), what)

    async def _fetch_old(self) -> SharedToken:
        what = "gettoken"
        address = httpx2.URL(f"{self._oapi}/gettoken").copy_merge_params(
            {"appkey": self._app_key, "appsecret": self._app_secret}
        )
        _, answer = await self._request("GET", address, None, what)
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


def _receipt(answer: Mapping[str, Any], what: str) -> str:
    receipt = answer.get("processQueryKey")
    if not isinstance(receipt, str) or not receipt:
        # A success without its key (or a page of the wrong kind) proves nothing.
        raise ChannelUnavailable(f"{what}: the answer has no receipt", code=UNKNOWN)
    return receipt


def _ids(answer: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = answer.get(name)
    return tuple(str(one) for one in found) if isinstance(found, list) else ()

"""The fake DingTalk: tokens, robots, work notifications, cards and Stream, with faults and quotas.

It checks what the real one checks and shares the memory of the other fake servers. Mounted by the
app in demo mode and by tests (`httpx2.ASGITransport`; for Stream a real server on loopback).

Source: the vendor's pages named in `bot.channels.dingtalk`.
"""

import itertools
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from bot.core.clock import epoch_ms, to_shanghai
from bot.simulator.dingtalk_answers import numbered, refused, words_of, wrapped
from bot.simulator.dingtalk_families import Families, family_posts
from bot.simulator.dingtalk_gateway import Gateway
from bot.simulator.dingtalk_reads import NO_ROBOT, OVER, Reads
from bot.simulator.faults import broken_transport, slowly
from bot.simulator.platform import FakePlatform, Fault

BATCH, WORK_BATCH, DING_BATCH = 20, 100, 200
MAX_WORK_BYTES = 2048
WORK_PER_DAY = 500
SESSION_LIFE = timedelta(minutes=90)
RESULT_LIFE = timedelta(hours=24)
V1_QUOTA = "Forbidden.AccessDenied.ApiCountLimitForOrg"
OAPI_QUOTA = 90020
READ_STATUS = "/v1.0/robot/oToMessages/readStatus"
OPEN_PATH = "/v1.0/gateway/connections/open"
Handler = Callable[["FakeDingtalk", Request, dict[str, Any]], Response]


@dataclass
class _Task:
    sent_at: datetime
    delivered: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    forbidden: list[tuple[str, str]] = field(default_factory=list)


class FakeDingtalk:
    """What only DingTalk remembers; people, apps, tokens, faults and sent words are the platform's.

    Args:
        platform: the memory shared by all fake servers; who "follows" there is of the organisation.
        calls_per_month: the quota of billable calls; None for none.

    `may_ding`: the edition allows DINGs. `late_results`: so many questions for the result of work
    notifications are answered with nothing yet. `media`: type and bytes by download code.
    """

    def __init__(self, platform: FakePlatform, *, calls_per_month: int | None = None) -> None:
        self.platform = platform
        self.gateway = Gateway()
        self.families = Families()
        self.calls_per_month = calls_per_month
        self.robots: set[str] = set()
        self.groups: set[str] = set()
        self.slowed: set[str] = set()
        self.cards: dict[str, dict[str, Any]] = {}
        self.card_routes: dict[str, str] = {}
        self.may_ding = True
        self.late_results = 0
        self.media: dict[str, tuple[str, bytes]] = {}
        self.readers: dict[str, list[str]] = {}
        self.reads = Reads()
        self.tasks: dict[int, _Task] = {}
        self._task_ids = itertools.count(256)
        self._sessions: dict[str, tuple[str, datetime]] = {}
        self._months: dict[str, int] = {}
        self._work_today: dict[tuple[str, str], list[str]] = {}

    def add_robot(self, app_key: str, app_secret: str, robot_code: str) -> None:
        """Register an app with its robot."""
        self.platform.add_app(app_key, app_secret)
        self.robots.add(robot_code)

    def open_session(self, recipient: str, base: str) -> tuple[str, int]:
        """Return a session webhook for a person or group, and when it ends (ms)."""
        session = secrets.token_hex(16)
        now = self.platform.clock.now()
        while self._sessions and next(iter(self._sessions.values()))[1] <= now:
            # Oldest first: what has ended need not be remembered for the weeks of a demo.
            del self._sessions[next(iter(self._sessions))]
        ends_at = now + SESSION_LIFE
        self._sessions[session] = (recipient, ends_at)
        return f"{base.rstrip('/')}/robot/sendBySession?session={session}", epoch_ms(ends_at)

    def session(self, session: str) -> str | None:
        """Return whom a session webhook leads to, None for an unknown or ended one."""
        recipient, ends_at = self._sessions.get(session, ("", self.platform.clock.now()))
        return recipient if ends_at > self.platform.clock.now() else None

    def spend_call(self) -> bool:
        """Count a billable call; False when the month's quota is used up."""
        month = to_shanghai(self.platform.clock.now()).strftime("%Y-%m")
        used = self._months.get(month, 0)
        if self.calls_per_month is not None and used >= self.calls_per_month:
            return False
        self._months[month] = used + 1
        return True

    def add_task(self, people: list[str], content: str) -> int:
        """Take a work notification; what the platform drops silently is only in the result."""
        task = _Task(self.platform.clock.now())
        day = to_shanghai(task.sent_at).date().isoformat()
        for person in people:
            today = self._work_today.setdefault((day, person), [])
            if not self.platform.is_follower(person):
                task.invalid.append(person)
            elif content in today:
                task.forbidden.append((person, "143106"))
            elif len(today) >= WORK_PER_DAY:
                task.forbidden.append((person, "143105"))
            else:
                today.append(content)
                task.delivered.append(person)
        task_id = next(self._task_ids)
        self.tasks[task_id] = task
        return task_id


def make_fake_dingtalk(state: FakeDingtalk) -> Starlette:
    """Return the fake server's application, both API hosts and the gateway in one."""
    posts: dict[str, Handler] = {
        "/v1.0/oauth2/accessToken": _access_token,
        OPEN_PATH: _open_gateway,
        "/v1.0/robot/oToMessages/batchSend": _v1(_batch_send),
        "/v1.0/robot/groupMessages/send": _v1(_group_send),
        "/v1.0/robot/groupMessages/query": _v1(_group_query),
        "/v1.0/robot/ding/send": _v1(_ding),
        "/v1.0/robot/messageFiles/download": _v1(_download),
        "/v1.0/card/callbacks/register": _v1(_register),
        "/v1.0/card/instances/createAndDeliver": _v1(_card),
        "/topapi/message/corpconversation/asyncsend_v2": _oapi(_work_send),
        "/topapi/message/corpconversation/getsendresult": _oapi(_work_result),
        "/robot/sendBySession": _session_send,
        **family_posts(state.families, _oapi),
    }
    routes = [
        Route(path, _endpoint(state, path, handler), methods=["POST"])
        for path, handler in posts.items()
    ]
    return Starlette(
        routes=[
            *routes,
            Route("/gettoken", _endpoint(state, "/gettoken", _get_token), methods=["GET"]),
            Route(
                READ_STATUS,
                _endpoint(state, READ_STATUS, _v1(_read_status)),
                methods=["GET"],
            ),
            Route("/media", _endpoint(state, "/media", _media), methods=["GET"], name="media"),
            Route(
                "/v1.0/card/instances",
                _endpoint(state, "/v1.0/card/instances", _v1(_update_card)),
                methods=["PUT"],
            ),
            WebSocketRoute("/connect", state.gateway.connect),
        ]
    )


def _endpoint(
    state: FakeDingtalk, path: str, handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        state.platform.calls.append(path)
        fault = state.platform.take_fault(path)
        if fault is not None and fault is not Fault.SLOW:
            return _broken(fault, is_v1=path.startswith("/v1.0"))
        try:
            payload = json.loads(await request.body() or b"{}")
        except ValueError:
            payload = None
        if not isinstance(payload, dict):
            return refused(400, "invalidParameter")
        answer = handler(state, request, payload)
        return slowly(answer, state.platform.slow_seconds) if fault is Fault.SLOW else answer

    return endpoint


def _broken(fault: Fault, *, is_v1: bool) -> Response:
    broken = broken_transport(fault, cut='{"processQueryKey":"abc')
    if broken is not None:
        return broken
    if is_v1:
        busy = fault is Fault.BUSY
        return refused(503, "ServiceUnavailable") if busy else refused(401, "InvalidAuthentication")
    if fault is Fault.BUSY:
        return numbered(-1)
    return wrapped(40014 if fault is Fault.TOKEN_INVALID else 42001)


def _v1(handler: Handler) -> Handler:
    def checked(state: FakeDingtalk, request: Request, payload: dict[str, Any]) -> Response:
        token = request.headers.get("x-acs-dingtalk-access-token", "")
        if state.platform.token_errcode(token):
            return refused(401, "InvalidAuthentication")
        if not state.spend_call():
            return refused(403, V1_QUOTA)
        if "robotCode" in payload and payload["robotCode"] not in state.robots:
            return refused(400, "invalidParameter.robotCode.notExist")
        return handler(state, request, payload)

    return checked


def _oapi(handler: Handler) -> Handler:
    def checked(state: FakeDingtalk, request: Request, payload: dict[str, Any]) -> Response:
        code = state.platform.token_errcode(request.query_params.get("access_token", ""))
        if code:
            return wrapped(40014 if code == 40001 else code)
        if not state.spend_call():
            return numbered(OAPI_QUOTA)
        return handler(state, request, payload)

    return checked


def _access_token(state: FakeDingtalk, _request: Request, payload: dict[str, Any]) -> Response:
    app_key = str(payload.get("appKey", ""))
    if not state.platform.is_app(app_key, str(payload.get("appSecret", ""))):
        return refused(400, "invalidClientIdOrSecret")
    token, seconds = state.platform.issue_token(app_key, forced=False)
    return JSONResponse({"accessToken": token, "expireIn": seconds})


def _get_token(state: FakeDingtalk, request: Request, _payload: dict[str, Any]) -> Response:
    app_key = request.query_params.get("appkey", "")
    if not state.platform.is_app(app_key, request.query_params.get("appsecret", "")):
        return numbered(40089)
    token, seconds = state.platform.issue_token(app_key, forced=False)
    return numbered(0, access_token=token, expires_in=seconds)


def _open_gateway(state: FakeDingtalk, request: Request, payload: dict[str, Any]) -> Response:
    app_key = str(payload.get("clientId", ""))
    if not state.platform.is_app(app_key, str(payload.get("clientSecret", ""))):
        return refused(401, "authFailed")
    # Beside this very route, wherever the fake is mounted.
    base = str(request.url).replace("http", "ws", 1).removesuffix(OPEN_PATH)
    ticket = state.gateway.issue_ticket(app_key)
    return JSONResponse({"endpoint": f"{base}/connect", "ticket": ticket})


def _batch_send(state: FakeDingtalk, _request: Request, payload: dict[str, Any]) -> Response:
    people, text = payload.get("userIds"), words_of(payload)
    if not isinstance(people, list) or not 0 < len(people) <= BATCH or text is None:
        return refused(400, "invalidParameter")
    invalid = [person for person in people if not state.platform.is_follower(person)]
    slowed = [person for person in people if person in state.slowed and person not in invalid]
    for person in people:
        if person not in invalid and person not in slowed:
            state.platform.record("dingtalk-person", person, text, payload)
    receipt = f"query-{next(state.platform.message_ids)}"
    reached = [person for person in people if person not in invalid and person not in slowed]
    state.reads.keep(receipt, reached, state.platform.clock.now())
    return JSONResponse(
        {
            "processQueryKey": receipt,
            "invalidStaffIdList": invalid,
            "flowControlledStaffIdList": slowed,
        }
    )


def _read_status(state: FakeDingtalk, request: Request, _payload: dict[str, Any]) -> Response:
    query = request.query_params
    if query.get("robotCode") not in state.robots:
        return refused(400, NO_ROBOT)
    now = state.platform.clock.now()
    answer = state.reads.answer(query.get("processQueryKey", ""), now)
    return JSONResponse(answer) if answer else refused(400, OVER)


def _group_send(state: FakeDingtalk, _request: Request, payload: dict[str, Any]) -> Response:
    group, text = str(payload.get("openConversationId", "")), words_of(payload)
    if group not in state.groups:
        return refused(400, "invalidParameter.openConversationId")
    if text is None:
        return refused(400, "invalidParameter.msgParam")
    state.platform.record("dingtalk-group", group, text, payload)
    return JSONResponse({"processQueryKey": f"query-{next(state.platform.message_ids)}"})


def _group_query(state: FakeDingtalk, _request: Request, payload: dict[str, Any]) -> Response:
    readers = state.readers.get(str(payload.get("processQueryKey", "")), [])
    start = int(payload.get("nextToken") or 0)
    end = start + int(payload.get("maxResults", 200))
    return JSONResponse(
        {
            "sendStatus": "SUCCESS",
            "readUserIds": readers[start:end],
            "hasMore": end < len(readers),
            "nextToken": str(end),
        }
    )


def _ding(state: FakeDingtalk, _request: Request, payload: dict[str, Any]) -> Response:
    people = payload.get("receiverUserIdList")
    if not state.may_ding:
        return refused(403, "Forbidden.AccessDenied.DingNotAllowed")
    if not isinstance(people, list) or not 0 < len(people) <= DING_BATCH:
        return refused(400, "invalidParameter")
    failed = [person for person in people if not state.platform.is_follower(person)]
    for person in people:
        if person not in failed:
            state.platform.record("dingtalk-ding", person, str(payload.get("content", "")), payload)
    return JSONResponse(
        {
            "openDingId": f"ding-{next(state.platform.message_ids)}",
            "failedList": dict.fromkeys(failed, "invalid"),
        }
    )


def _download(state: FakeDingtalk, request: Request, payload: dict[str, Any]) -> Response:
    code = str(payload.get("downloadCode", ""))
    if code not in state.media or payload.get("robotCode") not in state.robots:
        return refused(400, "invalidParameter.downloadCode")
    address = request.url_for("media").include_query_params(code=code)
    return JSONResponse({"downloadUrl": str(address)})


def _media(state: FakeDingtalk, request: Request, _payload: dict[str, Any]) -> Response:
    found = state.media.get(request.query_params.get("code", ""))
    return Response(found[1], media_type=found[0]) if found else Response(status_code=404)


def _register(state: FakeDingtalk, _request: Request, payload: dict[str, Any]) -> Response:
    state.card_routes[str(payload.get("callbackRouteKey"))] = str(payload.get("callbackUrl"))
    return JSONResponse({"success": True, "result": {}})


def _card(state: FakeDingtalk, _request: Request, payload: dict[str, Any]) -> Response:
    card, space = str(payload.get("outTrackId", "")), str(payload.get("openSpaceId", ""))
    place = space.removeprefix("dtv1.card//").partition(".")[2]
    known = place in state.groups or state.platform.is_follower(place)
    if known and card not in state.cards:
        state.cards[card] = dict(payload["cardData"]["cardParamMap"])
        state.platform.record("dingtalk-card", place, "", payload)
    result = {"spaceId": place, "success": known, "carrierId": f"card-{card}" if known else ""}
    return JSONResponse(
        {"success": True, "result": {"outTrackId": card, "deliverResults": [result]}}
    )


def _update_card(state: FakeDingtalk, _request: Request, payload: dict[str, Any]) -> Response:
    card = state.cards.get(str(payload.get("outTrackId", "")))
    if card is None:
        return refused(400, "param.cardNotExist")
    card |= payload["cardData"]["cardParamMap"]
    return JSONResponse({"success": True, "result": True})


def _work_send(state: FakeDingtalk, _request: Request, payload: dict[str, Any]) -> Response:
    people = [one for one in str(payload.get("userid_list", "")).split(",") if one]
    content = json.dumps(payload.get("msg"), ensure_ascii=False, sort_keys=True)
    if not 0 < len(people) <= WORK_BATCH or len(content.encode()) > MAX_WORK_BYTES:
        return numbered(40035)
    task_id = state.add_task(people, content)
    body = payload["msg"].get("markdown", {})
    for person in state.tasks[task_id].delivered:
        state.platform.record("dingtalk-work", person, str(body.get("text", "")), payload)
    return numbered(0, task_id=task_id, request_id="0000")


def _work_result(state: FakeDingtalk, _request: Request, payload: dict[str, Any]) -> Response:
    task = state.tasks.get(int(payload.get("task_id", 0)))
    if task is None or state.platform.clock.now() - task.sent_at > RESULT_LIFE:
        return numbered(40035)
    if state.late_results > 0:
        state.late_results -= 1
        return numbered(0, send_result={})
    return numbered(
        0,
        send_result={
            "invalid_user_id_list": task.invalid,
            "forbidden_user_id_list": [],
            "failed_user_id_list": [],
            "read_user_id_list": task.delivered[:1],
            "unread_user_id_list": task.delivered[1:],
            "invalid_dept_id_list": [],
            "forbidden_list": [
                {"code": code, "count": 1, "userid": person} for person, code in task.forbidden
            ],
        },
    )


def _session_send(state: FakeDingtalk, request: Request, payload: dict[str, Any]) -> Response:
    recipient = state.session(request.query_params.get("session", ""))
    if recipient is None:
        return numbered(300001)
    body = payload.get(str(payload.get("msgtype", "")), {})
    text = str(body.get("content") or body.get("text") or "")
    state.platform.record("dingtalk-session", recipient, text, payload)
    return numbered(0)

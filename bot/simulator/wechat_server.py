"""Fake servers of WeChat, of the WeCom group robot and of DingTalk's custom robot.

They check what the real ones check (tokens, windows, limits, signatures) and can be told to fail.
Mounted by the app in demo mode and by tests (`httpx2.ASGITransport`).

Source: the vendors' pages named in the channels.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.simulator.faults import broken_transport, slowly
from bot.simulator.platform import FakePlatform, Fault

MAX_TEXT_BYTES = 2048
SIGN_WINDOW_MS = 3_600_000
Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[FakePlatform, Request, dict[str, Any]], Response]


def make_fake_wechat(state: FakePlatform) -> Starlette:
    """Return the fake servers' application."""
    paths: dict[str, Handler] = {
        "/cgi-bin/stable_token": _stable_token,
        "/cgi-bin/message/custom/send": _with_token(_custom_send),
        "/cgi-bin/message/custom/typing": _with_token(_custom_typing),
        "/cgi-bin/message/template/send": _with_token(_template_send),
        "/cgi-bin/message/subscribe/bizsend": _with_token(_subscribe_send),
        "/cgi-bin/qrcode/create": _with_token(_qrcode),
        "/cgi-bin/webhook/send": _wecom_robot,
        "/robot/send": _dingtalk_robot,
    }
    routes = [
        Route(path, _endpoint(state, path, handler), methods=["POST"])
        for path, handler in paths.items()
    ]
    return Starlette(routes=routes)


def _endpoint(state: FakePlatform, path: str, handler: Handler) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        state.calls.append(path)
        fault = state.take_fault(path)
        if fault is not None and fault is not Fault.SLOW:
            return _broken(fault)
        try:
            payload = json.loads(await request.body())
        except ValueError:
            payload = None
        known = isinstance(payload, dict)
        answer = handler(state, request, payload) if known else _code(47001)
        return slowly(answer, state.slow_seconds) if fault is Fault.SLOW else answer

    return endpoint


def _broken(fault: Fault) -> Response:
    broken = broken_transport(fault, cut='{"errcode":0,"errm')
    if broken is not None:
        return broken
    codes = {Fault.TOKEN_INVALID: 40001, Fault.TOKEN_EXPIRED: 42001, Fault.BUSY: -1}
    return _code(codes[fault])


def _code(errcode: int, **more: Any) -> Response:
    text = "ok" if errcode == 0 else "refused rid: 0000"
    return JSONResponse({"errcode": errcode, "errmsg": text, **more})


def _with_token(handler: Handler) -> Handler:
    def checked(state: FakePlatform, request: Request, payload: dict[str, Any]) -> Response:
        code = state.token_errcode(request.query_params.get("access_token", ""))
        return _code(code) if code else handler(state, request, payload)

    return checked


def _stable_token(state: FakePlatform, _request: Request, payload: dict[str, Any]) -> Response:
    app_id = str(payload.get("appid", ""))
    if not state.is_app(app_id, str(payload.get("secret", ""))):
        return _code(40125)
    token, seconds = state.issue_token(app_id, forced=payload.get("force_refresh") is True)
    return JSONResponse({"access_token": token, "expires_in": seconds})


def _custom_send(state: FakePlatform, _request: Request, payload: dict[str, Any]) -> Response:
    openid, text = str(payload.get("touser", "")), _text_of(payload)
    if len(text.encode()) > MAX_TEXT_BYTES:
        return _code(45002)
    code = state.spend_window(openid)
    if code == 0:
        state.record("custom", openid, text, payload)
    return _code(code)


def _custom_typing(state: FakePlatform, _request: Request, payload: dict[str, Any]) -> Response:
    """Take the sign that somebody writes; nothing of it is a message."""
    if payload.get("command") not in ("Typing", "CancelTyping"):
        return _code(45072)
    return _code(0 if payload.get("touser") else 40003)


def _template_send(state: FakePlatform, _request: Request, payload: dict[str, Any]) -> Response:
    return _notify(state, "template", payload)


def _subscribe_send(state: FakePlatform, _request: Request, payload: dict[str, Any]) -> Response:
    return _notify(state, "subscribe", payload)


def _qrcode(_state: FakePlatform, _request: Request, payload: dict[str, Any]) -> Response:
    """Make a code, permanent or for 30 days; the real one gives no `errcode` when all is well."""
    scene = str(payload.get("action_info", {}).get("scene", {}).get("scene_str", ""))
    kind, length = payload.get("action_name"), payload.get("expire_seconds")
    passing = kind == "QR_STR_SCENE" and isinstance(length, int) and 0 < length <= 2_592_000
    if not (passing or kind == "QR_LIMIT_STR_SCENE") or not 1 <= len(scene) <= 64:
        return _code(40053)
    return JSONResponse({"ticket": f"t-{scene}", "url": f"http://weixin.qq.com/q/{scene}"})


def _notify(state: FakePlatform, kind: str, payload: dict[str, Any]) -> Response:
    if not payload.get("template_id"):
        return _code(40037)
    data = payload.get("data")
    if not isinstance(data, dict) or not all(map(_fits, data, data.values())):
        return _code(47003)
    openid = str(payload.get("touser", ""))
    if not state.is_follower(openid):
        return _code(43004 if kind == "template" else 40003)
    number = state.message_number(openid, str(payload.get("client_msg_id", "")))
    if number is None:
        number = state.new_message_number(openid, str(payload.get("client_msg_id", "")))
        state.record(kind, openid, "", payload)
    return _code(0, msgid=number)


def _fits(field: object, value: object) -> bool:
    """Say whether a field's value is what its kind takes: `thing` has 20 characters."""
    text = value.get("value") if isinstance(value, dict) else None
    return isinstance(text, str) and (not str(field).startswith("thing") or len(text) <= 20)


def _wecom_robot(state: FakePlatform, request: Request, payload: dict[str, Any]) -> Response:
    key, text = request.query_params.get("key", ""), _text_of(payload)
    if state.robot_secret(key) is None:
        return _code(93000)
    if len(text.encode()) > MAX_TEXT_BYTES:
        return _code(40058)
    if not state.spend_robot(key, block=timedelta()):
        return _code(45009)
    state.record("wecom", key, text, payload)
    return _code(0)


def _dingtalk_robot(state: FakePlatform, request: Request, payload: dict[str, Any]) -> Response:
    token = request.query_params.get("access_token", "")
    secret = state.robot_secret(token)
    if secret is None:
        return _code(300001)
    if secret and not _is_signed(state, request, secret):
        return _code(310000)
    if not state.spend_robot(token, block=timedelta(minutes=10)):
        return _code(130101)
    state.record("dingtalk", token, _text_of(payload), payload)
    return _code(0)


def _is_signed(state: FakePlatform, request: Request, secret: str) -> bool:
    stamp = request.query_params.get("timestamp", "")
    digest = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
    expected = base64.b64encode(digest).decode()
    if not hmac.compare_digest(expected, request.query_params.get("sign", "")):
        return False
    return abs(int(stamp) - state.clock.now().timestamp() * 1000) <= SIGN_WINDOW_MS


def _text_of(payload: dict[str, Any]) -> str:
    body = payload.get("text")
    return str(body.get("content", "")) if isinstance(body, dict) else ""

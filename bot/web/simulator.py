"""The simulator page: a phone on which one writes as a parent or a teacher. Demo mode only.

WeChat goes through signed and encrypted callbacks, DingTalk through frames on the service's own
Stream connection; only the platforms are played. What the service sends comes by `events`.
"""

import json
import tomllib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from sse_starlette import EventSourceResponse
from starlette.responses import JSONResponse, Response

from bot.core.errors import InputInvalid, NotFound
from bot.web.guard import Call
from bot.web.ports import DingtalkPhone, Heard, Simulator, WechatPhone

PING_SECONDS = 15
WECHAT, DINGTALK = "wechat", "dingtalk"
KINDS = {WECHAT: ("voice", "image", "sticker"), DINGTALK: ("voice", "image")}
MAX_LETTERS = 5000
SHOWN_ALERTS = 20


@dataclass(frozen=True, slots=True)
class Thread:
    """Somebody's conversation with the bot, or a group with `members` who may write."""

    key: str
    platform: str
    name: str
    about: str
    scene: str = ""
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A sentence to try; `kind` is question, person, risk or harmless."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Cast:
    """The people and groups, by key, and the sentences."""

    threads: Mapping[str, Thread]
    examples: Sequence[Example]


@cache
def cast() -> Cast:
    """Return what stands in `simulator.toml`."""
    read = tomllib.loads(files("bot.web").joinpath("simulator.toml").read_text("utf-8"))
    threads = [Thread(**row | {"members": tuple(row.get("members", ()))}) for row in read["thread"]]
    return Cast(
        {thread.key: thread for thread in threads}, [Example(**row) for row in read["example"]]
    )


async def page(call: Call) -> Response:
    """Show the phone."""
    threads = _offered(_simulator(call))
    return call.page(
        "simulator.html",
        threads=threads,
        platforms={thread.platform for thread in threads},
        examples=cast().examples,
        alerts=_alerts(call),
        dingtalk=_simulator(call).dingtalk,
    )


async def say(call: Call) -> Response:
    """Send words; return the passive reply as JSON, null for DingTalk."""
    text = call.form.get("text", "").strip()
    if not text or len(text) > MAX_LETTERS:
        raise InputInvalid("text", field="text")
    thread = _thread(call)
    if thread.platform == WECHAT:
        return _reply(await _wechat(call).say(thread.key, text))
    phone = _dingtalk(call)
    person, group = _author(call, thread)
    await phone.say(person, text, group)
    return _sent(phone)


async def follow(call: Call) -> Response:
    """Follow the account by the parent's QR code and return the greeting."""
    thread = _thread(call, WECHAT)
    return _reply(await _wechat(call).follow(thread.key, thread.scene))


async def send(call: Call) -> Response:
    """Send something that is not text."""
    kind, thread = call.form.get("kind", ""), _thread(call)
    if kind not in KINDS[thread.platform] or thread.members:
        raise InputInvalid("kind", field="kind")
    if thread.platform == WECHAT:
        return _reply(await _wechat(call).send_kind(thread.key, kind))
    phone = _dingtalk(call)
    await phone.send_kind(thread.key, kind)
    return _sent(phone)


async def again(call: Call) -> Response:
    """Let DingTalk deliver the last message once more, under the same id."""
    phone, thread = _dingtalk(call), _thread(call, DINGTALK)
    person, group = _author(call, thread)
    await phone.again(person, group)
    return _sent(phone)


async def exhaust(call: Call) -> Response:
    """Let DingTalk deliver a message without words, as beyond the month's quota."""
    phone, thread = _dingtalk(call), _thread(call, DINGTALK)
    person, group = _author(call, thread)
    await phone.exhaust(person, group)
    return _sent(phone)


async def disconnect(call: Call) -> Response:
    """Let DingTalk cut the Stream connection for a few seconds."""
    phone = _dingtalk(call)
    await phone.disconnect()
    return _sent(phone)


async def stream(call: Call) -> Response:
    """Return how DingTalk's messages reach the service just now."""
    return call.page("_stream.html", dingtalk=_simulator(call).dingtalk)


async def events(call: Call) -> Response:
    """Stream what reaches anybody outside a callback's answer, as JSON."""
    simulator = _simulator(call)
    return EventSourceResponse(_later(simulator), ping=PING_SECONDS)


async def _later(simulator: Simulator) -> AsyncIterator[dict[str, str]]:
    async for heard in simulator.events(cast().threads):
        yield {"event": "words", "data": json.dumps(_shown(heard), ensure_ascii=False)}


def _shown(heard: Heard) -> dict[str, str]:
    threads = cast().threads
    called = [f"@{threads[key].name}" for key in heard.mentions if key in threads]
    text = " ".join([*called, heard.text])
    return {"thread": heard.recipient, "kind": heard.kind, "text": text}


async def alerts(call: Call) -> Response:
    """Return what the duty group received."""
    return call.page("_alerts.html", alerts=_alerts(call))


def _alerts(call: Call) -> list[str]:
    return list(_simulator(call).alerts())[-SHOWN_ALERTS:][::-1]


def _offered(simulator: Simulator) -> list[Thread]:
    phones = {WECHAT: simulator.wechat, DINGTALK: simulator.dingtalk}
    return [thread for thread in cast().threads.values() if phones[thread.platform] is not None]


def _simulator(call: Call) -> Simulator:
    if call.services.simulator is None:
        raise NotFound("no simulator")
    return call.services.simulator


def _wechat(call: Call) -> WechatPhone:
    phone = _simulator(call).wechat
    if phone is None:
        raise NotFound("no WeChat account in this simulator")
    return phone


def _dingtalk(call: Call) -> DingtalkPhone:
    phone = _simulator(call).dingtalk
    if phone is None:
        raise NotFound("no DingTalk robot in this simulator")
    return phone


def _thread(call: Call, platform: str = "") -> Thread:
    found = cast().threads.get(call.form.get("thread", ""))
    if found is None or (platform and found.platform != platform):
        raise InputInvalid("thread", field="thread")
    return found


def _author(call: Call, thread: Thread) -> tuple[str, str]:
    """Return who writes, and in which group (empty: 1:1)."""
    if not thread.members:
        return thread.key, ""
    author = call.form.get("author", "")
    if author not in thread.members:
        raise InputInvalid("author", field="author")
    return author, thread.key


def _reply(text: str | None) -> JSONResponse:
    return JSONResponse({"reply": text})


def _sent(phone: DingtalkPhone) -> JSONResponse:
    """Say whether the message has left, or waits on the platform's side for a connection."""
    return JSONResponse({"reply": None, "held": not phone.connected})

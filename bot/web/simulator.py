"""The simulator page: a phone on which one writes as a WeChat parent. Demo mode only.

It talks to `services.simulator`, which posts real signed and encrypted callbacks.
"""

import tomllib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from sse_starlette import EventSourceResponse
from starlette.responses import JSONResponse, Response

from bot.core.errors import InputInvalid, NotFound
from bot.web.guard import Call
from bot.web.ports import Simulator

PING_SECONDS = 15
KINDS = ("voice", "image", "sticker")
MAX_LETTERS = 5000
SHOWN_ALERTS = 20


@dataclass(frozen=True, slots=True)
class DemoParent:
    """Somebody to write as."""

    key: str
    name: str
    about: str
    scene: str


@dataclass(frozen=True, slots=True)
class Example:
    """A sentence to try; `kind` is question, person, risk or harmless."""

    text: str
    kind: str


@cache
def cast() -> tuple[Mapping[str, DemoParent], Sequence[Example]]:
    """Return the people, by key, and the sentences of `simulator.toml`."""
    read = tomllib.loads(files("bot.web").joinpath("simulator.toml").read_text("utf-8"))
    parents = {row["key"]: DemoParent(**row) for row in read["parent"]}
    return parents, [Example(**row) for row in read["example"]]


async def page(call: Call) -> Response:
    """Show the phone."""
    _simulator(call)
    parents, examples = cast()
    return call.page(
        "simulator.html", parents=list(parents.values()), examples=examples, alerts=_alerts(call)
    )


async def say(call: Call) -> Response:
    """Send words as a parent and return the reply as JSON."""
    text = call.form.get("text", "").strip()
    if not text or len(text) > MAX_LETTERS:
        raise InputInvalid("text", field="text")
    return _reply(await _simulator(call).say(_parent(call).key, text))


async def follow(call: Call) -> Response:
    """Follow the account by the parent's QR code and return the greeting."""
    parent = _parent(call)
    return _reply(await _simulator(call).follow(parent.key, parent.scene))


async def send(call: Call) -> Response:
    """Send something that is not text."""
    kind = call.form.get("kind", "")
    if kind not in KINDS:
        raise InputInvalid("kind", field="kind")
    return _reply(await _simulator(call).send_kind(_parent(call).key, kind))


async def events(call: Call) -> Response:
    """Stream what arrives for a parent outside a callback's answer."""
    parents, _ = cast()
    key = call.request.query_params.get("parent", "")
    if key not in parents:
        raise InputInvalid("parent", field="parent")
    return EventSourceResponse(_later(_simulator(call), key), ping=PING_SECONDS)


async def _later(simulator: Simulator, key: str) -> AsyncIterator[dict[str, str]]:
    async for text in simulator.events(key):
        yield {"event": "words", "data": text}


async def alerts(call: Call) -> Response:
    """Return what the duty group received."""
    return call.page("_alerts.html", alerts=_alerts(call))


def _alerts(call: Call) -> list[str]:
    return list(_simulator(call).alerts())[-SHOWN_ALERTS:][::-1]


def _simulator(call: Call) -> Simulator:
    if call.services.simulator is None:
        raise NotFound("no simulator")
    return call.services.simulator


def _parent(call: Call) -> DemoParent:
    parents, _ = cast()
    found = parents.get(call.form.get("parent", ""))
    if found is None:
        raise InputInvalid("parent", field="parent")
    return found


def _reply(text: str | None) -> JSONResponse:
    return JSONResponse({"reply": text})

"""What the suite of every channel has to know of one: its ways in, and the platform's side of it.

A channel joins with a folder `tests/channels/<name>/`: `cases.py` with its `WAYS` (one class for
each way in, built on `Way`), recorded payloads and a `CHECKLIST.md`. It is found by its folder;
nothing else names it. Used by `test_channels.py` and `test_channels_at_home.py`.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

import httpx2
from starlette.types import ASGIApp

from bot.app import create_app
from bot.core.clock import FixedClock
from bot.core.messages import IncomingMessage, ReplyTo
from bot.core.ports import CallbackAnswer, CallbackRequest, Channel
from bot.simulator.platform import FakePlatform
from bot.wiring import House

FOLDER = Path(__file__).parents[1] / "channels"
ACCOUNT = "school1"
MEBIBYTE = 1024 * 1024
# What no log and no error may hold: names that a platform sends beside the words.
NAME, GROUP_NAME = "小明妈妈", "三年级2班"


@dataclass(frozen=True)
class Target:
    """Somewhere the channel can write to.

    Args:
        path: the call of the platform's API that writing there comes to.
        who: whom the platform shows the words to.
    """

    to: ReplyTo
    path: str
    who: str


class Way(ABC):
    """One way by which a platform's messages come in, with the platform behind it.

    Class attributes:
        name: shown with each test (`wechat-safe`).
        person: somebody who may be written to. stranger: somebody the platform does not know.
        outsider: somebody who may write, in a group, and can't be written to 1:1.
        group: a conversation of many the channel can write to; empty where there is none.
        http: it comes as a call to our address; False for a connection of our own.
        speaks: people's words come this way; False for a platform's own events.
        window: how far a call's time may be from ours; None where the connection vouches for it.
        covers_body: a signature is worth nothing under another body.
        secrets: what no log and no error may hold.
    """

    name: ClassVar[str]
    person: ClassVar[str]
    stranger: ClassVar[str]
    outsider: ClassVar[str] = ""
    group: ClassVar[str] = ""
    http: ClassVar[bool] = True
    speaks: ClassVar[bool] = True
    window: ClassVar[timedelta | None]
    covers_body: ClassVar[bool]
    secrets: ClassVar[tuple[str, ...]]

    clock: FixedClock
    channel: Channel
    platform: FakePlatform
    app: ASGIApp

    @abstractmethod
    def __init__(self, clock: FixedClock) -> None:
        """Make the channel as wiring makes it, and the fake platform whose server is `app`."""

    @abstractmethod
    def call(
        self, text: str, *, person: str = "", group: str = "", at: datetime | None = None
    ) -> CallbackRequest:
        """Make the call that brings these words; each has its own id. No person: `person`."""

    @abstractmethod
    def strange(self, text: str) -> CallbackRequest:
        """Make a rightly signed call of a kind, with words in a field, that nobody knows yet."""

    @abstractmethod
    def forged(self, call: CallbackRequest) -> Mapping[str, CallbackRequest]:
        """Return what somebody else than the platform could make of a call, by what is wrong."""

    @abstractmethod
    def broken(self) -> Mapping[str, CallbackRequest]:
        """Return rightly signed calls that hold no message, by what is wrong."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the tenant's settings with this account, its API on `http://platform`."""

    @abstractmethod
    def targets(self) -> Mapping[str, Target]:
        """Return each kind of place that can be written to; the platform has met `person`."""

    def read(self, answer: CallbackAnswer) -> str:
        """Return the words that the platform shows of an answer, empty for none."""
        return ""

    async def arrive(self, call: CallbackRequest) -> IncomingMessage:
        """Let the channel alone read a call.

        Raises:
            CallbackRejected: it is not the platform's.
            CallbackMalformed: it is, and can't be read.
        """
        return self.channel.parse(call)

    async def deliver(self, house: House, call: CallbackRequest) -> tuple[int, str]:
        """Let the running house take a call; return the status and the words shown at once.

        A way without HTTP says 200 for what is acknowledged, 400 for what is refused as unreadable.
        """
        url = f"http://house/callbacks/{self.channel.name}/{self.channel.account}"
        transport = httpx2.ASGITransport(create_app(house))
        async with httpx2.AsyncClient(transport=transport, trust_env=False) as client:
            response = await client.post(
                f"{url}?{urlencode(call.query, doseq=True)}",
                content=call.body,
                headers=dict(call.headers),
            )
        media = response.headers.get("content-type", "")
        shown = self.read(CallbackAnswer(response.status_code, response.text, media))
        await house.handover.flush()
        return response.status_code, shown if response.status_code == 200 else ""

    async def close(self) -> None:
        """Close the channel."""
        await self.channel.close()


def ways() -> list[type[Way]]:
    """Return every way of every channel that has a folder."""
    found: list[type[Way]] = []
    for path in sorted(FOLDER.glob("*/cases.py")):
        found += importlib.import_module(f"channels.{path.parent.name}.cases").WAYS
    return found


def almost_too_large(way: Way, end: str) -> tuple[CallbackRequest, str]:
    """Return a call just below the limit, and its words, which end with these."""
    # Encryption makes a call longer than its words, compat mode more than twice as long.
    longer = len(way.call("a" * 100_000).body) / 100_000
    words = "a" * int(MEBIBYTE * 0.98 / longer) + end
    call = way.call(words)
    assert MEBIBYTE * 0.9 < len(call.body) <= MEBIBYTE
    return call, words


def with_query(call: CallbackRequest, name: str, values: list[str]) -> CallbackRequest:
    """Return a call with other values of one query parameter, none to take it away."""
    query = {key: held for key, held in call.query.items() if key != name}
    return replace(call, query=query | ({name: values} if values else {}))


def with_header(call: CallbackRequest, name: str, value: str | None) -> CallbackRequest:
    """Return a call with another value of one header, None to take it away."""
    headers = {key: held for key, held in call.headers.items() if key != name}
    return replace(call, headers=headers | ({} if value is None else {name: value}))


def wrong(value: str) -> str:
    """Return a value with another last sign."""
    return value[:-1] + ("0" if value[-1:] != "0" else "1")

"""What the fake platforms remember: accounts, tokens, windows, robots, faults, and what they got.

One `FakePlatform` stands behind all fake servers of a process. Everything is in memory. Used by
`bot.simulator.wechat_server`, by the driver and by the simulator page.
"""

import asyncio
import itertools
import secrets
from collections import defaultdict, deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from weakref import WeakSet

from bot.core.clock import Clock

WINDOW = timedelta(hours=48)
WINDOW_MESSAGES = 5
TOKEN_LIFE = timedelta(hours=2)
CLIENT_ID_LIFE = timedelta(minutes=10)
ROBOT_PER_MINUTE = 20
FOREVER = -1
KEPT = 10_000


class Fault(StrEnum):
    """What every fake server can do wrong; docs/wechat.md and docs/dingtalk.md say how each looks.

    `SLOW` takes the call and sends the head and a byte of the answer at once, the rest much later.
    A clock that is off is no fault of a call: see `faults.SkewedClock`.
    """

    TOKEN_INVALID = "token_invalid"
    TOKEN_EXPIRED = "token_expired"
    TOO_MANY = "429"
    DOWN = "503"
    HTML = "html"
    SLOW = "slow"
    TRUNCATED = "truncated"
    NOT_JSON = "not_json"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Sent:
    """Something that a fake platform took.

    Args:
        kind: `custom`, `template`, `subscribe`, `wecom`, `dingtalk` (a custom robot), or
            `dingtalk-` with `person`, `group`, `session`, `card`, `work` or `ding`.
        recipient: openid, staff id, conversation id, or the robot's key.
        text: the words, empty for templates.
        payload: the whole body.
    """

    kind: str
    recipient: str
    text: str
    at: datetime
    payload: dict[str, Any] = field(repr=False)

    @property
    def mentions(self) -> tuple[str, ...]:
        """Return whom a message in a DingTalk group calls by name."""
        return tuple(self.payload.get("at", {}).get("atUserIds", ()))


@dataclass
class _Window:
    opened_at: datetime
    left: int = WINDOW_MESSAGES


class FakePlatform:
    """The memory of all fake servers.

    Args:
        clock: decides over token ages, windows and minute limits.
        slow_seconds: how long `Fault.SLOW` takes.
    """

    def __init__(self, clock: Clock, *, slow_seconds: float = 30.0) -> None:
        self.clock = clock
        self.slow_seconds = slow_seconds
        # Bounded: a demo may run for weeks.
        self.sent: deque[Sent] = deque(maxlen=KEPT)
        self.calls: deque[str] = deque(maxlen=KEPT)
        self.message_ids = itertools.count(200_000_001)
        self._apps: dict[str, str] = {}
        self._tokens: dict[str, datetime] = {}
        self._current: dict[str, str] = {}
        self._windows: dict[str, _Window] = {}
        self._numbered: dict[tuple[str, str], tuple[int, datetime]] = {}
        self._followers: set[str] = set()
        self._robots: dict[str, str] = {}
        self._robot_calls: dict[str, deque[datetime]] = defaultdict(deque)
        self._blocked_until: dict[str, datetime] = {}
        self._faults: dict[str, list[tuple[Fault, int]]] = {}
        self._listeners: dict[str, WeakSet[asyncio.Queue[Sent]]] = defaultdict(WeakSet)

    def add_app(self, app_id: str, app_secret: str) -> None:
        """Register a service account."""
        self._apps[app_id] = app_secret

    def add_robot(self, key: str, secret: str = "") -> None:
        """Register a group robot (WeCom: key only; DingTalk: access token and signing secret)."""
        self._robots[key] = secret

    def fail(self, path: str, fault: Fault, *, times: int = 1) -> None:
        """Let the next calls of a path go wrong (`FOREVER`: all of them)."""
        self._faults.setdefault(path, []).append((fault, times))

    def heal(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    def take_fault(self, path: str) -> Fault | None:
        """Return the fault that hits this call, and count it."""
        queue = self._faults.get(path)
        if not queue:
            return None
        fault, times = queue[0]
        if times == FOREVER:
            return fault
        queue[0] = (fault, times - 1)
        if times <= 1:
            queue.pop(0)
        return fault

    def follow(self, openid: str) -> None:
        """Let a person follow the account, so that their openid is known."""
        self._followers.add(openid)

    def unfollow(self, openid: str) -> None:
        """Let a person leave."""
        self._followers.discard(openid)
        self._windows.pop(openid, None)

    def is_follower(self, openid: str) -> bool:
        """Say whether a person follows the account."""
        return openid in self._followers

    def wrote(self, openid: str) -> None:
        """Open the 48-hour window with five messages, as a person's message does."""
        self.follow(openid)
        self._windows[openid] = _Window(self.clock.now())

    def issue_token(self, app_id: str, *, forced: bool) -> tuple[str, int]:
        """Return the stable token of an app and the seconds it has left."""
        now = self.clock.now()
        token = self._current.get(app_id, "")
        if forced:
            self._tokens.pop(token, None)
        if token not in self._tokens or self._tokens[token] - now < timedelta(minutes=5):
            token = f"token-{secrets.token_hex(16)}"
            self._tokens[token] = now + TOKEN_LIFE
            self._current[app_id] = token
        return token, int((self._tokens[token] - now).total_seconds())

    def revoke_tokens(self) -> None:
        """Make every token that was given out invalid."""
        self._tokens.clear()

    def is_app(self, app_id: str, app_secret: str) -> bool:
        """Say whether these credentials are right."""
        return bool(app_secret) and self._apps.get(app_id) == app_secret

    def token_errcode(self, token: str) -> int:
        """Return 0, 40001 for an unknown token or 42001 for an old one."""
        expires_at = self._tokens.get(token)
        if expires_at is None:
            return 40001
        return 0 if expires_at > self.clock.now() else 42001

    def spend_window(self, openid: str) -> int:
        """Take one message out of a person's window; return 0 or the platform's errcode."""
        if openid not in self._followers:
            return 40003
        window = self._windows.get(openid)
        if window is None or self.clock.now() - window.opened_at > WINDOW:
            return 45015
        if window.left == 0:
            return 45047
        window.left -= 1
        return 0

    def message_number(self, openid: str, client_id: str) -> int | None:
        """Return the number of a message that was sent under a caller's own id just before."""
        number, at = self._numbered.get((openid, client_id), (0, self.clock.now()))
        known = bool(client_id) and number and self.clock.now() - at < CLIENT_ID_LIFE
        return number if known else None

    def new_message_number(self, openid: str, client_id: str) -> int:
        """Number a message, and remember the caller's id for ten minutes."""
        now = self.clock.now()
        while self._numbered and now - next(iter(self._numbered.values()))[1] >= CLIENT_ID_LIFE:
            del self._numbered[next(iter(self._numbered))]
        number = next(self.message_ids)
        self._numbered.pop((openid, client_id), None)
        self._numbered[openid, client_id] = number, now
        return number

    def robot_secret(self, key: str) -> str | None:
        """Return a robot's signing secret, or None for an unknown robot."""
        return self._robots.get(key)

    def spend_robot(self, key: str, *, block: timedelta) -> bool:
        """Count a robot's message; False beyond 20 a minute or while it is blocked."""
        now = self.clock.now()
        if self._blocked_until.get(key, now) > now:
            return False
        calls = self._robot_calls[key]
        while calls and now - calls[0] >= timedelta(minutes=1):
            calls.popleft()
        if len(calls) >= ROBOT_PER_MINUTE:
            self._blocked_until[key] = now + block
            return False
        calls.append(now)
        return True

    def record(self, kind: str, recipient: str, text: str, payload: dict[str, Any]) -> None:
        """Keep what was sent and show it to whoever listens for this recipient."""
        sent = Sent(kind, recipient, text, self.clock.now(), payload)
        self.sent.append(sent)
        for queue in tuple(self._listeners.get(recipient, ())):
            queue.put_nowait(sent)

    def texts(self, recipient: str) -> list[str]:
        """Return the words that one recipient was sent, in order."""
        return [sent.text for sent in self.sent if sent.recipient == recipient]

    def subscribe(self, *recipients: str) -> AsyncGenerator[Sent, None]:
        """Yield what recipients are sent from this call on, until the caller stops listening."""
        queue: asyncio.Queue[Sent] = asyncio.Queue()
        for recipient in recipients:
            self._listeners[recipient].add(queue)
        return _drain(queue)


async def _drain(queue: asyncio.Queue[Sent]) -> AsyncGenerator[Sent, None]:
    # The queue lives as long as this generator: the listeners are weak, so nothing signs off.
    while True:
        yield await queue.get()

"""What the pages are handed by wiring."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from bot.core.bell import Bell
from bot.core.clock import Clock
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.services.live import LiveEvents
from knowledge.entry import Entry


class Simulator(Protocol):
    """Plays WeChat towards the real callback route; there is none in live."""

    async def say(self, parent: str, text: str) -> str | None:
        """Send words as a parent; return the passive reply."""
        ...

    async def follow(self, parent: str, scene: str) -> str | None:
        """Follow the account by the QR code of a scene (empty: by search)."""
        ...

    async def send_kind(self, parent: str, kind: str) -> str | None:
        """Send something that is not text: `voice`, `image` or `sticker`."""
        ...

    def events(self, parent: str) -> AsyncIterator[str]:
        """Yield what arrives for a parent outside a callback's answer."""
        ...

    def alerts(self) -> Sequence[str]:
        """Return the texts that the duty group received, oldest first."""
        ...


class Answers(Protocol):
    """The part of the answering service that pages use."""

    def entry(self, entry_id: str) -> Entry | None:
        """Return an entry of the handbook."""
        ...


class PageServices(Protocol):
    """The built services, as far as pages need them."""

    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def ring(self) -> KeyRing: ...
    @property
    def mode(self) -> str: ...
    @property
    def live(self) -> LiveEvents: ...
    @property
    def bell(self) -> Bell: ...
    @property
    def answers(self) -> Answers: ...
    @property
    def simulator(self) -> Simulator | None: ...

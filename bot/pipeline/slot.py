"""The passive slot: the one chance to answer inside the platform's callback.

The callback that waits owns it. The router takes it right before it commits an outcome; a callback
whose time is up closes it first. So a reply leaves either in the answer or through the channel's
own interface, never both.
"""

import asyncio
from typing import TypeVar

T = TypeVar("T")


class PassiveSlot:
    """A reply's chance to leave in the callback's answer."""

    def __init__(self) -> None:
        self._taken = False
        self._closed = False

    @property
    def open(self) -> bool:
        """Say whether the callback still waits for a reply."""
        return not (self._taken or self._closed)

    def take(self) -> bool:
        """Claim the slot for a reply that is about to be committed."""
        if self._closed or self._taken:
            return False
        self._taken = True
        return True

    def close(self) -> bool:
        """Give up waiting; False when a reply has been claimed already and is worth a moment."""
        if self._taken:
            return False
        self._closed = True
        return True


async def wait(task: "asyncio.Task[T]", slot: PassiveSlot, seconds: float) -> T | None:
    """Wait for a routed reply as long as the platform allows; None when time is up.

    Args:
        seconds: the platform's limit for an answer.
    """
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done and slot.close():
        return None
    return await asyncio.shield(task)

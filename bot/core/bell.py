"""A bell that is rung after a commit, so that nobody in this process has to wait for a poll.

The open pages listen; whoever commits rings. It carries nothing. (The job worker has a bell of its
own, rung by what enqueues.)
"""

from collections.abc import Callable


class Bell:
    """Call every listener; a listener must return at once."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Add a listener."""
        self._listeners.append(listener)

    def ring(self) -> None:
        """Tell everybody that something was committed."""
        for listener in self._listeners:
            listener()

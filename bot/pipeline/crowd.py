"""How many messages are at the door: being read and stored, or waiting for it. In this process.

The inbox counts here and leaves the classifier out while it is behind; the job that makes up for
it (`again`) waits until it is not.
"""

from collections.abc import Iterator
from contextlib import contextmanager

# So many at once are stored, with the classifier, in about half a second on one core. Measured
# (docs/decisions/0017): few come that close together below the rate that can be answered at all.
MANY = 12


class Crowd:
    """Counts who is at the door.

    Args:
        many: from this number on it is too many to ask the classifier about each.
    """

    def __init__(self, many: int = MANY) -> None:
        self.many = many
        self._here = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count one message until it is stored, or has failed to be."""
        self._here += 1
        try:
            yield
        finally:
            self._here -= 1

    @property
    def behind(self) -> bool:
        """Say whether more are here than can be read by the classifier in time."""
        return self._here >= self.many

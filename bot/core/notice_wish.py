"""Read a notice out of what a teacher writes to the robot: `通知 三年级2班 周五家长会，请回复收到`.

Called by `handlers.notices`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.core import class_names
from bot.core.class_names import Named

WORD = "通知"
_COMMAND = re.compile(
    r"\s*(?:请?发(?:一?个|一?条|一下)?)?通知(?P<gap>[\s,，:：、]*)(?P<rest>.*)", re.DOTALL
)
_CLAUSE = re.compile(r"[\s,，。;；!！?？、]+")
_ASKS = ("收到", "确认", "回复", "回执")
SHORT_TITLE = 24


@dataclass(frozen=True, slots=True)
class Wish:
    """A notice that a message asks for.

    Args:
        places: those that bear the name; none: no place of the teacher's was named.
        spaced: something stood between the word and the rest, so that it is a command whatever
            the rest says.
    """

    places: Sequence[Named]
    body: str
    spaced: bool

    @property
    def title(self) -> str:
        """Return its first words, to name it by."""
        first = _CLAUSE.split(self.body.strip(), maxsplit=1)[0]
        return (first or self.body.strip())[:SHORT_TITLE]

    @property
    def asks(self) -> bool:
        """Say whether it asks for a confirmation."""
        return any(word in self.body for word in _ASKS)


def mentioned(text: str) -> bool:
    """Say whether a message may have to do with notices at all."""
    return WORD in text


def looks_like(text: str) -> bool:
    """Say whether a message begins like a notice, with something after the word."""
    match = _COMMAND.fullmatch(text)
    return match is not None and bool(match["gap"]) and bool(match["rest"].strip())


def read(text: str, theirs: Sequence[Named]) -> Wish | None:
    """Read a notice out of a message; None when it is none."""
    match = _COMMAND.fullmatch(text)
    if match is None:
        return None
    found, rest = class_names.find(match["rest"], theirs)
    return Wish(found, rest.strip(), bool(match["gap"]) or not match["rest"])

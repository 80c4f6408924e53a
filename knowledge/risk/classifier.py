"""The place of a statistical model beside the rules: it may raise a level and never lowers one.

Called by `assess` last. `knowledge.risk.model.run` holds the one that ships; a rule set without one
behaves as if it always proposed nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from knowledge.risk.values import Level


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a model says of one text.

    Args:
        level: the level it proposes; NONE when it sees nothing or is unsure.
        category: code of DOMAIN §2.1, `NONE` when it proposes nothing.
        score: how sure it is that a person must see the text, 0…1.
        reason: a Chinese sentence that a counselor can read out; empty when it proposes nothing.
    """

    level: Level
    category: str
    score: float
    reason: str


NOTHING = Proposal(Level.NONE, "NONE", 0.0, "")


class Classifier(Protocol):
    """A model that reads texts and proposes levels. Safe to call from several threads."""

    @property
    def version(self) -> str:
        """Return what changes whenever the same text could be judged differently."""
        ...

    def propose(
        self, turns: Sequence[str], places: Sequence[int] = (), *, hinted: bool = False
    ) -> Proposal:
        """Judge the messages of a conversation together, oldest first.

        Args:
            hinted: a rule saw words that stand in dangers and in harmless messages alike.
            places: where in the last message signs of danger stand, in characters; they choose
                what is read of a text that is too long to be read whole.
        """
        ...

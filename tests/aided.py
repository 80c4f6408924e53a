"""A screen with a classifier of the tests' own, which sees a danger where no rule does."""

import copy
from collections.abc import Sequence

from fakes import ReadyScreen

from bot.services.guarding import GuardedClassifier
from knowledge.risk import Level
from knowledge.risk.classifier import NOTHING, Proposal

# Two that no rule knows; the classifier takes the first for a danger, whatever stands beside it.
OBLIQUE, PLAIN = "阳台上的绿萝我都托付给邻居了", "阳台上的绿萝该浇水了"
_MARK = "托付给邻居"


class Reader:
    """A classifier: level 3 for what is marked.

    Args:
        asked: the texts it read, the turns of one reading joined.
        broken: fail instead.
    """

    version = "reader"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken = False

    def propose(
        self, turns: Sequence[str], places: Sequence[int] = (), *, hinted: bool = False
    ) -> Proposal:
        """Propose level 3 for a marked text."""
        if self.broken:
            raise RuntimeError(f"cut off at {turns[-1]}")
        self.asked.append("|".join(turns))
        seen = any(_MARK in turn for turn in turns)
        return Proposal(Level.HIGH, "SI-P", 0.95, "模型认为像是在道别。") if seen else NOTHING


class AidedScreen(ReadyScreen):
    """The packaged rules with a `Reader` beside them."""

    def __init__(self) -> None:
        self.reader = Reader()
        super().__init__(classifier=GuardedClassifier(self.reader))

    def reload(self) -> None:
        """Take the rules that were read before, as a copy: others share them without a reader."""
        super().reload()
        self.rules = self.with_model(copy.copy(self.rules)) if self.rules else None

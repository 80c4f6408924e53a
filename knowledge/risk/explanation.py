"""The values of an explanation: what fired, what was held back, and what would change it.

Made by `explain`; read by the test box of the pages.
"""

from __future__ import annotations

from dataclasses import dataclass

from knowledge.risk.classifier import Proposal
from knowledge.risk.values import Assessment, Level, Span

RULE, COMBO, MODEL = "rule", "combo", "model"


@dataclass(frozen=True, slots=True)
class Fired:
    """One rule, combination or proposal of the model that counts.

    Args:
        kind: `rule`, `combo` or `model`.
        level: what it gave here.
        file: the rule file; empty for the model.
        spans: where it stands in the text; empty when it stands in earlier messages only.
        turn: number of the earlier message (1 is the oldest) in which it stands, 0: this one.
    """

    kind: str
    id: str
    category: str
    level: Level
    reason: str
    file: str
    spans: tuple[Span, ...]
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Filtered:
    """A rule whose words are there and that was held back or lowered.

    Args:
        name: one of `variants.FILTERS`, or `several`.
        level: what the rule would have given without this filter.
        given: what it gave, 0 for nothing.
    """

    name: str
    id: str
    category: str
    level: Level
    given: Level
    reason: str
    file: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Carried:
    """How far the model's score falls when one clause is left out (negative: it rises)."""

    clause: Span
    drop: float


@dataclass(frozen=True, slots=True)
class ModelPart:
    """What the classifier said.

    Args:
        proposal: of the text, or of the text with the messages before it when that is more.
        raised: nothing else gives as high a level.
        carried: clauses of the text, the one that carries most first.
    """

    version: str
    proposal: Proposal
    raised: bool
    carried: tuple[Carried, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """The level with one thing different.

    Args:
        kind: `rule` (left out), `model` (left out), `speaker`, `clause` (left out), `turns` (the
            earlier messages left out) or `floor` (no open case).
        what: rule id, speaker code (`X`: unknown), words of the clause, or nothing.
        before: the level as it is.
    """

    kind: str
    what: str
    before: Level
    level: Level

    @property
    def changes(self) -> bool:
        """Tell whether the level becomes another."""
        return self.level is not self.before


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that can be said about one judgement.

    Args:
        model: None when the rule set has no classifier.
        shortened: the text was too long to be judged again and again; only a few rules were tried,
            and neither filters nor clauses nor speakers.
    """

    assessment: Assessment
    fired: tuple[Fired, ...]
    filtered: tuple[Filtered, ...]
    model: ModelPart | None
    changes: tuple[Change, ...]
    shortened: bool

"""What two rule sets say of the same text, as far as the levels differ. Pure.

Called by the replay of stored messages and by the screen while a rule set runs in shadow.
"""

from __future__ import annotations

from dataclasses import dataclass

from knowledge.risk.assess import assess
from knowledge.risk.rules import RuleSet
from knowledge.risk.values import Assessment, Context, Level


@dataclass(frozen=True, slots=True)
class Difference:
    """One text whose level would be another one.

    Args:
        categories: those of the higher verdict, the worst first.
        gained: rules that fire only in the new set.
        lost: rules that fire only in the one in force.
    """

    live: Level
    new: Level
    categories: tuple[str, ...]
    gained: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def raised(self) -> bool:
        """Say whether the level would be higher; otherwise it would be lower."""
        return self.new.rank > self.live.rank

    @property
    def escalated(self) -> bool:
        """Say whether a counselor would see what today nobody is told of."""
        return self.new.escalated and not self.live.escalated

    @property
    def released(self) -> bool:
        """Say whether nobody would be told of what a counselor sees today."""
        return self.live.escalated and not self.new.escalated


def difference(live: Assessment, new: Assessment) -> Difference | None:
    """Return how two verdicts on one text differ; None when the level is the same."""
    if live.level is new.level:
        return None
    higher = new if new.level.rank > live.level.rank else live
    return Difference(
        live.level,
        new.level,
        higher.categories,
        tuple(rule for rule in new.rule_ids if rule not in live.rule_ids),
        tuple(rule for rule in live.rule_ids if rule not in new.rule_ids),
    )


def compare(text: str, context: Context, live: RuleSet, new: RuleSet) -> Difference | None:
    """Judge a text under two rule sets; None when the level is the same."""
    return difference(assess(text, context, live), assess(text, context, new))

"""What the agreed test cases ask of a rule set, and how many of them one gets right.

Called by the pages about rules, among them those that check a set before it is published.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import RuleCase
from bot.db.models.rule_case import AGREED, FALSE_ALARM, MISSED
from knowledge.risk import Context, Level, RuleSet, assess
from knowledge.risk.regression import Case
from knowledge.risk.variants import scratch, without_classifier


async def regression_cases(session: AsyncSession) -> list[Case]:
    """Return the agreed cases that still have their words, of all places, oldest first."""
    rows = await session.scalars(
        select(RuleCase)
        .where(RuleCase.state == AGREED, RuleCase.erased_at.is_(None))
        .order_by(RuleCase.id)
    )
    return [_regression(row) for row in rows]


def _regression(row: RuleCase) -> Case:
    """Return what the rules have to do: a miss must be reached, a false alarm not be passed."""
    level = Level(row.expected_level)
    return Case(
        id=f"case-{row.id}",
        text=row.text,
        who=row.who,
        turns=tuple(row.turns),
        least=Level.NONE if row.kind == FALSE_ALARM else level,
        most=None if row.kind == MISSED else level,
    )


@dataclass(frozen=True, slots=True)
class Run:
    """What became of the agreed cases under a rule set.

    Args:
        failed: ids of those that it gets wrong.
    """

    cases: int
    failed: tuple[str, ...]
    version: str

    @property
    def passed(self) -> int:
        """Return how many it gets right."""
        return self.cases - len(self.failed)


def run(cases: Iterable[Case], rules: RuleSet) -> Run:
    """Judge cases as messages are judged, with the classifier if there is one."""
    rules = scratch(rules)
    judged = [(case, assess(case.text, Context(case.who, case.turns), rules)) for case in cases]
    failed = tuple(
        case.id
        for case, found in judged
        if found.level.rank < case.least.rank
        or (case.most is not None and found.level.rank > case.most.rank)
    )
    return Run(len(judged), failed, rules.judged_by)


def binding(cases: Iterable[Case], rules: RuleSet) -> list[Case]:
    """Return the cases that the rules in force get right, and no other set may lose.

    What they get wrong is work to be done: it must not keep everybody from mending other things.
    The rules count alone, as they do when a set is checked before it is published.
    """
    known = list(cases)
    wrong = run(known, without_classifier(rules)).failed
    return [case for case in known if case.id not in wrong]

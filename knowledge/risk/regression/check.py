"""Checks a rule set against what it must and must not see. Called before one is published.

The rules are judged alone, without a classifier: a model that happens to see a danger is no reason
to publish rules that have lost it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from knowledge.risk.assess import assess
from knowledge.risk.regression.examples import examples
from knowledge.risk.rules import RuleSet
from knowledge.risk.values import Context, Level

SILENT_GROUP = "J"


@dataclass(frozen=True, slots=True)
class Case:
    """A text whose level people have agreed on, beside the written examples.

    Args:
        who: speaker code; None: nobody knows.
        least: the level it must reach.
        most: the level it may not pass; None: any.
    """

    id: str
    text: str
    who: str | None = None
    turns: tuple[str, ...] = ()
    least: Level = Level.NONE
    most: Level | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that a rule set gets wrong.

    Args:
        kind: `low` or `high` (level of a case), `must` or `must_not` (a rule's own examples).
        id: of the example, the case or the rule.
        text: empty for a further case, whose words may be a person's.
        expected: a level, or the rule's id.
        found: the level that came out.
    """

    kind: str
    id: str
    text: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Regression:
    """How many things were checked, and what failed."""

    checked: int
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> bool:
        """Say whether the rule set may be published."""
        return not self.failures


def check(rules: RuleSet, cases: Iterable[Case] = ()) -> Regression:
    """Check the written examples, each rule's own examples, and further cases.

    Every example of level 3 or 3! must reach its level whether or not the speaker is known, the
    harmless group must stay silent, and nothing that is at most a worry may reach 3.
    """
    alone = replace(rules, classifier=None) if rules.classifier else rules
    checked = 0
    failures: list[Failure] = []
    for case in _written():
        checked += 1
        failures += _level(case, alone)
    for case in cases:
        checked += 1
        failures += [replace(found, text="") for found in _level(case, alone)]
    for found in _own(alone):
        checked += 1
        failures += [found] if found else []
    return Regression(checked, tuple(failures))


def _written() -> Iterator[Case]:
    for row in examples():
        wanted = Level(row["level"])
        if wanted.rank >= Level.HIGH.rank:
            yield Case(row["id"], row["text"], row["who"], least=wanted)
            yield Case(row["id"], row["text"], None, least=wanted)
        elif row["group"].startswith(SILENT_GROUP):
            yield Case(row["id"], row["text"], row["who"], most=Level.NONE)
        elif wanted.rank <= Level.WATCH.rank:
            yield Case(row["id"], row["text"], row["who"], most=Level.FOCUS)


def _level(case: Case, rules: RuleSet) -> list[Failure]:
    level = assess(case.text, Context(case.who, case.turns), rules).level
    if level.rank < case.least.rank:
        return [Failure("low", case.id, case.text, case.least.value, level.value)]
    if case.most is not None and level.rank > case.most.rank:
        return [Failure("high", case.id, case.text, case.most.value, level.value)]
    return []


def _own(rules: RuleSet) -> Iterator[Failure | None]:
    """Check that each rule fires on its own examples, and not on those that it must leave alone."""
    for rule in rules.rules:
        wanted = [(text, True) for text in rule.examples_must]
        for text, must in wanted + [(text, False) for text in rule.examples_must_not]:
            got = assess(text, rules=rules)
            kind = "must" if must else "must_not"
            wrong = (rule.id in got.rule_ids) is not must
            yield Failure(kind, rule.id, text, rule.id, got.level.value) if wrong else None

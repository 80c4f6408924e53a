"""Rule sets with something left out, so that its part in a judgement is seen by judging again.

Called by `explain`. Every set returned shares the compiled automaton of the one it came from and
remembers nothing of the texts that were judged with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from copy import copy
from dataclasses import replace

from knowledge.risk.rules import Rule, RuleSet

# What can hold a finding back: the context filters and, last, what no switch of a rule lifts.
SWITCHES = ("register", "negation", "tense", "hypothetical", "stranger")
FILTERS = (*SWITCHES, "unless", "soften", "testing", "idiom")
SEVERAL = "several"


def scratch(rules: RuleSet) -> RuleSet:
    """Return the same rules with a memory of their own."""
    # A copy keeps what was compiled; `dataclasses.replace` would build it again each time.
    made = copy(rules)
    made.readings = {}
    return made


def without(rules: RuleSet, ids: Collection[str]) -> RuleSet:
    """Return the set without some rules or combinations."""
    made = scratch(rules)
    made.rules = [rule for rule in rules.rules if rule.id not in ids]
    made.combos = [combo for combo in rules.combos if combo.id not in ids]
    made.owners = [owner if owner and owner.id not in ids else None for owner in rules.owners]
    return made


def without_classifier(rules: RuleSet) -> RuleSet:
    """Return the rules alone."""
    made = scratch(rules)
    made.classifier = None
    return made


def unfiltered(rules: RuleSet, name: str) -> RuleSet:
    """Return the set with one of `FILTERS` lifted, or with `several`: all of them."""
    if name == SEVERAL:
        made = rules
        for one in FILTERS:
            made = unfiltered(made, one)
        return made
    if name == "testing":
        return _without_testing(rules)
    if name == "idiom":
        made = scratch(rules)
        made.idioms = frozenset()
        return made
    if name in SWITCHES:
        return _changed(rules, lambda rule: replace(rule, ignore=rule.ignore | {name}))
    return _changed(rules, _LIFTED[name])


_LIFTED: dict[str, Callable[[Rule], Rule]] = {
    "unless": lambda rule: replace(rule, unless=()),
    "soften": lambda rule: replace(rule, soften=()),
}


def _changed(rules: RuleSet, change: Callable[[Rule], Rule]) -> RuleSet:
    made = scratch(rules)
    made.rules = [change(rule) for rule in rules.rules]
    by_id = {rule.id: rule for rule in made.rules}
    made.owners = [by_id[owner.id] if owner else None for owner in rules.owners]
    return made


def _without_testing(rules: RuleSet) -> RuleSet:
    """Return the set with an empty word list in the place of the words of a test."""
    made = scratch(rules)
    made.group_literals = [*rules.group_literals, frozenset()]
    made.slot_groups = {**rules.slot_groups, "testing": len(rules.group_literals)}
    return made

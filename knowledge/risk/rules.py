"""What the rule files say, compiled: rules, combinations of signs, and the set of them all.

Made by `loading`; read by `match`, `context`, `reading` and `assess`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ahocorasick_rs import AhoCorasick, MatchKind

from knowledge.errors import KnowledgeError
from knowledge.risk.bounded import width
from knowledge.risk.classifier import Classifier
from knowledge.risk.normalise import is_emoji
from knowledge.risk.patterns import WINDOW
from knowledge.risk.rewrite import Rewriter
from knowledge.risk.values import Level, max_level


class RulesInvalid(KnowledgeError):
    """A rule file that cannot be used, with file, rule and field."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the files, compiled.

    Args:
        levels: level by kind of speaker: default, adult, minor, child, other.
        unless: numbers of the patterns that switch the rule off when they stand near it.
        soften: numbers of the patterns that bring it down to `softened`.
        ignore: context filters that do not apply.
        tags: signs that `combos` count; a weak rule without a tag is its own sign.
        longest: signs that a message may have for the rule to count; 0: any number.
    """

    id: str
    category: str
    levels: dict[str, Level]
    reason: str
    source: str
    file: str
    unless: tuple[int, ...] = ()
    soften: tuple[int, ...] = ()
    softened: Level = Level.WATCH
    ignore: frozenset[str] = frozenset()
    weak: bool = False
    tags: tuple[str, ...] = ()
    longest: int = 0
    examples_must: tuple[str, ...] = ()
    examples_must_not: tuple[str, ...] = ()

    @property
    def top(self) -> Level:
        """Return the highest level the rule can give."""
        return max_level(self.levels.values())

    def level_for(self, speaker: str) -> Level:
        """Return the level for one kind of speaker: adult, minor, child or other."""
        return self.levels.get(speaker, self.levels["default"])


@dataclass(frozen=True, slots=True)
class Combo:
    """Signs that mean more together than alone.

    Args:
        needs: of each set at least one sign (a rule's tag, or its id) must be there.
        within: the signs of one message must stand in a stretch of so many characters.
        weak: so many weak signs (in a message) or messages with one (in a day) must be there.
        scope: message, turns (the messages of the last day together) or day.
    """

    id: str
    category: str
    level: Level
    reason: str
    needs: tuple[frozenset[str], ...]
    weak: int
    scope: str
    within: int
    file: str


@dataclass(frozen=True, slots=True)
class CompiledChain:
    """A chain whose groups are numbers into the matcher's table."""

    groups: tuple[int, ...]
    gaps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CompiledPattern:
    """A pattern, and the groups it needs."""

    chains: tuple[CompiledChain, ...]
    needed: frozenset[int]


@dataclass
class RuleSet:
    """Everything needed to assess a text; immutable after loading by convention.

    `readings` remembers what was read in short messages: the turns of a conversation come again
    with every new one.
    """

    rules: list[Rule]
    combos: list[Combo]
    version: str
    patterns: list[CompiledPattern]
    owners: list[Rule | None]
    literals: list[str]
    group_literals: list[frozenset[int]]
    anchor_groups: list[tuple[int, ...]]
    idioms: frozenset[int]
    latin: frozenset[int]
    slot_groups: dict[str, int]
    regexes: list[tuple[tuple[int, ...], re.Pattern[str]]]
    rewriter: Rewriter
    classifier: Classifier | None = None
    anchors: dict[int, tuple[int, ...]] = field(default_factory=dict)
    readings: dict[tuple[str, str | None], Any] = field(default_factory=dict, repr=False)

    @property
    def judged_by(self) -> str:
        """Return what an assessment names: the version of the rules, and of the classifier."""
        return f"{self.version}+{self.classifier.version}" if self.classifier else self.version

    @cached_property
    def automaton(self) -> Any:
        """Find all literals, overlapping."""
        return AhoCorasick(self.literals, matchkind=MatchKind.Standard)

    @cached_property
    def literal_bits(self) -> list[int]:
        """Return the groups that each literal belongs to, as the bits of a number."""
        bits = [0] * len(self.literals)
        for group, literals in enumerate(self.group_literals):
            for literal in literals:
                bits[literal] |= 1 << group
        return bits

    @cached_property
    def pattern_bits(self) -> list[int]:
        """Return the groups that each pattern needs, as the bits of a number."""
        return [sum(1 << group for group in pattern.needed) for pattern in self.patterns]

    @cached_property
    def far(self) -> frozenset[int]:
        """Return the patterns of one chain that may stretch over more than `WINDOW` characters."""
        special: dict[int, int] = {}
        for groups, regex in self.regexes:
            for group in groups:
                special[group] = max(special.get(group, 0), width(regex.pattern))
        sizes = [
            max([special.get(group, 0), *(len(self.literals[literal]) for literal in literals)])
            for group, literals in enumerate(self.group_literals)
        ]
        return frozenset(
            number
            for number, pattern in enumerate(self.patterns)
            for chain in pattern.chains[:1]
            if len(pattern.chains) == 1
            and sum(chain.gaps) + sum(sizes[group] for group in chain.groups) > WINDOW
        )

    @cached_property
    def literal_patterns(self) -> dict[int, frozenset[int]]:
        """Return the patterns that a literal may bring into play, of those that bring any."""
        found = {
            literal: frozenset(number for group in groups for number in self.anchors[group])
            for literal, groups in enumerate(self.anchor_groups)
        }
        return {literal: patterns for literal, patterns in found.items() if patterns}

    @cached_property
    def anchored(self) -> frozenset[int]:
        """Return the literals that bring patterns into play."""
        return frozenset(self.literal_patterns)

    @cached_property
    def emoji(self) -> frozenset[str]:
        """Return the emoji that rules or aliases name."""
        words = [*self.literals, *self.rewriter.aliases]
        return frozenset(char for word in words for char in word if is_emoji(char))

"""Finds the wording of the rules in a folded text.

Called by `assess`. One pass of an Aho-Corasick automaton finds every word; patterns are then
checked only when all their words are there, so the cost grows with the text, not with the rules.
"""

from __future__ import annotations

from bisect import bisect_left

from knowledge.risk.normalise import Folded
from knowledge.risk.patterns import NEAR, WINDOW
from knowledge.risk.rules import CompiledChain, CompiledPattern, RuleSet

Stretch = tuple[int, int]
Run = tuple[Stretch, ...]

# Spelt out with a comma inside on purpose, these still count; other words do not cross a comma.
_TOUGH = frozenset({"自杀", "自残", "割腕", "跳楼"})


class Found:
    """Where the words of the rules stand in a folded text; groups are gathered when asked for."""

    def __init__(
        self,
        folded: Folded,
        words: dict[int, list[Stretch]],
        special: dict[int, list[Stretch]],
        rules: RuleSet,
    ) -> None:
        self.folded = folded
        self.words = words
        self.special = special
        self._literals = rules.group_literals
        self.present: set[int] = set(special).union(*(rules.literal_groups[word] for word in words))
        self._gathered: dict[int, list[Stretch]] = {}

    def of(self, group: int) -> list[Stretch]:
        """Return the stretches of one group, in order of their end."""
        places = self._gathered.get(group)
        if places is None:
            places = self._gathered[group] = self._gather(group)
        return places

    def _gather(self, group: int) -> list[Stretch]:
        literals = self._literals[group]
        present = literals & self.words.keys()
        places = [place for literal in present for place in self.words[literal]]
        places += self.special.get(group, ())
        if len(places) > 1:
            places.sort(key=lambda place: place[1])
        return places


def find(folded: Folded, rules: RuleSet) -> Found:
    """Find every word of every group, leaving out what an idiom covers."""
    matches = rules.automaton.find_matches_as_indexes(folded.text, overlapping=True)
    masks = _masks(folded, matches, rules)
    words: dict[int, list[Stretch]] = {}
    for number, start, end in matches:
        if _stands(folded, start, end, masks, number in rules.latin):
            words.setdefault(number, []).append((start, end))
    special: dict[int, list[Stretch]] = {}
    for group, regex in rules.regexes:
        for hit in regex.finditer(folded.text):
            if not folded.crosses_comma(*hit.span()):
                special.setdefault(group, []).append(hit.span())
    return Found(folded, words, special, rules)


def candidates(found: Found, rules: RuleSet) -> list[int]:
    """Return the patterns all of whose groups are somewhere in the text."""
    triggered: set[int] = set().union(*(rules.literal_patterns[word] for word in found.words))
    for group in found.special:
        triggered.update(rules.anchors.get(group, ()))
    return sorted(number for number in triggered if rules.patterns[number].needed <= found.present)


def runs(found: Found, pattern: CompiledPattern) -> list[Run]:
    """Return every place where the pattern stands, as the stretches of its parts."""
    first = _chain_runs(found, pattern.chains[0])
    if len(pattern.chains) == 1 or not first:
        return first
    others = [_chain_runs(found, chain) for chain in pattern.chains[1:]]
    if not all(others):
        return []
    return [run for start in first if (run := _together(start, others))]


def _chain_runs(found: Found, chain: CompiledChain) -> list[Run]:
    """Follow the chain group by group, keeping for each end the nearest beginning."""
    frontier: list[Run] = [(place,) for place in found.of(chain.groups[0])]
    for group, gap in zip(chain.groups[1:], chain.gaps, strict=True):
        frontier.sort(key=lambda run: run[-1][1])
        ends = [run[-1][1] for run in frontier]
        grown: list[Run] = []
        for start, end in found.of(group):
            at = _reachable(found.folded, ends, start, gap)
            if at is not None:
                grown.append((*frontier[at], (start, end)))
        if not grown:
            return []
        frontier = grown
    return frontier


def _reachable(folded: Folded, ends: list[int], start: int, gap: int) -> int | None:
    """Find the nearest end from which a word at `start` may follow."""
    at = bisect_left(ends, start + 1) - 1
    if at < 0 or ends[at] < start - gap:
        return None
    if gap <= NEAR and folded.crosses_stop(ends[at] - 1, start):
        return None
    if gap == 0 and folded.crosses_comma(ends[at] - 1, start + 1):
        return None
    return at


def _together(first: Run, others: list[list[Run]]) -> Run | None:
    """Join a run with one of each other chain, all within WINDOW characters and not overlapping."""
    low, high, whole = first[0][0], first[-1][1], first
    for choices in others:
        ends = [run[-1][1] for run in choices]
        at = bisect_left(ends, low - WINDOW) if len(choices) > 8 else 0
        for run in choices[at : at + 40]:
            if max(high, run[-1][1]) - min(low, run[0][0]) <= WINDOW and _apart(whole, run):
                low, high = min(low, run[0][0]), max(high, run[-1][1])
                whole = whole + run
                break
        else:
            return None
    return whole


def _apart(left: Run, right: Run) -> bool:
    return not any(a < d and c < b for a, b in left for c, d in right)


def _masks(folded: Folded, matches: list[tuple[int, int, int]], rules: RuleSet) -> list[Stretch]:
    """Return the idioms in the text, the longest where they overlap."""
    idioms = [
        (start, end)
        for number, start, end in matches
        if number in rules.idioms and not folded.crosses_comma(start, end)
    ]
    if len(idioms) < 2:
        return idioms
    kept: list[Stretch] = []
    for start, end in sorted(idioms, key=lambda mask: (mask[0], -mask[1])):
        if not kept or end > kept[-1][1]:
            kept.append((start, end))
    return kept


def _stands(folded: Folded, start: int, end: int, masks: list[Stretch], latin: bool) -> bool:
    """Tell whether a word counts: no comma inside it, no idiom over it, no longer Latin word."""
    if (
        end - start > 1
        and folded.crosses_comma(start, end)
        and folded.text[start:end] not in _TOUGH
    ):
        return False
    if masks and _masked(start, end, masks):
        return False
    return not latin or folded.whole_word(start, end)


def _masked(start: int, end: int, masks: list[Stretch]) -> bool:
    """Tell whether the word lies in an idiom or begins inside one."""
    at = bisect_left(masks, (start + 1, 0)) - 1
    if at < 0:
        return False
    low, high = masks[at]
    return (low <= start and end <= high and (start, end) != (low, high)) or low < start < high

"""Finds the wording of the rules in a folded text.

Called by `assess`. One pass of an Aho-Corasick automaton finds every word; patterns are then
checked only when all their words are there, so the cost grows with the text, not with the rules.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from knowledge.risk.normalise import Folded
from knowledge.risk.patterns import NEAR, WINDOW
from knowledge.risk.rules import CompiledChain, CompiledPattern, RuleSet

Stretch = tuple[int, int]
Run = tuple[Stretch, ...]

# Spelt out with a comma inside on purpose, these still count; other words do not cross a comma.
_TOUGH = frozenset({"自杀", "自残", "割腕", "跳楼"})


# A text is looked at in blocks: a pattern is tried only where all its words stand in two
# neighbouring ones, which hold everything that is not longer than a block. The few patterns that
# reach further are tried where all their words stand in the window.
BLOCK = WINDOW


class Scan:
    """Every word of the rules in a text of any length, found once.

    `idioms` is the part of the text that harmless idioms cover, 0…1.
    """

    def __init__(self, folded: Folded, rules: RuleSet) -> None:
        self.folded = folded
        self.rules = rules
        self.words: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
        self._standing: dict[int, list[Stretch]] = {}
        self.special: dict[int, list[Stretch]] = {}
        count = len(folded.text) // BLOCK + 1
        self.literals: list[set[int]] = [set() for _ in range(count)]
        self.groups: list[set[int]] = [set() for _ in range(count)]
        self._matches = rules.automaton.find_matches_as_indexes(folded.text, overlapping=True)
        self._masks = _masks(folded, self._matches, rules)
        self.idioms = len(self._masks) / max(1, len(folded.text))
        self._find_words()
        self._find_special()
        self.bits = [self._bits(number) for number in range(count)]
        self.triggered = [self._triggered(number) for number in range(count)]

    def _find_words(self) -> None:
        """Find the literals in each block; whether a place counts is asked when it is needed."""
        words, literals = self.words, self.literals
        for match in self._matches:
            number, start, _ = match
            words[number].append(match)
            literals[start // BLOCK].add(number)

    def places(self, literal: int) -> list[Stretch]:
        """Return where a word stands, but for what an idiom covers or a comma parts."""
        places = self._standing.get(literal)
        if places is None:
            latin = literal in self.rules.latin
            places = self._standing[literal] = [
                (start, end)
                for _, start, end in self.words[literal]
                if self._stands(start, end, latin)
            ]
        return places

    def _stands(self, start: int, end: int, latin: bool) -> bool:
        folded = self.folded
        if folded.crosses_comma(start, end) and folded.text[start:end] not in _TOUGH:
            return False
        if start in self._masks:
            low, high = self._masks[start]
            if start > low or end < high:
                return False
        return not latin or folded.whole_word(start, end)

    def _find_special(self) -> None:
        for groups, regex in self.rules.regexes:
            places = [
                hit.span()
                for hit in regex.finditer(self.folded.text)
                if not self.folded.crosses_comma(*hit.span())
            ]
            for start, _ in places:
                self.groups[start // BLOCK].update(groups)
            if places:
                for group in groups:
                    self.special[group] = sorted([*self.special.get(group, ()), *places])

    def _bits(self, block: int) -> int:
        """Return the groups that have a word in the block, as the bits of a number."""
        bits = 0
        of_literal = self.rules.literal_bits
        for number in self.literals[block]:
            bits |= of_literal[number]
        for group in self.groups[block]:
            bits |= 1 << group
        return bits

    def _triggered(self, block: int) -> set[int]:
        """Return the patterns that the words of the block bring into play."""
        anchored, groups = self.rules.literal_patterns, self.rules.anchors
        triggered: set[int] = set()
        for literal in self.literals[block] & self.rules.anchored:
            triggered |= anchored[literal]
        for group in self.groups[block]:
            triggered.update(groups.get(group, ()))
        return triggered


class Found:
    """Where the words of the rules stand in one window; gathered by group when asked for."""

    def __init__(self, scan: Scan, low: int, high: int) -> None:
        self._scan = scan
        self._low, self._high = low, high
        self._whole = low == 0 and high >= len(scan.folded.text)
        self.folded = scan.folded if self._whole else scan.folded.cut(low, high)
        self.blocks = range(low // BLOCK, -(-min(high, len(scan.folded.text)) // BLOCK))
        self._literals: set[int] = set().union(*(scan.literals[block] for block in self.blocks))
        self._bits = _union(scan.bits, self.blocks)
        self._literal_places: dict[int, list[Stretch]] = {}
        self._gathered: dict[int, list[Stretch]] = {}

    def may_hold(self, pattern: int) -> bool:
        """Tell whether all words of a pattern are somewhere in the window."""
        return not self._scan.rules.pattern_bits[pattern] & ~self._bits

    def of(self, group: int) -> list[Stretch]:
        """Return the stretches of one group, in order of their end."""
        places = self._gathered.get(group)
        if places is None:
            places = self._gathered[group] = self._gather(group)
        return places

    def _gather(self, group: int) -> list[Stretch]:
        present = self._scan.rules.group_literals[group] & self._literals
        places = [place for literal in present for place in self._of_literal(literal)]
        if group in self._scan.special:
            places += self._inside(self._scan.special[group])
        if len(places) > 1:
            places.sort(key=_end)
        return places

    def _of_literal(self, literal: int) -> list[Stretch]:
        places = self._literal_places.get(literal)
        if places is None:
            places = self._literal_places[literal] = self._inside(self._scan.places(literal))
        return places

    def _inside(self, places: list[Stretch]) -> list[Stretch]:
        """Return the places in the window, counted from its beginning."""
        if self._whole:
            return places
        low, high = self._low, self._high
        first = bisect_left(places, (low, low))
        last = bisect_left(places, (high, high))
        return [(start - low, end - low) for start, end in places[first:last] if end <= high]

    def candidates(self) -> list[int]:
        """Return the patterns all of whose words stand in two neighbouring blocks."""
        scan, found = self._scan, set[int]()
        needed = scan.rules.pattern_bits
        for block in self.blocks[:-1] or self.blocks:
            pair = range(block, min(block + 2, self.blocks.stop))
            missing = ~_union(scan.bits, pair)
            triggered = set[int]().union(*(scan.triggered[number] for number in pair)) - found
            found |= {one for one in triggered if not needed[one] & missing}
            far = triggered & scan.rules.far
            found |= {one for one in far if not needed[one] & ~self._bits}
        return sorted(found)


def _union(bits: Sequence[int], numbers: range) -> int:
    whole = 0
    for number in numbers:
        whole |= bits[number]
    return whole


def _end(place: Stretch) -> int:
    return place[1]


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
    if len(chain.groups) > 1 and not _near_enough(found, chain):
        return []
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


def _near_enough(found: Found, chain: CompiledChain) -> bool:
    """Tell whether the first two groups stand near each other anywhere, asking the rarer one."""
    first, second = found.of(chain.groups[0]), found.of(chain.groups[1])
    if len(first) <= 4 * len(second):
        return bool(first and second)
    ends = [end for _, end in first]
    gap = chain.gaps[0]
    for start, _ in second:
        at = bisect_left(ends, start + 1) - 1
        if at >= 0 and ends[at] >= start - gap:
            return True
    return False


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


def _masks(
    folded: Folded, matches: list[tuple[int, int, int]], rules: RuleSet
) -> dict[int, Stretch]:
    """Return the idiom over each character that lies in one, the longest where they overlap."""
    idioms = [
        (start, end)
        for number, start, end in matches
        if number in rules.idioms and not folded.crosses_comma(start, end)
    ]
    masks: dict[int, Stretch] = {}
    furthest = 0
    for start, end in sorted(idioms, key=lambda mask: (mask[0], -mask[1])):
        if end > furthest:
            masks.update(dict.fromkeys(range(start, end), (start, end)))
            furthest = end
    return masks

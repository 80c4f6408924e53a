"""The small language in which the rule files describe wording, and its parser.

Called by `rules` when the files are loaded. A pattern is a row of parts:

    {child} … 锁|反锁 … 不出来|没动静      in this order, at most 12 characters between
    {child} ~ 跳楼                          at most 4 characters between, in one sentence
    {child} …… 失联                        at most 30 characters between
    {fear} & {older_person}                 both, in any order, within 60 characters
    {self}不想活                            nothing between
    想(要|)死 or 想要?死 or 想(要|去)?死      optional piece
    想.?死                                  some characters, at most 4, like ~

A part is literal text, `{slot}` (a word list of the lexicon) or alternatives. There are no
regular expressions here, so no pattern can run away on a long message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod

from knowledge.risk.normalise import fold

NEAR, WIDE, FAR, WINDOW = 4, 12, 30, 60
_GAPS = {"~": NEAR, "…": WIDE, "……": FAR}
_SLOT = re.compile(r"\{([a-z_0-9]+)\}")
_PIECE = re.compile(r"\{[a-z_0-9]+\}|\([^()]*\)|[^{}()|]+|\|")
_OPTIONAL_WORD = re.compile(r"([^\s(){}|])\?")
_DOTS = re.compile(r"(?:\.\??)+")
_MAX_JOINED = 60
# Each optional piece may double the variants of a line: nobody's typing error may fill the memory.
_MAX_VARIANTS = 256


class PatternInvalid(ValueError):
    """A pattern that cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Group:
    """One place of a pattern: any of the literals or slots may stand there."""

    literals: frozenset[str] = frozenset()
    slots: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Chain:
    """Groups in order; `gaps[i]` is the widest distance between group i and i + 1."""

    groups: tuple[Group, ...]
    gaps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Chains that must all be found within WINDOW characters, in any order."""

    source: str
    chains: tuple[Chain, ...]


@lru_cache(maxsize=8192)
def parse(source: str) -> tuple[Pattern, ...]:
    """Parse one pattern; optional slots make several variants.

    Kept, because a set of rules is read again with every draft, check and publication, and almost
    all of its lines are those of before.

    Raises:
        PatternInvalid: when the text is not a pattern.
    """
    plain = _OPTIONAL_WORD.sub(r"(\1|)", _DOTS.sub(" ~ ", source).replace(")?", "|)"))
    sides = [_chains(side.split()) for side in plain.split("&")]
    _refuse_many(prod(len(side) for side in sides))
    return tuple(Pattern(source, chains) for chains in product(*sides))


def _chains(tokens: list[str]) -> list[Chain]:
    """Parse one side of `&` into its variants."""
    variants: list[tuple[list[Group], list[int]]] = [([], [])]
    gap: int | None = None
    for token in tokens:
        if token in _GAPS:
            gap = max(gap or 0, _GAPS[token])
            continue
        if gap is None and variants[0][0]:
            raise PatternInvalid(f"write a gap sign before {token!r}")
        runs = _part(token)
        _refuse_many(len(variants) * len(runs))
        variants = [_extend(before, run, gap or 0) for before in variants for run in runs]
        gap = None
    if not variants[0][0]:
        raise PatternInvalid("nothing to look for")
    return [Chain(tuple(groups), tuple(gaps)) for groups, gaps in variants if groups]


def _extend(
    before: tuple[list[Group], list[int]], run: list[Group], gap: int
) -> tuple[list[Group], list[int]]:
    groups, gaps = before
    link = [gap] if groups and run else []
    return groups + run, gaps + link + [0] * max(0, len(run) - 1)


def _part(token: str) -> list[list[Group]]:
    """Parse a part into runs of groups that touch each other."""
    alternatives = _split_top(token)
    runs = [run for alternative in alternatives for run in _sequence(alternative)]
    single = [run[0] for run in runs if len(run) == 1]
    longer = [run for run in runs if len(run) > 1]
    optional: list[list[Group]] = [[]] if any(not run for run in runs) else []
    return ([[_union(single)]] if single else []) + longer + optional


def _split_top(token: str) -> list[list[str]]:
    """Cut a part at the bars outside brackets, each side into pieces."""
    pieces = _PIECE.findall(token)
    if "".join(pieces) != token:
        raise PatternInvalid(f"unbalanced brackets in {token!r}")
    sides: list[list[str]] = [[]]
    for piece in pieces:
        if piece == "|":
            sides.append([])
        else:
            sides[-1].append(piece)
    if not all(sides):
        raise PatternInvalid(f"empty alternative in {token!r}")
    return sides


def _sequence(pieces: list[str]) -> list[list[Group]]:
    """Turn pieces that touch into runs; short neighbouring literals melt into one group."""
    runs: list[list[Group]] = [[]]
    for piece in pieces:
        choices = piece[1:-1].split("|") if piece.startswith("(") else [piece]
        slots = frozenset(choice[1:-1] for choice in choices if _is_slot(choice))
        words = frozenset(fold(choice).text for choice in choices if not _is_slot(choice))
        runs = [grown for run in runs for grown in _append(run, slots, words)]
        _refuse_many(len(runs))
    return runs


def _refuse_many(variants: int) -> None:
    if variants > _MAX_VARIANTS:
        raise PatternInvalid("too many optional pieces")


def _append(run: list[Group], slots: frozenset[str], words: frozenset[str]) -> list[list[Group]]:
    """Add one piece to a run; an optional piece doubles the run unless it melts into a literal."""
    last = run[-1] if run else None
    if last and not slots and not last.slots and len(last.literals) * len(words) <= _MAX_JOINED:
        joined = frozenset(left + word for left in last.literals for word in words)
        return [[*run[:-1], Group(joined)]]
    filled = [*run, Group(words - {""}, slots)] if slots or words - {""} else run
    return [filled, run] if "" in words else [filled]


def _union(groups: list[Group]) -> Group:
    literals = frozenset().union(*(group.literals for group in groups)) - {""}
    slots = frozenset().union(*(group.slots for group in groups))
    if not literals and not slots:
        raise PatternInvalid("a part may not be empty")
    return Group(literals, slots)


def _is_slot(text: str) -> bool:
    return _SLOT.fullmatch(text) is not None

"""Vary the examples a little at each reading, so that the classifier learns what was meant.

Called by `train`. Nothing here changes what a label says: who writes badly, calls the child by
another word, or tells of the weather first is in the same danger.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from knowledge.risk.model.examples import Example
from knowledge.risk.model.prepare import CHILD

BARE, OTHER_CHILD, LONGER = 0.2, 0.3, 0.12
SHORT_ENOUGH = 70
_MARKS = re.compile(r"[，。！？、；：,.!?;:~…—“”\"'（）()]+")
_CHILD = re.compile("|".join(CHILD))


def augmented(examples: Sequence[Example], dice: random.Random) -> list[Example]:
    """Return as many examples as were given, some of them varied."""
    harmless = [row for row in examples if row.most.rank == 0 and len(row.turns) == 1]
    return [_varied(row, harmless, dice) for row in examples]


def _varied(row: Example, harmless: Sequence[Example], dice: random.Random) -> Example:
    turns = list(row.turns)
    if dice.random() < OTHER_CHILD:
        turns = _another_child(turns, dice)
    if len(turns) == 1 and harmless and dice.random() < LONGER:
        other = dice.choice(harmless).turns[0]
        if len(turns[0]) < SHORT_ENOUGH and len(other) < SHORT_ENOUGH:
            pair = [turns[0], other]
            dice.shuffle(pair)
            turns = [",".join(pair)]
    if dice.random() < BARE:
        turns = [_MARKS.sub(dice.choice(("", " ")), turn) or turn for turn in turns]
    return replace(row, turns=tuple(turns))


def _another_child(turns: list[str], dice: random.Random) -> list[str]:
    """Call the child by one other word wherever the first one stands."""
    found = _CHILD.search("".join(turns))
    if found is None:
        return turns
    other = dice.choice(CHILD)
    return [turn.replace(found.group(), other) for turn in turns]

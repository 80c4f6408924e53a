"""Bring messages into the form that the classifier reads: the same in training and in the service.

Called by `train` and `run`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from knowledge.text import normalise

CHILD = ("孩子", "闺女", "儿子", "女儿", "娃", "我家小子", "丫头", "宝贝")
# 宝贝 is as often what one calls the child as what one says to it, or to anybody.
_CHILD = re.compile("|".join(CHILD[:-1]))
# Measured: which word stands for all changes next to nothing; this one raised fewest others.
_ONE_WORD = "儿子"
WINDOW, STEP, MOST = 170, 130, 4
BETWEEN = " | "


def prepare(turns: Sequence[str]) -> str:
    """Return messages of a conversation, oldest first, as one text the model can read."""
    return BETWEEN.join(part for turn in turns if (part := normalise(_visible(turn))))


def one_word_for_the_child(text: str) -> str:
    """Call the child by one word: a danger is none the less for another one.

    For the service only. Training reads all of them, so that words beyond these few mean a child
    as well.
    """
    return _CHILD.sub(_ONE_WORD, text)


def _visible(text: str) -> str:
    """Drop what nobody sees (zero width, direction marks); it would stand as a gap in a word."""
    if text.isascii():
        return text
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def windows(text: str, places: Sequence[int] = ()) -> list[str]:
    """Cut a long prepared text into at most MOST windows of WINDOW characters.

    The first and the last are always among them, because people come to the point late and a
    danger may stand behind a forwarded article; the others are those with the most signs.

    Args:
        places: where in the text signs of danger stand, in characters.
    """
    if len(text) <= WINDOW:
        return [text] if text else []
    starts = [*range(0, len(text) - WINDOW, STEP), len(text) - WINDOW]
    if len(starts) > MOST:
        counts = dict.fromkeys(starts, 0)
        for place in places:
            for start in starts[max(0, (place - WINDOW) // STEP) : place // STEP + 1]:
                counts[start] += start <= place < start + WINDOW
        dense = sorted(starts[1:-1], key=lambda start: -counts[start])[: MOST - 2]
        starts = [starts[0], *sorted(dense), starts[-1]]
    return [text[start : start + WINDOW] for start in starts]


def parts_of(messages: Sequence[Sequence[str]]) -> tuple[list[str], list[int]]:
    """Cut messages as the service does; beside each part stands the place of its message.

    Args:
        messages: each as its turns; a message without a word has one empty part.
    """
    cuts = [windows(prepare(turns)) or [""] for turns in messages]
    owners = [place for place, parts in enumerate(cuts) for _ in parts]
    return [part for parts in cuts for part in parts], owners


def worst_parts(danger: Sequence[float] | NDArray[np.float32], owners: Sequence[int]) -> list[int]:
    """Choose each message's most dangerous part: by it alone a long message is judged.

    So a long harmless story teaches that none of its parts is a danger, a long danger that one is.

    Args:
        danger: one score a part.
        owners: the message each part is of, ascending from 0.
    """
    best: dict[int, int] = {}
    for part, owner in enumerate(owners):
        if owner not in best or danger[part] > danger[best[owner]]:
            best[owner] = part
    return list(best.values())

"""Bring a parent's message into the form that the search compares.

Called by the index, the retriever, the decision and the check. Cleaning keeps the meaning; folding
is only for comparing whether two sentences are the same.
"""

from __future__ import annotations

import re
import threading
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import opencc
import rjieba

from knowledge.explanation import Removed
from knowledge.pasted import EMOJI, INVISIBLE, LINK, STICKER, unwrap

# Only a longer message is a story; a short one is the question itself.
LONG = 48
SHORTEST_SENTENCE, MOST_SENTENCES = 6, 6
CLAUSES_TOGETHER = 14
# What is dictated without a mark is cut into parts of about so many signs, whole words each.
UNMARKED_PART = 25
LONGEST_WHOLE, LONGEST_SENTENCE = 2_000, 200
_ENDS = re.compile(r"[。！？!?；;\s]+|\.{3,}|…+")
_COMMAS = re.compile(r"[，,、]+")
_REPEATED = re.compile(r"(.)\1{2,}", re.S)
_SPACE = re.compile(r"\s+")
# “孩 子 不 想 上 学”: four signs or more, each by itself.
_SPACED_OUT = re.compile(
    r"(?<![\u4e00-\u9fff])[\u4e00-\u9fff](?: [\u4e00-\u9fff]){3,}(?![\u4e00-\u9fff])"
)
_local = threading.local()


@cache
def words() -> Mapping[str, Any]:
    """Return the word lists of `words.toml`, read once."""
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))


def clean(text: str) -> str:
    """Replace lone surrogates and drop NUL: both break the tokenizers and OpenCC."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "")


def simplify(text: str) -> str:
    """Turn traditional into simplified characters; words are kept."""
    if not hasattr(_local, "t2s"):
        _local.t2s = opencc.OpenCC("t2s")
    return str(_local.t2s.convert(text))


def normalise(text: str) -> str:
    """Return the text without width variants, emoji, stickers, links and repeated letters."""
    text = unicodedata.normalize("NFKC", INVISIBLE.sub("", clean(text)))
    text = LINK.sub(" ", STICKER.sub(" ", EMOJI.sub(" ", text)))
    text = _REPEATED.sub(r"\1\1", _SPACED_OUT.sub(_closed_up, simplify(text).lower()))
    for variant, usual in words()["variants"].items():
        text = text.replace(variant, usual)
    return _SPACE.sub(" ", text).strip()


def _closed_up(spaced: re.Match[str]) -> str:
    return spaced[0].replace(" ", "")


def fold(text: str) -> str:
    """Return only the letters and digits of the normalised text, to compare two sentences."""
    return letters(normalise(text))


def letters(plain: str) -> str:
    """Return only the letters and digits of a text that is normalised already."""
    return "".join(char for char in plain if char.isalnum())


def without_courtesies(text: str) -> str:
    """Cut greetings, thanks and “may I ask” from both ends of a normalised text."""
    front, back = _courtesies()
    return back.sub("", front.sub("", text)).strip(" ,，。.!！~～、") or text


@cache
def _courtesies() -> tuple[re.Pattern[str], re.Pattern[str]]:
    lists = words()["courtesies"]
    mark = r"[\s,，。.!！?？~～、:：;；…]"

    def pattern(*names: str) -> str:
        found = [name for key in names for name in lists[key]]
        return "(?:" + "|".join(re.escape(name) for name in sorted(found, key=len)[::-1]) + ")"

    # “老师打人” and “着急” are no courtesies: some words count only with a mark beside them.
    said = f"(?<![{lists['said']}])"
    front = re.compile(f"^(?:(?:{pattern('front')}|{pattern('front_apart')}(?={mark}|$)){mark}*)+")
    back = re.compile(
        f"(?:(?:{said}{pattern('back')}|{mark}+{pattern('back', 'back_apart')}){mark}*)+$"
    )
    return front, back


@dataclass(frozen=True)
class Read:
    """
    A message as the search compares it.

    Args:
        forms: The whole message, and of a story its last sentences; at least one, maybe empty.
        removed: What was left aside, for those who ask why.
    """

    forms: tuple[str, ...]
    removed: tuple[Removed, ...] = ()


def read(text: str) -> Read:
    """
    Normalise a message as it came, whatever was pasted into it.

    A short message is one form. In a story the question hides among scenes, each of which may be
    what an entry is about: its last sentences count beside the whole.
    """
    words_alone, removed = unwrap(clean(text))
    plain = normalise(words_alone)
    whole = without_courtesies(plain)
    if len(whole) < len(plain):
        before, _, after = plain.partition(whole)
        removed += [Removed("courtesy", cut) for cut in (before.strip(), after.strip()) if cut]
    return Read(_forms(whole), tuple(removed))


def views(text: str) -> tuple[str, ...]:
    """Return the forms of a message that the search compares and averages over; see `read`."""
    return read(text).forms


def _forms(whole: str) -> tuple[str, ...]:
    if len(whole) <= LONG:
        return (whole,)
    sentences = [part.strip() for part in _ENDS.split(whole)]
    telling = [sentence for sentence in sentences if len(sentence) >= SHORTEST_SENTENCE]
    if len(telling) < 2:
        telling = _clauses(whole)
    last = (sentence[-LONGEST_SENTENCE:] for sentence in telling[-MOST_SENTENCES:])
    return (whole[-LONGEST_WHOLE:], *last)


def _clauses(text: str) -> list[str]:
    """Join the clauses of a story told in one breath into pieces of a sentence's length."""
    pieces, piece = [], ""
    for clause in _COMMAS.split(text):
        piece += clause
        if len(piece) > LONG:
            *parts, piece = _parted(piece)
            pieces += parts
        if len(piece) >= CLAUSES_TOGETHER:
            pieces.append(piece)
            piece = ""
    if piece and pieces:
        pieces[-1] += piece
    return pieces


def _parted(text: str) -> list[str]:
    """Cut what has no mark into parts of like length, between words."""
    least = len(text) / round(len(text) / UNMARKED_PART) - 1
    parts = [""]
    for word in rjieba.cut(text):
        if len(parts[-1]) >= least:
            parts.append("")
        parts[-1] += word
    return parts

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
from functools import cache
from pathlib import Path
from typing import Any

import opencc

# Only a longer message is a story; a short one is the question itself.
LONG = 48
SHORTEST_SENTENCE, MOST_SENTENCES = 6, 6
CLAUSES_TOGETHER = 14
_ENDS = re.compile(r"[。！？!?；;\s]+|\.{3,}|…+")
_COMMAS = re.compile(r"[，,、]+")
_REPEATED = re.compile(r"(.)\1{2,}", re.S)
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\ufe00-\ufe0f\u200b-\u200f\u2060\U000e0000-\U000e007f]"
)
_STICKER = re.compile(r"\[[\u4e00-\u9fffA-Za-z]{1,6}\]|/:[^\s]{1,4}")
_LINK = re.compile(r"https?://\S+|www\.\S+")
_SPACE = re.compile(r"\s+")
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
    text = unicodedata.normalize("NFKC", clean(text))
    text = _LINK.sub(" ", _STICKER.sub(" ", _EMOJI.sub(" ", text)))
    text = _REPEATED.sub(r"\1\1", simplify(text).lower())
    for variant, usual in words()["variants"].items():
        text = text.replace(variant, usual)
    return _SPACE.sub(" ", text).strip()


def fold(text: str) -> str:
    """Return only the letters and digits of the normalised text, to compare two sentences."""
    return "".join(char for char in normalise(text) if char.isalnum())


def without_courtesies(text: str) -> str:
    """Cut greetings, thanks and “may I ask” from both ends of a normalised text."""
    front, back = _courtesies()
    return back.sub("", front.sub("", text)).strip(" ,，。.!！~～、") or text


@cache
def _courtesies() -> tuple[re.Pattern[str], re.Pattern[str]]:
    lists = words()["courtesies"]
    glue = r"[\s,，。.!！~～、:：]*"

    def pattern(names: list[str]) -> str:
        return "(?:" + "|".join(re.escape(name) for name in sorted(names, key=len)[::-1]) + ")"

    front = re.compile(f"^(?:{pattern(lists['front'])}{glue})+")
    back = re.compile(f"(?:{glue}{pattern(lists['back'])}{glue})+$")
    return front, back


def views(text: str) -> tuple[str, ...]:
    """
    Return the forms of a message that the search compares and averages over.

    A short message is one form. In a story the question hides among scenes, each of which may be
    what an entry is about: its last sentences count beside the whole.
    """
    whole = without_courtesies(normalise(text))
    if len(whole) <= LONG:
        return (whole,)
    sentences = [part.strip() for part in _ENDS.split(whole)]
    telling = [sentence for sentence in sentences if len(sentence) >= SHORTEST_SENTENCE]
    if len(telling) < 2:
        telling = _clauses(whole)
    return (whole, *telling[-MOST_SENTENCES:])


def _clauses(text: str) -> list[str]:
    """Join the clauses of a story told in one breath into pieces of a sentence's length."""
    pieces, piece = [], ""
    for clause in _COMMAS.split(text):
        piece += clause
        if len(piece) >= CLAUSES_TOGETHER:
            pieces.append(piece)
            piece = ""
    return pieces

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

# Only a long message holds a story around its question; a short one is the question.
LONG = 48
_ENDS = re.compile(r"(?<=[。！？!?；;\n])\s*|\s{2,}|\n+")
_CLAUSES = re.compile(r"[，,。！？!?；;、\n\s]+")
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


def question_of(text: str) -> str:
    """
    Cut a long story to what is asked: its last question, with the sentence before it.

    Short texts come back whole; so do stories without any question, which ask by telling.
    """
    if len(text) <= LONG:
        return text
    sentences = [part.strip() for part in _ENDS.split(text) if part and part.strip()]
    asked = [i for i, sentence in enumerate(sentences) if is_question(sentence)]
    if len(sentences) < 2 or not asked:
        return text
    last = asked[-1]
    cut = sentences[last]
    if len(cut) < LONG // 2 and last > 0:
        cut = _tail(sentences[last - 1]) + cut
    return cut if len(cut) < len(text) else text


def _tail(sentence: str) -> str:
    """Return the last clauses of a sentence, about as long as a short message."""
    clauses = [clause for clause in _CLAUSES.split(sentence) if clause]
    kept = ""
    for clause in reversed(clauses):
        if kept and len(kept) + len(clause) > LONG:
            break
        kept = f"{clause}，{kept}"
    return kept


def is_question(sentence: str) -> bool:
    """Tell whether a sentence asks something, by its mark or by a question word."""
    return "?" in sentence or "？" in sentence or any(w in sentence for w in words()["asking"])


def views(text: str) -> tuple[str, ...]:
    """Return the forms of a message worth searching for: the whole, and its question if shorter."""
    whole = without_courtesies(normalise(text))
    question = question_of(whole)
    return (whole,) if question == whole else (whole, question)

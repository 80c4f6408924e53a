"""Tell the questions of one message apart: a list, 「还有」 and 「另外」, one after the other.

Called by the question handler. Only cuts: the parts put together are the message again. A story
with one question at its end is one question, and so is a chat that was pasted.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MOST = 10
# A longer message is searched whole; its beginning alone would be a guess.
LONGEST = 4_000
# Fewer signs than these are no question of their own (为什么呢？).
SHORTEST = 5
CHAT_LINES = 3
# So long a text before a list says no more than that questions follow.
ANNOUNCEMENT = 30
_SENTENCE = re.compile(r"[^。！？!?；;\n]*[。！？!?；;\n]+|[^。！？!?；;\n]+")
_RUN_ON = re.compile(r"(?:怎么办|咋办|咋整|怎么弄)[呀呢啊吗]?[\s，,]*")
_CLAUSE = re.compile(r"(?:(?<=[，,。！？!?；;\n\s、])|^)(?=\S)")
_ITEM = re.compile(
    r"(?P<circled>[①-⑩])|(?:(?<=[，,。！？!?；;：:\n\s])|^)"
    r"(?:[（(]?(?P<number>\d{1,2})(?:[.、．)）](?!\d)|[:：](?!\d))"
    r"|[（(]?(?P<word>[一二三四五六七八九十])[、.．)）:：]"
    r"|问题(?P<asked>[一二三四五六七八九十])[，,、:：.．]?"
    r"|第(?P<nth>[一二三四五六七八九十])(?:(?:个|条)?(?P<named>问题)|个|条)?[，,、:：是])"
)
_WORDS = "一二三四五六七八九十"
_SPOKEN_BY = re.compile(r"^[^\s:：]{1,12}\s*(?:[:：]\s*\S|(?:\d{4}\S+\s+)?\d{1,2}:\d{2})", re.M)
_EDGES = " \t\r\n，,。.；;、:：!！~～"


@dataclass(frozen=True)
class Asked:
    """
    The questions of a message.

    Args:
        parts: Put together they are the message, sign for sign; at least one.
        marked: The writer set them apart (「另外」, a list of questions); otherwise only question
            marks did, or a list of anything.
    """

    parts: tuple[str, ...]
    marked: bool = False

    @property
    def several(self) -> bool:
        """Whether there is more than one."""
        return len(self.parts) > 1

    @property
    def questions(self) -> tuple[str, ...]:
        """The parts as they are searched: without their number and their 「另外」."""
        return tuple(bare_question(part) for part in self.parts)


def split_questions(text: str, most: int = MOST) -> Asked:
    """
    Cut a message into its questions; what is beyond the last of `most` stays with it.

    Args:
        most: At least 1.
    """
    if len(text) > LONGEST or most < 2 or _is_chat(text):
        return Asked((text,))
    listed, questions = _list_items(text)
    if listed:
        return Asked(_cut(text, listed, most), marked=questions)
    further, implied = _spoken(text)
    if further:
        return Asked(_cut(text, sorted({*further, *implied}), most), marked=True)
    return Asked(_cut(text, implied, most))


def bare_question(part: str) -> str:
    """Return a part without the number or the words that set it apart."""
    rest = part.strip(_EDGES)
    item = _ITEM.search(rest)
    # 「想问几个问题：1.」 goes, 「孩子五年级：1.」 stays.
    if item and (not item.start() or _announces(rest[: item.start()])):
        rest = rest[item.end() :].lstrip(_EDGES)
    for word in sorted(_lists()["further"], key=len, reverse=True):
        if rest.startswith(word):
            rest = rest[len(word) :].lstrip(_EDGES)
            break
    return rest.strip(_EDGES) or part.strip(_EDGES) or part


def _announces(text: str) -> bool:
    return len(text) <= ANNOUNCEMENT and any(word in text for word in _lists()["announced"])


@cache
def _lists() -> Mapping[str, tuple[str, ...]]:
    source = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return {name: tuple(words) for name, words in tomllib.loads(source).items()}


def _cut(text: str, places: Sequence[int], most: int) -> tuple[str, ...]:
    """Cut before these places; what stands before the first belongs to the first part."""
    starts = [0, *places[: most - 1]]
    ends = [*starts[1:], len(text)]
    return tuple(text[start:end] for start, end in zip(starts, ends, strict=True))


def _is_chat(text: str) -> bool:
    return len(_SPOKEN_BY.findall(text)) >= CHAT_LINES and not _ITEM.search(text)


def _list_items(text: str) -> tuple[list[int], bool]:
    """Return where the second and each further item of a list begins, and whether it asks."""
    items: list[re.Match[str]] = []
    for match in _ITEM.finditer(text):
        if _item_number(match) == len(items) + 1:
            items.append(match)
    if len(items) < 2:
        return [], False
    starts = [item.start() for item in items]
    ends = [*starts[1:], len(text)]
    asking = sum(_asks(text[a:b]) for a, b in zip(starts, ends, strict=True))
    announced = bool(items[0]["named"] or items[0]["asked"]) or _announces(
        text[: starts[0]][-ANNOUNCEMENT:]
    )
    if announced or asking > 1:
        return starts[1:], True
    # What stands line by line may be a list of questions in a few words; it may be anything else.
    lines = all(not start or text[start - 1] == "\n" for start in starts)
    return starts[1:] if lines else [], False


def _item_number(match: re.Match[str]) -> int:
    if match["number"]:
        return int(match["number"])
    if match["circled"]:
        return int(unicodedata.normalize("NFKC", match["circled"]))
    return _WORDS.index(match["word"] or match["asked"] or match["nth"]) + 1


def _spoken(text: str) -> tuple[list[int], list[int]]:
    """Return where a further question begins by its word, and where only a sign set it apart."""
    further: list[int] = []
    implied: list[int] = []
    telling = 0
    begun = 0
    for start, end in _sentences(text):
        sentence = text[start:end]
        if start > begun and _ends_asking(text[begun:start]) and _stands(sentence):
            implied.append(start)
            begun = start
        for place in _further_words(text, start, end):
            # In the middle of a story 「还有」 tells more; after a question it asks more.
            if further or implied or _ends_asking(text[begun:place]):
                further.append(place)
                begun = place
        telling += not _asks(sentence) and len(sentence.strip(_EDGES)) >= SHORTEST
    return further, [] if telling > len(implied) + len(further) + 1 else implied


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield where sentences begin and end; spoken without a mark, they end after 怎么办, too."""
    run_on = len(_RUN_ON.findall(text)) > 1
    for match in _SENTENCE.finditer(text):
        start, end = match.span()
        for inner in _RUN_ON.finditer(text, start, end) if run_on else ():
            if end - inner.end() > SHORTEST:
                yield start, inner.end()
                start = inner.end()
        yield start, end


def _further_words(text: str, start: int, end: int) -> Iterator[int]:
    for match in _CLAUSE.finditer(text, start, end):
        rest = text[match.start() : end]
        begins = match.start() > 0 and rest.startswith(_lists()["further"])
        if begins and len(bare_question(rest)) >= SHORTEST - 1:
            yield match.start()


def _asks(text: str) -> bool:
    return "?" in text or "？" in text or any(word in text for word in _lists()["asking"])


def _ends_asking(text: str) -> bool:
    last = text.rstrip(_EDGES)
    return last.endswith(("?", "？", *_lists()["endings"]))


def _stands(sentence: str) -> bool:
    """Tell whether a sentence asks something of its own, and not after the one before."""
    plain = bare_question(sentence)
    long_enough = len(plain.rstrip("?？")) > SHORTEST
    return long_enough and _asks(sentence) and not plain.startswith(_lists()["leaning"])

"""The Chinese words of imports: headers, relations, classes, codes. Read from `words.toml`."""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_NOISE = re.compile(r"[^\w]|_", re.UNICODE)
_BRACKETS = str.maketrans({"(": "-", "[": "-", "【": "-", ")": "", "]": "", "】": ""})


@cache
def words() -> Mapping[str, Any]:
    """Return everything in the file."""
    return tomllib.loads(
        files("bot.services.importing").joinpath("words.toml").read_text(encoding="utf-8")
    )


@cache
def pattern(name: str) -> re.Pattern[str]:
    """Return one of the file's patterns, compiled."""
    return re.compile(words()["pattern"][name])


def said(group: str, code: str) -> str:
    """Return the words for a code; `code:12` names another row of the file."""
    word, _, row = code.partition(":")
    text: str = words()[group].get(word, word)
    return text.replace("{row}", row)


def plain(text: str) -> str:
    """Return a word as it is compared: NFKC, without spaces and punctuation."""
    return _NOISE.sub("", unicodedata.normalize("NFKC", text))


@cache
def _headers() -> Mapping[str, tuple[str, str]]:
    """Return field and relation (empty: another column says it) by header word."""
    found = {word: (field, "") for field, group in words()["header"].items() for word in group}
    for relation, columns in words()["named"].items():
        found |= dict.fromkeys(columns["name"], ("guardian_name", relation))
        found |= dict.fromkeys(columns["phone"], ("phone", relation))
    return found


def header(text: str) -> tuple[str, str, int] | None:
    """Return which field a column holds, of whom, and for the how manieth guardian (0: not said).

    None: not a column that is read.
    """
    word, number = plain(text), 0
    if word not in _headers() and (digit := pattern("guardian_number").search(word)):
        number = int(words()["class"]["digits"].get(digit.group(1), digit.group(1)))
        word = word[: digit.start()] + word[digit.end() :]
    found = _headers().get(word)
    return (*found, number) if found and number <= 9 else None


@cache
def _relations() -> Mapping[str, str]:
    return {word: code for code, group in words()["relation"].items() for word in group}


def relation(text: str) -> str | None:
    """Return the code of a relation; None for a word that isn't known."""
    word = plain(text)
    return word.upper() if word.upper() in words()["relation"] else _relations().get(word)


def class_key(text: str) -> str:
    """Return a class's name as it is compared: 三年级(2)班, 3年级2班, 三(2)班 are `3-2`."""
    name = "".join(unicodedata.normalize("NFKC", text).split()).translate(_BRACKETS)
    ends = words()["class"]
    name = name.replace(ends["grade_end"], "-").removesuffix(ends["class_end"])
    parts = [part for part in name.split("-") if part]
    if len(parts) == 1:
        parts = _cut(parts[0])
    if len(parts) == 2:
        grade = words()["grade"].get(parts[0], parts[0])
        return f"{grade}-{_number(parts[1])}"
    return "-".join(parts)


def _cut(name: str) -> list[str]:
    """Cut 初一3 into its grade and its number."""
    for word in sorted(words()["grade"], key=len, reverse=True):
        rest = name.removeprefix(word)
        if rest != name and rest and _number(rest).isdecimal():
            return [word, rest]
    return [name]


def _number(text: str) -> str:
    """Return 十二 as 12; what is no number stays."""
    digits: Mapping[str, int] = words()["class"]["digits"]
    if text.isdecimal():
        return str(int(text))
    if not text or any(sign not in digits for sign in text):
        return text
    tens, ten, ones = text.rpartition(words()["class"]["ten"])
    if len(tens) > 1 or len(ones) > 1:
        return text
    if not ten:
        return str(digits[ones])
    return str((digits[tens] if tens else 1) * 10 + (digits[ones] if ones else 0))

"""Names and relations as parents write them, read from `kin.toml`. Called by the binding handler.

A child's name is told from a question before anything else: only what looks like nothing but a
name, or is introduced as one, is taken for one.
"""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_WHOSE = r"(?:我?(?:家)?(?:的)?(?:孩子|小孩|娃|儿子|女儿|学生))?的?"
_CALLED = re.compile(_WHOSE + r"(?:姓名|名字|全名)?(?:叫做|叫)(?P<name>[^\s,。!?]{2,20})")
_STATED = re.compile(_WHOSE + r"(?:姓名|名字|全名)(?:是|为|叫|:)(?P<name>[^\s,。!?]{2,20})")
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]{2,4}")
_DOTTED = re.compile(r"[\u3400-\u9fff]{1,10}(?:·[\u3400-\u9fff]{1,10}){1,3}")
_ASKING = re.compile("[吗呢么吧怎啥]|什么|为何|多少|如何")
_PHONE = re.compile(r"(?<!\d)(?:\+?86[- ]?)?(1[3-9]\d(?:[- ]?\d){8})(?!\d)")
_DIGITS = re.compile(r"\d(?:[- ]?\d){5,}")


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(files("bot.core").joinpath("kin.toml").read_text(encoding="utf-8"))


def relation_word(code: str) -> str:
    """Return what a relation is called; an unknown code is shown as it is."""
    return str(_table()["relations"].get(code, [code])[0])


def relation_words() -> Mapping[str, str]:
    """Return the shown word of every relation, by its code."""
    return {code: words[0] for code, words in _table()["relations"].items()}


def relation_in(text: str) -> str | None:
    """Return the code of the one relation that a text names; None for none or several."""
    folded = unicodedata.normalize("NFKC", text)
    found: set[str] = set()
    for word, code in _by_length():
        if word in folded:
            found.add(code)
            folded = folded.replace(word, " ")
    return found.pop() if len(found) == 1 else None


@cache
def _by_length() -> tuple[tuple[str, str], ...]:
    """Return every word with its code, the longest first, so that 姑父 is not read as 姑."""
    pairs = [(word, code) for code, words in _table()["relations"].items() for word in words]
    return tuple(sorted(pairs, key=lambda pair: -len(pair[0])))


def phone_in(text: str) -> str | None:
    """Return the one mobile number of the mainland that a text holds, as 11 digits."""
    found = {re.sub(r"\D", "", one) for one in _PHONE.findall(unicodedata.normalize("NFKC", text))}
    return found.pop() if len(found) == 1 else None


def digits_in(text: str) -> bool:
    """Say whether a text holds something like a number that was meant as a phone."""
    return bool(_DIGITS.search(unicodedata.normalize("NFKC", text)))


def introduced_name(text: str) -> str | None:
    """Return the name of 「孩子叫……」, or of 「姓名：……」 whatever stands there."""
    folded = _folded(text)
    stated = _STATED.fullmatch(folded)
    if stated is not None and _formed(stated["name"]) and not _ASKING.search(stated["name"]):
        return stated["name"]
    called = _CALLED.fullmatch(folded)
    return bare_name(called["name"]) if called else None


def bare_name(text: str) -> str | None:
    """Return a text that is nothing but a name: a known surname and one to three more signs."""
    name = _folded(text)
    if not _formed(name) or _ASKING.search(name):
        return None
    if "·" in name:
        return name
    names = _table()["names"]
    return (
        name
        if name.startswith(tuple(names["double"].split())) or name[0] in names["surnames"]
        else None
    )


def _formed(name: str) -> bool:
    return bool(_HAN.fullmatch(name) or _DOTTED.fullmatch(name))


def _folded(text: str) -> str:
    whole = unicodedata.normalize("NFKC", text).strip().rstrip("。.!")
    return re.sub("[•・‧∙･]", "·", re.sub(r"\s+", "", whole)) if len(whole) <= 40 else ""

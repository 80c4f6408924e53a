"""How Chinese characters sound, without tones, and what sounds alike at a keyboard.

Called by `knowledge.spelling`. Only the table of single characters of pypinyin is read: its import
also loads the phrases, which take half a second and 40 MB and say nothing a toneless key needs.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import islice, product
from pathlib import Path

READINGS = 2  # of one character: the usual ones; the table holds ancient ones too
KEYS = 8  # of one word
# Of characters with several readings the table does not always name the usual one first.
_USUAL = {"得": "de", "了": "le", "着": "zhe", "地": "di", "还": "hai", "都": "dou", "吗": "ma"}
_ALIKE = (
    (re.compile("^(z|c|s)h"), r"\1"),
    (re.compile("^n(?=[aeiouv])"), "l"),
    (re.compile("(?<=[ie])ng$"), "n"),
)


@cache
def _table() -> Mapping[str, str]:
    """Read the readings of the characters in common use, with tones, separated by commas."""
    spec = find_spec("pypinyin")
    folders = spec.submodule_search_locations if spec is not None else None
    if not folders:  # pragma: no cover - it is a dependency
        return {}
    raw = json.loads((Path(folders[0]) / "pinyin_dict.json").read_text(encoding="utf-8"))
    return {chr(int(code)): sounds for code, sounds in raw.items() if 0x4E00 <= int(code) < 0xA000}


@lru_cache(maxsize=8_192)
def readings(char: str) -> tuple[str, ...]:
    """Return the usual readings of a character, toneless, ü as v; empty for what is not Chinese."""
    sounds = [_toneless(sound) for sound in _table().get(char, "").split(",") if sound]
    usual = [_USUAL[char]] if char in _USUAL else []
    return tuple(dict.fromkeys([*usual, *sounds]))[:READINGS]


def _toneless(sound: str) -> str:
    marked = unicodedata.normalize("NFD", sound).replace("u\u0308", "v")
    return "".join(char for char in marked if char.isascii())


@lru_cache(maxsize=2_048)
def alike(syllable: str) -> str:
    """Return one syllable for all with near initials or finals: zh is z, n is l, ing is in."""
    for pattern, usual in _ALIKE:
        syllable = pattern.sub(usual, syllable)
    return syllable


def keys(word: str) -> Iterator[tuple[str, ...]]:
    """Yield how a word of Chinese characters may sound, most usual first, at most `KEYS` ways."""
    yield from islice(product(*(readings(char) for char in word)), KEYS)


def key(word: str) -> str:
    """Return the one usual sound of a text, near sounds as one; other characters as they are."""
    return " ".join(alike(found[0]) if (found := readings(char)) else char for char in word)

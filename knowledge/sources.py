"""The sources that an entry may cite, so that none is invented and each is named in one way.

Read by `knowledge.agreement` for every line of 依据, by the report and by the printed handbook.
The register is `sources.toml`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_NAMED = "第[一二三四五六七八九十百千零]+条(?:之[一二三])?"
_ARTICLES = re.compile(f"^{_NAMED}(?:、{_NAMED})*$")
_ARTICLE = re.compile(r"第([一二三四五六七八九十百千零]+)条")
_DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")}
_UNITS = {"十": 10, "百": 100, "千": 1000}


@dataclass(frozen=True)
class Source:
    """
    A law, an order, a notice or a guideline.

    Args:
        last_article: Number of its last article; 0: it is cited as a whole.
    """

    name: str
    kind: str
    last_article: int = 0


@dataclass(frozen=True)
class Register:
    """All sources by name; and how textbook consensus is written."""

    sources: Mapping[str, Source]
    consensus: str
    disciplines: frozenset[str]

    def fault(self, line: str) -> str | None:
        """Return the name of what is wrong with a line of 依据, or nothing."""
        head, mark, statement = line.partition(self.consensus)
        if mark:
            known = all(part in self.disciplines for part in head.split("、"))
            return None if known and len(statement) >= 8 else "unknown_discipline"
        source = self.named(line)
        if source is None:
            return "unknown_source"
        articles = line[len(source.name) :]
        if not source.last_article:
            return "articles_of_a_notice" if articles else None
        if not _ARTICLES.match(articles):
            return "no_article"
        numbers = [chinese_number(found) for found in _ARTICLE.findall(articles)]
        return None if max(numbers) <= source.last_article else "no_such_article"

    def named(self, line: str) -> Source | None:
        """Return the source that a line begins with; of two the one with the longer name."""
        names = [name for name in self.sources if line.startswith(name)]
        return self.sources[max(names, key=len)] if names else None

    def title(self, line: str) -> str:
        """Return what a line of 依据 is counted under: its source, or its field's consensus."""
        source = self.named(line)
        if source:
            return source.name
        head, mark, _ = line.partition(self.consensus)
        return f"{head}{mark}".rstrip("：")


@cache
def register() -> Register:
    """Return the register of `sources.toml`, read once."""
    found = tomllib.loads(Path(__file__).with_name("sources.toml").read_text(encoding="utf-8"))
    sources = [
        Source(row["name"], row["kind"], row.get("last_article", 0)) for row in found["source"]
    ]
    return Register(
        {source.name: source for source in sources},
        found["consensus"]["mark"],
        frozenset(found["consensus"]["disciplines"]),
    )


def chinese_number(text: str) -> int:
    """Read a number from 1 to 9999 as laws write it: 一百一十二 is 112."""
    total = digit = 0
    for sign in text:
        if sign in _UNITS:
            total += (digit or 1) * _UNITS[sign]
            digit = 0
        else:
            digit = _DIGITS[sign]
    return total + digit

"""Findings of the audit: the level, the category, the speaker and the subject of whole kinds.

`tests/data/risk_audit.tsv` holds a found mistake and its neighbours, dangerous and calm: the least
and the highest level, categories of which one must be told, and categories that must not be.
"""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import pytest

from knowledge.risk import Context, Level, assess

ROOT = Path(__file__).parents[4]
COMMANDS = ("stop", "resume", "erase", "cancel", "skip", "more", "useful", "not_useful")


def rows() -> list[dict[str, str]]:
    path = ROOT / "tests" / "data" / "risk_audit.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def commands() -> list[str]:
    text = (ROOT / "bot" / "core" / "commands.toml").read_text(encoding="utf-8")
    groups = tomllib.loads(text)["commands"]
    return sorted({word for name in COMMANDS for word in groups[name]})


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['kind']} {row['text']}")
def test_a_kind_of_message_is_read_as_the_audit_asked(row: dict[str, str]) -> None:
    found = assess(row["text"], Context(who=row["who"] or None))
    told = set(found.categories)
    assert found.level.rank >= Level(row["least"]).rank
    assert not row["most"] or found.level.rank <= Level(row["most"]).rank
    assert not row["category"] or told & set(row["category"].split("|"))
    assert not told & set(row["never"].split("|"))
    assert not row["subject"] or found.subject == row["subject"]
    assert not row["speaker"] or found.who == row["speaker"]


@pytest.mark.parametrize("word", commands())
def test_a_command_of_the_bot_is_no_sign_of_distress(word: str) -> None:
    found = assess(word, Context(floor=Level.FOCUS, weak_signs=2))
    assert found.fresh is Level.NONE
    assert not found.weak
    assert found.level is Level.FOCUS

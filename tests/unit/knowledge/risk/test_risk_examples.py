"""The written examples of the risk screen: 186 with a level, harmless texts, oblique dangers."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from knowledge.risk import Context, Level, Rule, assess, default_rules, load_rules
from knowledge.risk.model.run import load_classifier
from knowledge.risk.regression import examples

DATA = Path(__file__).parents[3] / "data"
NO_CONTEXT = {"E181"}  # a retraction: its level is that of the earlier message


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def lines(name: str) -> list[str]:
    text = (DATA / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


EXAMPLES = examples()
OBLIQUE = rows("risk_oblique.tsv")
HARMLESS = lines("risk_harmless.txt")


@pytest.mark.parametrize("known", [True, False], ids=["who given", "who unknown"])
@pytest.mark.parametrize("row", EXAMPLES, ids=[row["id"] for row in EXAMPLES])
def test_high_examples_are_escalated_at_their_level(row: dict[str, str], known: bool) -> None:
    wanted = Level(row["level"])
    got = assess(row["text"], Context(who=row["who"] if known else None)).level
    if wanted.rank >= 3:
        assert got.rank >= wanted.rank
    elif wanted is Level.FOCUS and row["id"] not in NO_CONTEXT:
        assert got.escalated


@pytest.mark.parametrize("row", EXAMPLES, ids=[row["id"] for row in EXAMPLES])
def test_calm_examples_stay_calm(row: dict[str, str]) -> None:
    got = assess(row["text"], Context(who=row["who"])).level
    if row["group"].startswith("J"):
        assert got is Level.NONE
    if Level(row["level"]).rank <= 1:
        assert not got.escalated


def test_ordinary_messages_and_look_alikes_rarely_fire() -> None:
    fired = [text for text in HARMLESS if assess(text).level.escalated]
    assert len(HARMLESS) >= 700
    assert len(fired) <= len(HARMLESS) * 0.01, fired


@pytest.mark.parametrize("row", rows("risk_plain.tsv"), ids=lambda row: row["text"])
def test_a_direct_statement_needs_no_classifier(row: dict[str, str]) -> None:
    got = assess(row["text"]).level
    assert got.escalated
    assert got.rank >= Level(row["level"]).rank


def test_oblique_dangers_need_the_classifier() -> None:
    """Half of them are beyond the rules; the floors say what no change may lose."""
    live = load_rules()
    live.classifier = load_classifier()
    alone, seen = (
        sum(
            assess(row["text"], Context(who=who), rules).level.escalated
            for row in OBLIQUE
            for who in (row["who"], None)
        )
        / (2 * len(OBLIQUE))
        for rules in (default_rules(), live)
    )
    assert len(OBLIQUE) >= 250
    assert alone >= 0.45
    assert seen >= 0.75


def test_ordinary_messages_rarely_fire_with_the_classifier_either() -> None:
    live = load_rules()
    live.classifier = load_classifier()
    fired = [text for text in HARMLESS if assess(text, rules=live).level.escalated]
    assert len(fired) <= len(HARMLESS) * 0.02, fired


@pytest.mark.parametrize("rule", default_rules().rules, ids=lambda rule: rule.id)
def test_a_rule_fires_on_its_own_examples_only(rule: Rule) -> None:
    for text in rule.examples_must:
        assert rule.id in assess(text).rule_ids, text
    for text in rule.examples_must_not:
        assert rule.id not in assess(text).rule_ids, text

"""Rule files: what is refused, and that the message says where."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from knowledge.errors import KnowledgeError
from knowledge.risk import Level, RulesInvalid, assess, default_rules, load_rules
from knowledge.risk.classifier import Proposal
from knowledge.risk.context import CONTEXT_SLOTS
from knowledge.risk.patterns import PatternInvalid, parse

RULE = """
[[rule]]
id = "own.rule"
category = "DIS"
level = "2"
reason = "理由"
patterns = "{who} … 怪|奇怪"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    slots = "\n".join(f'{name} = "占位{name}"' for name in sorted(CONTEXT_SLOTS))
    (tmp_path / "lexicon.toml").write_text(f'[slots]\nwho = "小明|小红"\n{slots}\n', "utf-8")
    (tmp_path / "own.toml").write_text(RULE, "utf-8")
    return tmp_path


def test_a_rule_of_ones_own_fires(folder: Path) -> None:
    rules = load_rules(folder)
    found = assess("小明今天很奇怪", rules=rules)
    assert found.level is Level.FOCUS
    assert found.reasons == ("理由",)
    assert found.rule_ids == ("own.rule",)
    assert found.rule_version == rules.version
    assert [span.text for span in found.spans] == ["小明", "奇怪"]
    assert assess("今天很奇怪", rules=rules).level is Level.NONE


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('level = "2"', 'level = "9"', "level"),
        ('category = "DIS"', 'category = "XYZ"', "category"),
        ('reason = "理由"', "", "reason"),
        ("{who}", "{nobody}", "patterns"),
        ("{who} …", "{who}", "patterns"),
        ("{who} … 怪|奇怪", "({who", "patterns"),
        ('patterns = "{who} … 怪|奇怪"', 'patterns = ""', "patterns"),
        ('level = "2"', 'level = "2"\nweak_sign = true', "weak_sign"),
        ('level = "2"', 'level = "2"\nignore = ["grammar"]', "ignore"),
    ],
)
def test_a_bad_rule_is_refused_and_named(folder: Path, old: str, new: str, field: str) -> None:
    (folder / "own.toml").write_text(RULE.replace(old, new), "utf-8")
    with pytest.raises(RulesInvalid) as caught:
        load_rules(folder)
    assert isinstance(caught.value, KnowledgeError)
    assert caught.value.file == folder / "own.toml"
    assert caught.value.field == f"own.rule.{field}"
    assert caught.value.line == 3


def test_a_lexicon_without_a_slot_of_the_context_is_refused(folder: Path) -> None:
    lexicon = (folder / "lexicon.toml").read_text("utf-8")
    (folder / "lexicon.toml").write_text(lexicon.replace("negator", "negators"), "utf-8")
    with pytest.raises(RulesInvalid) as caught:
        load_rules(folder)
    assert caught.value.field == "negator.slots"


def test_broken_toml_names_its_line(folder: Path) -> None:
    (folder / "own.toml").write_text("[[rule]]\nid = \n", "utf-8")
    with pytest.raises(RulesInvalid) as caught:
        load_rules(folder)
    assert caught.value.line == 2


def test_two_rules_may_not_share_an_id(folder: Path) -> None:
    (folder / "own.toml").write_text(RULE + RULE, "utf-8")
    with pytest.raises(RulesInvalid):
        load_rules(folder)


def test_the_version_changes_with_the_rules(folder: Path) -> None:
    before = load_rules(folder).version
    (folder / "own.toml").write_text(RULE.replace("理由", "别的理由"), "utf-8")
    assert load_rules(folder).version != before


def test_every_shipped_rule_says_why_in_chinese() -> None:
    for rule in default_rules().rules:
        assert any("\u4e00" <= char <= "\u9fff" for char in rule.reason), rule.id


def test_a_classifier_may_only_raise(folder: Path) -> None:
    class Always:
        version = "always"

        def __init__(self, level: Level) -> None:
            self.level = level

        def propose(
            self, turns: Sequence[str], places: Sequence[int] = (), *, hinted: bool = False
        ) -> Proposal:
            return Proposal(self.level, "DIS", 0.5, "看一眼")

    rules = load_rules(folder)
    rules.classifier = Always(Level.HIGH)
    raised = assess("老师你好，今天的作业是什么", rules=rules)
    assert raised.level is raised.fresh is Level.HIGH
    assert raised.rule_ids == ("model.DIS",)
    assert raised.categories == ("DIS",)
    assert raised.reasons == ("看一眼",)
    assert raised.rule_version == f"{rules.version}+always"
    rules.classifier = Always(Level.NONE)
    kept = assess("小明今天很奇怪", rules=rules)
    assert kept.level is Level.FOCUS
    assert not any(name.startswith("model.") for name in kept.rule_ids)


@pytest.mark.parametrize("source", ["", "…", "a b", "(a|b", "a & ", "{未知}"])
def test_a_pattern_that_cannot_be_read_is_refused(source: str) -> None:
    with pytest.raises(PatternInvalid):
        parse(source)


def test_optional_pieces_make_variants() -> None:
    (pattern,) = parse("想要?死")
    assert pattern.chains[0].groups[0].literals == {"想死", "想要死"}
    assert len(parse("{who}(了|)死")) == 2

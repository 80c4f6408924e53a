"""Rule files that people edit: cut, put together, and refused with a place and never otherwise."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge.risk import RulesInvalid, default_rules
from knowledge.risk.context import CONTEXT_SLOTS
from knowledge.risk.drafting import blocks, load_draft, with_block
from knowledge.risk.loading import rule_texts

PACKAGED = rule_texts()
RULE = """[[rule]]
id = "own.rule"
category = "DIS"
level = "2"
reason = "理由"
patterns = "小明 … 怪|奇怪"
"""
SLOTS = "[slots]\n" + "".join(f'{name} = "占位{name}"\n' for name in sorted(CONTEXT_SLOTS))
SMALL = {"lexicon.toml": SLOTS, "own.toml": RULE}


@pytest.mark.parametrize("name", sorted(PACKAGED))
def test_blocks_are_the_whole_file(name: str) -> None:
    text = PACKAGED[name]
    cut = blocks(text)
    assert "".join(block.text for block in cut) == text
    assert [block.number for block in cut] == list(range(len(cut)))
    assert all(
        text.splitlines()[block.line - 1] == block.text.splitlines()[0] for block in cut if block.id
    )
    assert all(with_block(text, block.number, block.text) == text for block in cut)


def test_every_shipped_rule_is_a_block_of_its_own() -> None:
    found = {block.id for text in PACKAGED.values() for block in blocks(text)}
    assert {rule.id for rule in default_rules().rules} <= found


def test_a_block_is_replaced_or_taken_away_and_nothing_else() -> None:
    text = f"# 说明\n\n{RULE}\n{RULE.replace('own.rule', 'own.other')}"
    cut = blocks(text)
    assert [(block.kind, block.id) for block in cut] == [
        ("head", ""),
        ("rule", "own.rule"),
        ("rule", "own.other"),
    ]
    changed = with_block(text, 1, cut[1].text.replace("理由", "新的理由"))
    assert [block.text for block in blocks(changed)][::2] == [cut[0].text, cut[2].text]
    assert "新的理由" in blocks(changed)[1].text
    assert [block.id for block in blocks(with_block(text, 1, " \n"))] == ["", "own.other"]
    with pytest.raises(IndexError):
        with_block(text, 3, "")


def test_what_ships_is_a_draft_that_loads() -> None:
    assert load_draft(PACKAGED, PACKAGED).version == default_rules().version


@pytest.mark.parametrize(
    ("old", "new", "problem", "line", "field"),
    [
        ('level = "2"', "level = 2", "must be words in quotes", 2, "own.rule.level"),
        ('level = "2"', 'level = "4"', "not a level", 2, "own.rule.level"),
        ('"理由"', "[1]", "must be words in quotes", 2, "own.rule.reason"),
        ("[[rule]]", "[rule]", "write two brackets", 1, "rule"),
        ("[[rule]]", "[[rules]]", "unknown table", 1, "rules"),
        ("reason =", 'weak = "ja"\nreason =', "must be true or false", 2, "own.rule.weak"),
        ("reason =", 'tags = "x"\nreason =', "must be a list", 2, "own.rule.tags"),
        ("[[rule]]", "[[combo]]", "unknown field", 2, "own.rule.patterns"),
        ("小明 …", "(小明 …", "unbalanced brackets", 2, "own.rule.patterns"),
        ('"own.rule"', "7", "must be words in quotes", 1, "?.id"),
        ('"DIS"', '"DIS', "not TOML", 3, None),
    ],
)
def test_a_slip_is_named_with_its_place(
    old: str, new: str, problem: str, line: int, field: str | None
) -> None:
    with pytest.raises(RulesInvalid) as caught:
        load_draft(SMALL | {"own.toml": RULE.replace(old, new, 1)}, SMALL)
    assert caught.value.problem.startswith(problem)
    assert str(caught.value.file) == "own.toml"
    assert caught.value.field == field
    if field != "?.id":
        assert caught.value.line == line


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lexicon.toml", f'{SLOTS}\n[regex]\nown = "(a+)+b"\n'),
        ("lexicon.toml", f"{SLOTS}\n[more]\n"),
        ("lexicon.toml", SLOTS.replace('"', "", 2)),
        ("lexicon.toml", "slots = 3\n"),
        ("idioms.toml", "idioms = 3\n"),
        ("aliases.toml", "[aliases]\nx = 3\n"),
        ("own.toml", RULE + "#" * 200_000),
        ("own.toml", "x = " + "[" * 100_000),
    ],
)
def test_word_lists_and_sizes_are_checked_too(name: str, text: str) -> None:
    with pytest.raises(RulesInvalid):
        load_draft(SMALL | {name: text}, SMALL)


def test_expressions_of_an_older_release_may_stay_and_no_others_come() -> None:
    older = f'{SLOTS}\n[regex]\nown = "[0-9]{{1,3}}"\n'
    edited_since = SMALL | {"lexicon.toml": older}
    assert load_draft(edited_since, SMALL, edited_since).version
    with pytest.raises(RulesInvalid, match="regular expressions"):
        load_draft(edited_since, SMALL)
    worse = {"lexicon.toml": older.replace("{1,3}", "{1,4}")}
    with pytest.raises(RulesInvalid, match="regular expressions"):
        load_draft(SMALL | worse, SMALL, edited_since)


_WORDS = (
    "[[rule]] [[combo]] [rule] id level patterns needs weak within own.rule DIS 2 3! -1 1e9 true",
    '= " """ \' [ ] { } ( ) | & … ~ ? {child} {nobody} 1979-05-27 死',
)
_PIECES = st.sampled_from(["\n", "\r", " ", *(word for line in _WORDS for word in line.split())])


@given(
    st.integers(0, len(RULE)),
    st.integers(0, 40),
    st.lists(_PIECES | st.text(max_size=4)).map("".join),
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_typed_is_refused_in_one_way(at: int, length: int, typed: str) -> None:
    text = RULE[:at] + typed + RULE[at + length :]
    assert "".join(block.text for block in blocks(text)) == text
    with suppress(RulesInvalid):
        load_draft(SMALL | {"own.toml": text}, SMALL)

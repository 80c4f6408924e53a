"""Rule files held in memory: the same set as from their folder, and nothing that runs away."""

from __future__ import annotations

import pytest

from knowledge.risk import RulesInvalid, default_rules, load_rules
from knowledge.risk.loading import digest_of, rule_texts
from knowledge.risk.patterns import PatternInvalid, parse


def test_texts_are_the_set_of_their_folder() -> None:
    texts = rule_texts()
    loaded = load_rules(texts)
    assert loaded.version == default_rules().version == digest_of(texts)
    assert [rule.id for rule in loaded.rules] == [rule.id for rule in default_rules().rules]


def test_a_changed_text_is_another_version() -> None:
    texts = rule_texts()
    assert digest_of(texts | {"parent.toml": texts["parent.toml"] + "\n"}) != digest_of(texts)
    assert digest_of(dict(reversed(texts.items()))) == digest_of(texts)


def test_a_broken_text_names_file_and_line() -> None:
    texts = rule_texts()
    with pytest.raises(RulesInvalid) as caught:
        load_rules(texts | {"body.toml": "[[rule]]\nid = \n"})
    assert (str(caught.value.file), caught.value.line) == ("body.toml", 2)
    with pytest.raises(RulesInvalid) as caught:
        load_rules(texts | {"own.toml": '\n[[rule]]\nid = "own.rule"\n'})
    assert (caught.value.line, caught.value.field) == (3, "own.rule.category")
    with pytest.raises(RulesInvalid, match=r"there is no lexicon\.toml"):
        load_rules({})


@pytest.mark.parametrize(
    "pattern",
    [
        "a?{x}" * 40,
        " … ".join(["{x}|b?"] * 40),
        " & ".join(["{x}{y}?(a|)"] * 30),
        " … ".join(["(a|b){x}|(c|d){y}"] * 20),
    ],
)
def test_many_optional_pieces_are_refused_before_they_fill_the_memory(pattern: str) -> None:
    with pytest.raises(PatternInvalid, match="too many optional pieces"):
        parse(pattern)

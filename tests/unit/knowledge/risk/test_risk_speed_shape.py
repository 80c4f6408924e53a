"""No expression of the lexicon can run away: shown by its structure, not by a clock."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from knowledge.risk import RulesInvalid, default_rules, load_rules
from knowledge.risk.bounded import MOST_WAYS, Unbounded, ways
from knowledge.risk.loading import rule_texts
from knowledge.risk.match import BLOCK, Found, Scan
from knowledge.risk.normalise import fold

LENGTH = 20_000
EXPRESSIONS = sorted({regex.pattern for _, regex in default_rules().regexes})


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_shipped_expression_is_bounded(expression: str) -> None:
    assert 1 <= ways(expression) <= MOST_WAYS


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_no_hit_is_longer_than_a_block_in_the_worst_texts(expression: str) -> None:
    letters = sorted(set(re.sub(r"[^\w]", "", expression)))
    texts = [letter * LENGTH for letter in letters[:12]]
    texts.append(("".join(letters) * LENGTH)[:LENGTH])
    for text in texts:
        for hit in re.finditer(expression, text):
            assert 0 < hit.end() - hit.start() <= BLOCK


@pytest.mark.parametrize(
    "expression",
    [
        "(a+)+b",
        "a*",
        "a+b",
        "(?:a|a)*",
        "(a{1,8}){1,8}",
        r"(a)\1",
        "(?=a)b",
        "a{1,500}",
        "(a|ab){30}",
    ],
)
def test_an_expression_that_could_run_away_is_refused(expression: str) -> None:
    with pytest.raises(Unbounded):
        ways(expression)


def test_a_rule_set_with_such_an_expression_is_refused_with_its_place(tmp_path: Path) -> None:
    texts = rule_texts()
    texts["lexicon.toml"] += '\nrunaway = "(?:很+)+死"\n'
    with pytest.raises(RulesInvalid) as caught:
        load_rules(texts)
    assert caught.value.field == "runaway.regex"
    assert caught.value.line is not None


def test_a_pattern_is_tried_only_where_its_words_are_near() -> None:
    rules = default_rules()
    far = fold("孩子" + "好" * 2 + "天气晴朗风和日丽" * 60 + "跳楼")
    found = Found(Scan(far, rules), 0, len(far.text))
    for number in found.candidates():
        assert found.may_hold(number)
    near = fold("孩子要跳楼")
    close = Found(Scan(near, rules), 0, len(near.text))
    assert set(close.candidates()) - set(found.candidates())

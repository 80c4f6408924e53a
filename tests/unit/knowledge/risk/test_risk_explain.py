"""Why a text was judged as it was, and what would change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.risk import Context, Level, assess, default_rules
from knowledge.risk.classifier import NOTHING, Proposal
from knowledge.risk.explain import LONG, MOST_CLAUSES, RULES_OF_LONG, explain
from knowledge.risk.explanation import Explanation
from knowledge.risk.rules import RuleSet
from knowledge.risk.variants import FILTERS, scratch, unfiltered, without

LEDGE = "孩子站在阳台上不肯下来，说不想活了，作业还没写完。"
PC = Context(who="PC")


@dataclass
class Feathers:
    """A classifier that fears one word: the more often it stands there, the more."""

    word: str = "羽毛"
    version: str = "feathers-1"
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def propose(
        self, turns: Sequence[str], places: Sequence[int] = (), *, hinted: bool = False
    ) -> Proposal:
        """Propose a 3 from the second word on."""
        self.asked.append(tuple(turns))
        count = sum(turn.count(self.word) for turn in turns)
        score = min(0.1 + 0.4 * count, 0.9)
        if count < 2:
            return Proposal(Level.NONE, "NONE", score, "")
        return Proposal(Level.HIGH, "DIS", score, "像是说到羽毛。")


@pytest.fixture
def feathers() -> RuleSet:
    """The rules with that classifier beside them."""
    rules = scratch(default_rules())
    rules.classifier = Feathers()
    return rules


def _changes(told: Explanation, kind: str) -> dict[str, str]:
    return {one.what: one.level.value for one in told.changes if one.kind == kind}


def test_each_fired_rule_is_named_with_its_words() -> None:
    told = explain(LEDGE, PC)
    assert told.assessment == assess(LEDGE, PC)
    assert [row.id for row in told.fired] == list(told.assessment.rule_ids)
    first = told.fired[0]
    assert (first.kind, first.category, first.level.value) == ("rule", "SI-AT", "3!")
    assert first.file == "suicide.toml"
    assert first.reason == told.assessment.reasons[0]
    for row in told.fired:
        assert all(LEDGE[span.start : span.end] == span.text for span in row.spans)
        assert row.turn == 0
    combos = [row for row in told.fired if row.kind == "combo"]
    assert combos
    assert all(row.spans and row.file.endswith(".toml") for row in combos)
    assert told.model is None
    assert not told.shortened


def test_what_would_change_it_is_what_assess_says() -> None:
    told = explain(LEDGE, PC)
    rules = default_rules()
    for name, level in _changes(told, "rule").items():
        assert level == assess(LEDGE, PC, without(rules, {name})).level.value
    assert _changes(told, "rule")["si.act.on_site"] == "3"
    assert _changes(told, "clause") == {
        "孩子站在阳台上不肯下来，": "3",
        "说不想活了，": assess("孩子站在阳台上不肯下来，作业还没写完。", PC).level.value,
        "作业还没写完。": "3!",
    }
    speakers = _changes(told, "speaker")
    assert set(speakers) == {"PS", "S", "T", "G", "X"}
    for who in ("PS", "S", "T", "G"):
        assert speakers[who] == assess(LEDGE, Context(who=who)).level.value
    assert speakers["X"] == assess(LEDGE).level.value


def test_speakers_can_change_it() -> None:
    told = explain("小时候我想过自杀")
    assert _changes(told, "speaker")["PC"] == "1"
    assert [one.what for one in told.changes if one.changes]


def test_the_open_case_and_the_messages_before_count() -> None:
    context = Context(turns=("我真的好难受,撑不下去",), floor=Level.HIGH)
    told = explain("好的谢谢", context)
    assert told.assessment.level is Level.HIGH
    assert _changes(told, "floor") == {
        "": assess("好的谢谢", Context(turns=context.turns)).level.value
    }
    assert _changes(told, "turns") == {"": "3"}
    alone = explain("好的谢谢", Context(turns=context.turns))
    assert _changes(alone, "turns") == {"": "0"}
    assert {row.turn for row in alone.fired} == {1}
    assert all(row.spans == () for row in alone.fired)


@pytest.mark.parametrize(
    ("text", "name", "word"),
    [
        ("孩子说不想死", "negation", "想死"),
        ("小时候我想过自杀", "tense", "自杀"),
        ("测试一下：我要跳楼", "testing", "要跳楼"),
        ("电影里的人想自杀", "register", "自杀"),
        ("如果他说想自杀我该怎么办", "hypothetical", "想自杀"),
        ("一个网友说他想自杀", "stranger", "想自杀"),
        ("电影里的人不想自杀", "several", "自杀"),
    ],
)
def test_what_was_held_back_is_named_with_the_reason(text: str, name: str, word: str) -> None:
    rows = [row for row in explain(text).filtered if row.name == name]
    assert rows
    assert all(row.level.rank > row.given.rank for row in rows)
    assert any(word in span.text or span.text in word for row in rows for span in row.spans)
    assert all(row.reason and row.file.endswith(".toml") for row in rows)


def test_words_hidden_by_an_idiom_are_seen() -> None:
    rules = default_rules()
    idioms = [rules.literals[number] for number in sorted(rules.idioms)]
    hidden = next(
        (idiom, rows)
        for idiom in idioms
        if (rows := [row for row in explain(idiom).filtered if row.name == "idiom"])
    )
    assert all(row.given is Level.NONE for row in hidden[1])


def test_an_ordinary_text_has_nothing_to_explain() -> None:
    told = explain("老师好，明天几点到校？", PC)
    assert (told.assessment.level, told.fired, told.filtered) == (Level.NONE, (), ())
    assert not any(one.changes for one in told.changes)
    assert _changes(explain("你好"), "clause") == {}


def test_a_model_that_raises_is_named_with_the_clause_that_carries_it(feathers: RuleSet) -> None:
    text = "他今天去了公园，捡了一根羽毛，又捡了一根羽毛。"
    told = explain(text, PC, feathers)
    assert told.assessment.level is Level.HIGH
    assert [(row.kind, row.id, row.reason) for row in told.fired] == [
        ("model", "model.DIS", "像是说到羽毛。")
    ]
    assert told.model is not None
    assert (told.model.version, told.model.raised) == ("feathers-1", True)
    assert told.model.proposal.score == pytest.approx(0.9)
    drops = {one.clause.text: round(one.drop, 2) for one in told.model.carried}
    assert drops == {"捡了一根羽毛，": 0.4, "又捡了一根羽毛。": 0.4, "他今天去了公园，": 0.0}
    assert told.model.carried[0].drop >= told.model.carried[-1].drop
    assert _changes(told, "model") == {"model.DIS": "0"}
    assert _changes(told, "clause")["捡了一根羽毛，"] == "0"


def test_a_model_that_sees_nothing_is_named_with_its_score(feathers: RuleSet) -> None:
    told = explain(LEDGE, PC, feathers)
    assert told.model is not None
    assert not told.model.raised
    assert told.model.proposal.level is Level.NONE
    assert _changes(told, "model") == {}
    assert explain("", PC, feathers).model is not None


def test_a_phrase_split_over_messages_is_shown_where_it_ends() -> None:
    told = explain("活了", Context(who="PC", turns=("孩子说他不想",)))
    assert told.assessment.level is Level.HIGH
    rows = {row.id: row for row in told.fired}
    assert [span.text for span in rows["si.active.explicit"].spans] == ["活"]
    assert rows["si.active.explicit"].level is Level.HIGH
    assert _changes(told, "turns") == {"": "0"}


def test_the_messages_before_count_for_the_model(feathers: RuleSet) -> None:
    told = explain("又一根羽毛", Context(who="PC", turns=("一根羽毛",)), feathers)
    assert told.assessment.level is Level.HIGH
    assert told.model is not None
    assert told.model.proposal.level is Level.HIGH
    assert _changes(told, "turns") == {"": "0"}


def test_the_same_text_is_put_to_the_model_once(feathers: RuleSet) -> None:
    explain("一根羽毛", PC, feathers)
    assert isinstance(feathers.classifier, Feathers)
    assert feathers.classifier.asked == [("一根羽毛",)]


def test_nothing_is_remembered_of_an_explained_text() -> None:
    rules = default_rules()
    before = dict(rules.readings)
    explain("这句话只在测试框里出现过想死", PC)
    assert rules.readings == before
    assert rules.classifier is None


def test_many_clauses_keep_those_with_findings() -> None:
    text = "今天天气好，" * 20 + "他说不想活了，" + "晚上吃面，" * 20
    clauses = _changes(explain(text, PC), "clause")
    assert "他说不想活了，" in clauses
    parts = [one for one in explain(text, PC).changes if one.kind == "clause"]
    assert len(parts) == MOST_CLAUSES


def test_a_long_text_is_explained_in_short() -> None:
    text = "今天天气很好，我们出去走走。" * (100_000 // 14) + "孩子说不想活了"
    told = explain(text, PC)
    assert told.shortened
    assert told.assessment.level is Level.HIGH
    assert told.fired[0].spans[0].text in "孩子说不想活了"
    assert told.filtered == ()
    assert len(told.changes) <= RULES_OF_LONG
    assert not explain("好" * LONG, PC).shortened


def test_variants_share_what_is_compiled() -> None:
    rules = default_rules()
    assess("热身", rules=rules)
    for name in (*FILTERS, "several"):
        made = unfiltered(rules, name)
        assert made.automaton is rules.automaton
        assert made.readings is not rules.readings
    less = without(rules, {"si.act.on_site"})
    assert len(less.rules) == len(rules.rules) - 1
    assert "si.act.on_site" in {rule.id for rule in rules.rules}


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60), st.sampled_from([None, "PC", "S", "Q"]))
def test_any_text_can_be_explained(text: str, who: str | None) -> None:
    told = explain(text, Context(who=who))
    assert told.assessment == assess(text, Context(who=who))
    assert NOTHING.level is Level.NONE


@pytest.mark.parametrize("text", ["\0", "\ud800想死", "想\0死", "", "，。！", "🌊" * 50])
def test_odd_characters_do_no_harm(text: str) -> None:
    told = explain(text, PC)
    for row in told.fired:
        assert all(text[span.start : span.end] == span.text for span in row.spans)

"""The shipped classifier: it loads, raises, never lowers, and says what is wrong with its files."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.errors import EncoderError
from knowledge.risk import Context, Level, RuleSet, assess, default_rules, load_rules
from knowledge.risk.classifier import NOTHING, Proposal
from knowledge.risk.loading import CATEGORIES
from knowledge.risk.measure import measure, table
from knowledge.risk.model.examples import FOLDER, read_folder
from knowledge.risk.model.run import WEIGHTS, OnnxClassifier, load_classifier, reason
from knowledge.risk.regression.examples import examples


@cache
def shipped() -> OnnxClassifier:
    return OnnxClassifier()


@cache
def live() -> RuleSet:
    rules = load_rules()
    rules.classifier = shipped()
    return rules


def test_a_danger_told_without_danger_words_is_raised() -> None:
    text = "他把手机密码和银行卡密码都写在纸上压我枕头底下了，人在阳台站着，叫他不应"
    said = shipped().propose([text])
    assert said.level.rank >= Level.FOCUS.rank
    assert said.score > 0.5
    assert said.reason == reason(said.category)


def test_an_ordinary_message_is_left_alone() -> None:
    for text in ("明天几点到校?", "孩子写作业拖拉怎么办", "收到,谢谢老师"):
        said = shipped().propose([text])
        assert said.level is Level.NONE
        assert said.category == "NONE"
        assert not said.reason


@pytest.mark.parametrize("text", ["", " ", "😀🎉", "\u200b", "\0", "\ud800"])
def test_a_text_without_words_is_nothing(text: str) -> None:
    said = shipped().propose([text])
    assert said == NOTHING or said.level is Level.NONE


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=200), min_size=1, max_size=4))
def test_any_text_is_judged(turns: list[str]) -> None:
    said = shipped().propose(turns)
    assert isinstance(said, Proposal)
    assert 0.0 <= said.score <= 1.0


def test_every_category_it_knows_has_words_for_people() -> None:
    for category in shipped().categories:
        assert category in CATEGORIES
        assert "请" in reason(category)


def test_it_never_lowers_what_the_rules_say() -> None:
    for row in read_folder()[::40]:
        context = Context(row.who or None, row.turns[:-1])
        alone = assess(row.turns[-1], context, default_rules())
        helped = assess(row.turns[-1], context, live())
        assert helped.level.rank >= alone.level.rank
        assert helped.fresh.rank >= alone.fresh.rank


@pytest.mark.parametrize("text", ["教室监控有死角", "想死你了宝贝", "这关boss杀了我八次"])
def test_an_idiom_that_is_most_of_a_message_is_no_danger(text: str) -> None:
    assert shipped().propose([text]).level.rank >= Level.FOCUS.rank
    assert assess(text, rules=live()).level is Level.NONE


@pytest.mark.parametrize("text", ["小孩吃手", "打人", "小孩咬指甲", "我试过了没用"])
def test_of_a_few_letters_that_no_rule_fears_it_has_to_be_surer(text: str) -> None:
    assert shipped().propose([text]).level.rank >= Level.FOCUS.rank
    assert assess(text, rules=live()).level < "2"


def test_what_it_is_not_believed_about_does_not_count_beside_others_either() -> None:
    before = ("小孩吃手", "zaolian")
    assert assess("孩 子 不 想 上 学", Context("PC", before), live()).level < "2"


def test_an_idiom_in_a_longer_story_hides_nothing() -> None:
    text = "我在工地走不开,娃他婶打电话来说喊他起床喊不应,床边他奶奶的安眠药瓶子滚在地上"
    assert assess(text, rules=live()).level.escalated


def test_what_a_rule_saw_of_abuse_goes_before_the_guess_at_a_kind() -> None:
    found = assess("外公的手又伸进来了，我把凳子顶门后头了", rules=live())
    assert found.level.escalated
    assert found.categories == ("SA",)


def test_being_hinted_never_asks_for_more() -> None:
    for row in read_folder()[::200]:
        plain = shipped().propose(row.turns)
        hinted = shipped().propose(row.turns, hinted=True)
        assert hinted.level.rank >= plain.level.rank
        assert hinted.score == plain.score


def test_the_written_examples_hold_with_it() -> None:
    for row in examples():
        who = row["who"] if row["who"] != "X" else None
        found, wanted = assess(row["text"], Context(who), live()).level, Level(row["level"])
        if wanted.rank >= Level.HIGH.rank:
            assert found.rank >= wanted.rank, row["id"]
        if row["group"].startswith("J"):
            assert found is Level.NONE, row["id"]
        if wanted is Level.NONE:
            assert found.rank < Level.HIGH.rank, row["id"]


def test_an_assessment_names_the_rules_and_the_classifier() -> None:
    found = assess("明天几点到校?", rules=live())
    assert found.rule_version == f"{default_rules().version}+{shipped().version}"


def test_it_finds_what_the_rules_alone_do_not() -> None:
    rows = read_folder(FOLDER / "heldout")
    alone, helped = measure(rows, default_rules()), measure(rows, live())
    assert helped.whole_danger.rate > alone.whole_danger.rate + 0.3
    assert "category ABU" in table(helped)


def test_none_switches_it_off_and_a_folder_is_another_one(tmp_path: Path) -> None:
    assert load_classifier("none") is None
    folder = tmp_path / "model"
    shutil.copytree(WEIGHTS, folder)
    other = load_classifier(str(folder))
    assert other is not None
    assert other.version == shipped().version


@pytest.mark.parametrize("name", ["card.toml", "model.onnx", "tokenizer.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(WEIGHTS, folder)
    (folder / name).unlink()
    with pytest.raises(EncoderError) as caught:
        load_classifier(str(folder))
    assert name in str(caught.value)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(WEIGHTS, folder)
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:50_000])
    with pytest.raises(EncoderError, match="checksum"):
        load_classifier(str(folder))


@pytest.mark.parametrize("word", ["闺女", "娃", "我家小子", "儿子", "女儿", "丫头"])
def test_another_word_for_the_child_changes_nothing(word: str) -> None:
    named = [row for row in examples() if "孩子" in row["text"]]
    assert len(named) > 20
    for rules in (default_rules(), live()):
        for row in named:
            other = row["text"].replace("孩子", word)
            assert assess(other, rules=rules).level is assess(row["text"], rules=rules).level

"""Answer, choices or abstain; and what is only smalltalk."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.decision import Thresholds, decide, is_smalltalk, of_a_word, topics_named
from knowledge.retrieval import Hit

scores = st.lists(st.floats(0, 1), max_size=6).map(lambda found: sorted(found, reverse=True))


def make_hits(*values: float) -> list[Hit]:
    return [Hit(f"T01-{i:02}", value, ("words",), "") for i, value in enumerate(values, 1)]


def test_clear_first_answers() -> None:
    decision = decide(make_hits(0.8, 0.1))
    assert (decision.kind, decision.entry) == ("answer", "T01-01")


def test_several_likely_ones_are_offered_without_the_unlikely() -> None:
    decision = decide(make_hits(0.3, 0.2, 0.01, 0.01))
    assert decision.kind == "choices"
    assert [hit.entry for hit in decision.candidates] == ["T01-01", "T01-02"]


def test_nothing_likely_abstains_and_keeps_what_came_nearest() -> None:
    decision = decide(make_hits(0.07, 0.05, 0.02, 0.01))
    assert (decision.kind, decision.entry) == ("abstain", None)
    assert len(decision.candidates) == 3
    assert decide([]).kind == "abstain"


def test_threshold_one_answers_only_word_for_word_and_zero_always() -> None:
    strict, lax = Thresholds(answer=1.0, choices=1.0), Thresholds(answer=0.0)
    assert decide(make_hits(0.999), strict).kind == "abstain"
    assert decide(make_hits(1.0), strict).kind == "answer"
    assert decide(make_hits(0.0), lax).kind == "answer"
    always_offered = Thresholds(answer=1.0, choices=0.0)
    assert decide(make_hits(0.01, 0.0), always_offered).kind == "choices"


@pytest.mark.parametrize("field", ["answer", "choices", "candidate"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_thresholds_outside_0_to_1_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Thresholds(**{field: value})


@settings(deadline=None)
@given(scores, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_decision_is_whole_for_any_scores_and_thresholds(
    values: list[float], answer: float, choices: float, candidate: float
) -> None:
    decision = decide(make_hits(*values), Thresholds(answer, choices, candidate))
    assert (decision.entry is not None) == (decision.kind == "answer")
    assert len(decision.candidates) <= 3
    assert decision.kind != "choices" or decision.candidates


@settings(deadline=None)
@given(scores, st.floats(0, 1), st.floats(0, 1))
def test_higher_threshold_never_answers_more(values: list[float], a: float, b: float) -> None:
    low, high = sorted((a, b))
    if decide(make_hits(*values), Thresholds(answer=high)).kind == "answer":
        assert decide(make_hits(*values), Thresholds(answer=low)).kind == "answer"


@pytest.mark.parametrize(
    "text",
    [
        "你好", "老师好！", "在吗？", "谢谢老师", "好的，收到", "嗯嗯", "1", "666", "👍", "[微笑]",
        "？？", "hello", "收到，谢谢老师，辛苦了", "哈哈哈哈", "", "  ", "好的好的",
        "好滴呢👌", "@心晴 谢谢啦", "3Q", "唔該晒", "嗯嗯嗯，明白啦", "<b>收到</b>", "[图片]",
        "👍👍👍", "+1", "12", "讲个笑话吧", "你吃饭了吗？", "你真聪明", "先这样，回头再聊",
        "Thank you!", "2️⃣",
        "不好意思打扰您了",
    ],
)  # fmt: skip
def test_smalltalk_is_recognised(text: str) -> None:
    assert is_smalltalk(text)


@pytest.mark.parametrize(
    "text",
    [
        "你好，孩子不肯上学",
        "谢谢，他还是不睡",
        "老师我想死",
        "在吗，急",
        "好烦",
        "作业",
        "救命",
        "我不行了",
        "没意思", "你是机器人吗", "你是谁", "你是真人吗", "食堂几点开门", "明天下雨吗",
        "校车几点到", "学费多少", "好累", "好怕", "不好", "不行了", "没有人要我", "我没用", "早恋",
        "再见了，妈妈", "谢谢你们，来生再见", "爱你们，别找我", "[流泪]孩子不见了", "加油站打工",
        "抱抱我", "唉",
    ],
)  # fmt: skip
def test_anything_more_is_no_smalltalk(text: str) -> None:
    assert not is_smalltalk(text)


@pytest.mark.parametrize(
    "text",
    [
        "哦哦好的",
        "太谢谢您了",
        "谢谢老师的耐心解答",
        "谢谢，我试试",
        "好的我试试",
        "xie xie",
        "Thank you very much",
        "我想咨询一下",
    ],
)
def test_thanks_are_seen_however_they_can_be_cut(text: str) -> None:
    assert is_smalltalk(text)


@settings(deadline=None)
@given(st.text(alphabet="哈好的谢嗯1", max_size=400))
def test_any_row_of_nods_is_read_in_time(text: str) -> None:
    assert isinstance(is_smalltalk(text), bool)


def test_a_word_alone_is_offered_unless_it_is_a_way_of_asking() -> None:
    near = decide(make_hits(0.94, 0.01))
    assert of_a_word(near, "育儿！").kind == "choices"
    assert of_a_word(near, "写作业拖拉") is near
    exact = Hit("T09-01", 1.0, ("exact",), "早恋")
    assert of_a_word(decide([exact]), "早恋").kind == "answer"


def test_a_word_alone_may_name_topics() -> None:
    assert topics_named("手机！") == {"T07"}
    assert topics_named("作业") == {"T06"}
    for text in ("", "与", "食堂", "可以", "手机怎么管", "\0"):
        assert not topics_named(text)

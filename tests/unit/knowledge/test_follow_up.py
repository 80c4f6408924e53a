"""Which messages go on with the one before, which section they ask for, what they choose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.chosen import all_chosen, none_chosen, numbers_chosen
from knowledge.entry import heading
from knowledge.follow_up import (
    LONGEST,
    MORE,
    goes_on,
    mixed,
    section_asked,
    stage_asked,
    word_lists,
)
from knowledge.retrieval import Hit


@pytest.mark.parametrize(
    "text",
    [
        "那要是爷爷奶奶惯着呢",
        "那初中呢？",
        "他还是不听怎么办",
        "要是他打人呢",
        "可是他爸不管",
        "试过了没用",
        "那孩子不愿意呢",
        "然后呢",
        "她不肯",
    ],
)
def test_what_goes_on(text: str) -> None:
    assert goes_on(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "孩子不写作业怎么办",
        "中考志愿怎么填",
        "他家孩子总来我家",
        "为什么孩子总咬指甲",
        "可以报名吗",
        "今天食堂几点开门",
        "那" + "好的" * LONGEST,
        "?",
        "\x00",
        "\ud800",
    ],
)
def test_what_stands_on_its_own(text: str) -> None:
    assert not goes_on(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("为什么会这样？", "reason"),
        ("为什么", "reason"),
        ("那具体怎么说呢", "scripts"),
        ("我该怎么跟他说", "scripts"),
        ("怎么说好", "scripts"),
        ("具体怎么做", "steps"),
        ("那爷爷奶奶呢", "grandparents"),
        ("爷爷奶奶怎么说", "grandparents"),
        ("学校能做什么", "school"),
        ("那我怎么跟老师说呢", "school"),
        ("有什么不能说的吗", "avoid"),
        ("什么时候要去医院", "red_flags"),
        ("然后呢", MORE),
        ("还有别的办法吗", MORE),
    ],
)
def test_which_section_is_asked_for(text: str, key: str) -> None:
    assert section_asked(text) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "那要是爷爷奶奶惯着呢",
        "怎么跟孩子说我们要离婚",
        "老师说他上课走神",
        "好",
        "吗" * 300,
        "\ud800\x00",
    ],
)
def test_what_asks_for_no_section(text: str) -> None:
    assert section_asked(text) is None


@pytest.mark.parametrize(
    ("text", "stages"),
    [
        ("那初中呢", "E"),
        ("那高中生怎么办？", "F"),
        ("要是五岁的孩子呢", "B"),
        ("那幼儿园呢", "B"),
        ("那初中写作业呢", ""),
        ("那他呢", ""),
        ("初二" * 30, ""),
    ],
)
def test_the_same_for_another_stage(text: str, stages: str) -> None:
    assert stage_asked(text) == frozenset(stages)


def test_every_section_is_one_of_an_entry() -> None:
    for key in word_lists()["sections"]:
        assert key == MORE or heading(key)


@given(st.text(max_size=60))
def test_reading_breaks_on_nothing(text: str) -> None:
    goes_on(text)
    section_asked(text)
    stage_asked(text)
    assert all(0 <= number <= 99 for number in numbers_chosen(text))
    assert not (all_chosen(text) and none_chosen(text))


# Both together ------------------------------------------------------------------------------------


def hits(**scores: float) -> list[Hit]:
    return [Hit(entry, score, ("words",), "") for entry, score in scores.items()]


def test_the_message_alone_counts_more_the_more_it_says() -> None:
    before = hits(A=0.95)
    (first, second) = mixed(hits(B=0.6), before, (), answered=True)
    assert (first.entry, second.entry) == ("B", "A")
    assert mixed(hits(B=0.05), before, (), answered=True)[0].entry == "A"


def test_what_was_offered_counts_more_than_what_was_answered() -> None:
    scores = [
        next(
            hit.score
            for hit in mixed(hits(B=0.9), hits(A=1.0), (), answered=answered)
            if hit.entry == "A"
        )
        for answered in (True, False)
    ]
    assert scores[0] < scores[1]


def test_what_is_near_the_entry_before_comes_forward() -> None:
    alone = hits(B=0.3, C=0.25)
    assert mixed(alone, [], {"C"}, answered=True)[0].entry == "C"


@given(
    st.lists(
        st.tuples(st.sampled_from("ABCDE"), st.floats(0, 1)), max_size=5, unique_by=lambda r: r[0]
    ),
    st.lists(
        st.tuples(st.sampled_from("ABCDE"), st.floats(0, 1)), max_size=5, unique_by=lambda r: r[0]
    ),
    st.booleans(),
)
def test_mixed_scores_stay_chances(
    alone: list[tuple[str, float]], together: list[tuple[str, float]], answered: bool
) -> None:
    found = mixed(hits(**dict(alone)), hits(**dict(together)), "AB", answered=answered)
    assert {hit.entry for hit in found} == {entry for entry, _ in (*alone, *together)}
    assert all(0 <= hit.score <= 1 + 1e-9 for hit in found)
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)


# Choices ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1", (1,)),
        ("２", (2,)),
        ("③", (3,)),
        ("二", (2,)),
        ("2.", (2,)),
        ("第二个", (2,)),
        ("选2", (2,)),
        ("我选2吧", (2,)),
        ("1️⃣", (1,)),
        ("1和3", (1, 3)),
        ("1、3", (1, 3)),
        ("第一个和第三个", (1, 3)),
        ("2 2 1", (2, 1)),
        ("12", (12,)),
        ("0", (0,)),
        ("三年级", ()),
        ("123", ()),
        ("110", ()),
        ("", ()),
        ("1个月的宝宝", ()),
        ("1" * 40, ()),
        ("\x00", ()),
        ("\ud800", ()),
    ],
)
def test_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert numbers_chosen(text) == numbers


def test_all_or_none() -> None:
    assert all_chosen("都要！")
    assert none_chosen("都不是。")
    assert none_chosen("没有我要的")
    assert not none_chosen("没有朋友怎么办")


@pytest.mark.parametrize("text", ["3岁", "初二男孩", "二年级", "他今年八岁", "女孩，初三"])
def test_an_age_alone_adds_to_what_was_asked(text: str) -> None:
    assert goes_on(text)

"""A message's questions told apart: nothing of it is lost, a story stays one question."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from knowledge.asked import LONGEST, MOST, bare_question, split_questions

TEN = "".join(
    f"孩子{what}怎么办？"
    for what in ["不吃饭", "撒谎", "打人", "尿床", "咬指甲", "偷钱", "骂人", "逃学", "早恋", "失眠"]
)


@pytest.mark.parametrize(
    ("text", "questions"),
    [
        (
            "孩子写作业拖拉怎么办？还有他晚上不肯睡，另外跟同学打架老师找我",
            ("孩子写作业拖拉怎么办？", "他晚上不肯睡", "跟同学打架老师找我"),
        ),
        (
            "1. 不写作业怎么办 2. 玩手机怎么办 3、不睡觉",
            ("不写作业怎么办", "玩手机怎么办", "不睡觉"),
        ),
        ("①不写作业怎么办②玩手机怎么办", ("不写作业怎么办", "玩手机怎么办")),
        ("想问几个问题：一、不吃饭；二、不睡觉", ("不吃饭", "不睡觉")),
        ("第一个问题，孩子不写作业。第二个问题，孩子撒谎", ("孩子不写作业", "孩子撒谎")),
        ("孩子不写作业怎么办 顺便问下怎么报名家长课", ("孩子不写作业怎么办", "怎么报名家长课")),
        ("孩子不写作业怎么管，再问一下他撒谎怎么教", ("孩子不写作业怎么管", "他撒谎怎么教")),
    ],
)
def test_what_the_writer_set_apart(text: str, questions: tuple[str, ...]) -> None:
    asked = split_questions(text)
    assert (asked.questions, asked.marked) == (questions, True)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("孩子不爱吃饭怎么办？晚上不睡觉怎么办？早上起不来怎么办？", 3),
        ("孩子不写作业怎么办\n孩子玩手机怎么办", 2),
        ("1. 写作业拖拉\n2. 玩手机\n3. 不肯上学", 3),
        (TEN, 10),
        (TEN + "孩子怕黑怎么办？", 10),
    ],
)
def test_what_only_signs_set_apart(text: str, count: int) -> None:
    asked = split_questions(text)
    assert (len(asked.parts), asked.marked) == (count, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "孩子不写作业怎么办",
        "孩子上初二，最近不爱说话。回家就关门。我怎么跟他说？",
        "老师说上课走神，是不是多动症？要不要去医院？",
        "他不写作业，还有晚上不睡，我怎么办",
        "我做了三步：1. 跟他谈 2. 写计划 3. 奖励，都没用，怎么办",
        "孩子3.5岁，1.2米，怎么吃饭",
        "他问我为什么要上学？我没答上来。晚上他又哭。我抱着他睡的。他爸说惯的。早上又不肯起，怎么办？",
        "王老师：明天带水彩笔\n李妈妈：收到\n张爸：几点到？\n王老师：八点，怎么了？",
        "王老师 10:23\n明天带水彩笔？\n李妈妈 10:24\n收到吗？\n张爸爸 10:25\n什么颜色的彩笔？",
        "孩子不写作业怎么办？谢谢老师！",
    ],
)
def test_one_question_stays_one(text: str) -> None:
    assert split_questions(text).parts == (text,)


@given(st.text(alphabet=st.characters(), max_size=300), st.integers(1, 12))
@example("1. 怎么\x00办 2. \ud800吗？ 3. 呢", 2)
@example("?" * 200, 3)
@example("\n1.\n2.\n3.", 3)
def test_nothing_is_lost_whatever_is_sent(text: str, most: int) -> None:
    asked = split_questions(text, most)
    assert "".join(asked.parts) == text
    assert 1 <= len(asked.parts) <= most
    assert len(asked.questions) == len(asked.parts)


WORDS = st.sampled_from(
    [
        "孩子",
        "不写作业",
        "怎么办",
        "？",
        "还有",
        "另外",
        "，",
        "。",
        "\n",
        "1.",
        "2.",
        "①",
        "②",
        "吗",
        "第一个问题，",
        "😀",
    ]
)


@given(st.lists(WORDS, max_size=60).map("".join))
def test_nothing_is_lost_of_what_looks_like_questions(text: str) -> None:
    asked = split_questions(text)
    assert "".join(asked.parts) == text
    assert len(asked.parts) <= MOST


@pytest.mark.parametrize("piece", ["孩子不写作业怎么办？", "1. ", "还有", "\n", "a"])
def test_a_very_long_message_is_searched_whole(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    assert len(text) > LONGEST
    assert split_questions(text).parts == (text,)


def test_what_a_list_is_about_stays_and_its_announcement_goes() -> None:
    asked = split_questions("老师好，想问几个问题：\n1. 不吃饭怎么办\n2. 不睡觉怎么办")
    assert asked.questions == ("不吃饭怎么办", "不睡觉怎么办")
    asked = split_questions("孩子五年级：1. 不吃饭怎么办 2. 不睡觉怎么办")
    assert asked.questions == ("孩子五年级：1. 不吃饭怎么办", "不睡觉怎么办")


@given(st.text(max_size=80))
def test_a_question_is_part_of_its_part(part: str) -> None:
    assert bare_question(part) in part


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("孩子写作业拖拉怎么办晚上不肯睡觉怎么办手机也管不住怎么办", 3),
        ("问题一：孩子磨蹭怎么办。问题二：早上不起床", 2),
        ("孩子不写作业怎么办急死了", 1),
        ("娃哭闹咋办我也不知道咋办", 1),
    ],
)
def test_spoken_without_marks(text: str, count: int) -> None:
    parts = split_questions(text).parts
    assert len(parts) == count
    assert "".join(parts) == text

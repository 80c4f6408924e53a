"""What a program put around a parent's words goes; the words stay."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.pasted import LONGEST, unwrap
from knowledge.text import read


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        ("<p>孩子&nbsp;不睡</p><br/>怎么办", "孩子 不睡 怎么办"),
        ("孩\u200b子\u2060不\ufeff睡", "孩子不睡"),
        ("[图片] 这个字怎么改", "这个字怎么改"),
        ("@张老师 孩子不睡", "孩子不睡"),
        ("@所有人孩子不睡", "孩子不睡"),
        ("「张三：孩子不写作业」\n- - - - - - - - - - - - - - -\n怎么办", "孩子不写作业 怎么办"),
        ("张三 2026/11/1 20:13\n孩子不写作业\n李四 2026/11/1 20:14\n怎么管", "孩子不写作业 怎么管"),
        ("[2026/11/1 20:13] 张三: 孩子不写作业", "孩子不写作业"),
        (
            "2026-11-20 08:01:22 王老师\n收到请回\n2026-11-20 08:05:00 我(10001)\n孩子不写作业",
            "收到请回 孩子不写作业",
        ),
        ("2026-11-20 15:30 家长会\n我去不了", "2026-11-20 15:30 家长会 我去不了"),
        ("妈妈：他不写作业\n奶奶：还摔本子\n怎么管", "他不写作业 还摔本子 怎么管"),
        ("群聊的聊天记录\n\n昨天 21:03\n睡不着", "睡不着"),
        ("——— 2026-11-01 ———\n睡不着", "睡不着"),
        ("睡不着怎么办睡不着怎么办睡不着怎么办", "睡不着怎么办"),
    ],
)
def test_what_a_program_added_goes(pasted: str, words: str) -> None:
    assert read(pasted).forms[0] == words
    assert "。" in words or read(pasted).forms[0] in words


@pytest.mark.parametrize(
    "text",
    [
        "老师说:他上课讲话",
        "孩子磨到 23:30 怎么办",
        "写信到 a@b.cn 行吗",
        "他问:死是什么",
        "1<2岁",
        "晚上10:30还不睡",
    ],
)
def test_words_that_only_look_like_labels_stay(text: str) -> None:
    assert read(text).forms == (text,)


def test_what_went_is_told() -> None:
    removed = unwrap("@张老师 <b>孩子</b>不睡😭[捂脸] http://a.cn/x")[1]
    assert [one.kind for one in removed] == ["markup", "mention", "sticker", "link", "emoji"]
    kinds = [one.kind for one in read("老师您好，孩子不睡，谢谢").removed]
    assert kinds == ["courtesy", "courtesy"]


def test_of_a_long_text_the_beginning_and_the_end_are_read() -> None:
    text = "我家老二。" + "今天天气不错，" * 15_000 + "晚上睡不着怎么办"
    words, removed = unwrap(text)
    assert len(words) <= LONGEST + 1
    assert words.startswith("我家老二")
    assert words.endswith("晚上睡不着怎么办")
    assert removed[0].kind == "length"
    assert read(text).forms[-1].endswith("晚上睡不着怎么办")


NASTY = [
    "<script",
    "@",
    "\u0301",
    "12:30 ",
    "- ",
    "「a:",
    "a:\n",
    "&#",
    "<!--",
    "[",
    "\ud83d",
    "\0",
]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([*NASTY, "孩子", "\n", " "]), max_size=12), st.integers(1, 3000))
def test_no_repetition_breaks_it(pieces: list[str], times: int) -> None:
    forms = read("".join(pieces) * times).forms
    assert forms
    "".join(forms).encode("utf-8")


@settings(deadline=None)
@given(st.text(max_size=400))
def test_nothing_is_added(text: str) -> None:
    words, _ = unwrap(text.replace("&", ""))
    assert len(words) <= len(text) + 1

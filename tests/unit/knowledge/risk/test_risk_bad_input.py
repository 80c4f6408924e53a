"""Danger is found in whatever it is wrapped in, and a broken rule file changes nothing."""

from __future__ import annotations

import base64
import random

import pytest

from knowledge.risk import Context, Level, RulesInvalid, assess, load_rules
from knowledge.risk.loading import rule_texts

DANGER = "我刚把一整瓶安眠药吃了"
PUPIL = Context(who="S")
LONG = 100_000


def _filled(piece: str) -> str:
    return (piece * (LONG // len(piece) + 1))[: LONG - 40]


CARRIERS = {
    "page": "<div class='m'><p>明天几点到校</p></div>&nbsp;\n",
    "program": "for (i = 0; i < n; i++) { total += rows[i]; } // 合计\n",
    "log": "2025/10/03 21:11:02 妈妈: 明天带水杯\n",
    "table": "1\t小明\t初二3班\t2025-09-01\t正常\t已处理\n",
    "digits": "1234567890",
    "han numbers": "十几二三百",
    "greek": "αβγδε",
    "emoji": "😀🎉",
    "blank": " ",
    "marks": "\u200b\u202e\u0301",
}


@pytest.mark.parametrize("piece", CARRIERS.values(), ids=CARRIERS)
def test_one_phrase_at_the_end_of_a_long_text_is_found(piece: str) -> None:
    found = assess(f"{_filled(piece)}\n{DANGER}", PUPIL)
    assert found.level is Level.EMERGENCY
    assert found.spans[-1].start >= LONG - 41


def test_scrambled_bytes_find_nothing_by_accident() -> None:
    noise = base64.b64encode(random.Random(5).randbytes(75_000)).decode()
    assert assess(noise, PUPIL).level is Level.NONE


@pytest.mark.parametrize(
    "text",
    [
        f"1\t张三\t初二3班\t{DANGER}\t待处理",
        f"姓名\t说明\n小明\t{DANGER}\n",
        f"【聊天记录】\n2025/10/03 21:11:02 小明: {DANGER}\n2025/10/03 21:12:00 班长: 你在哪",
        f"<table><tr><td>小明</td><td>{DANGER}</td></tr></table>",
        f"// {DANGER}\nreturn 0;",
        f"bWVzc2FnZQ== {DANGER} bWVzc2FnZQ==",
        f"Привет αβγ {DANGER} hello",
    ],
)
def test_a_paste_hides_nothing(text: str) -> None:
    assert assess(text, PUPIL).level is Level.EMERGENCY


def test_a_broken_rule_file_is_named_and_the_loaded_rules_go_on() -> None:
    kept = load_rules()
    before = assess(DANGER, PUPIL, kept)
    texts = rule_texts()
    texts["suicide.toml"] += "\n[[rule]\n"
    with pytest.raises(RulesInvalid) as caught:
        load_rules(texts)
    assert caught.value.file is not None
    assert caught.value.file.name == "suicide.toml"
    assert caught.value.line is not None
    assert assess(DANGER, PUPIL, kept) == before


@pytest.mark.parametrize("word", ["我家小子", "我家臭小子"])
@pytest.mark.parametrize(
    "text",
    ["孩子说想死", "我想带着孩子一起走", "我把孩子一个人反锁在家三天去打工了", "孩子明天请假"],
)
def test_another_word_for_one_s_child_changes_nothing(text: str, word: str) -> None:
    said = assess(text.replace("孩子", word), Context(who="PC"))
    assert said.level is assess(text, Context(who="PC")).level

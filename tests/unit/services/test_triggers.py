"""What makes a night worse is found in many wordings, and not where the words mean otherwise."""

import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.services.triggers import load_triggers, parse_triggers, triggers_in

CODES = ("results", "term_start", "breakup", "scolding", "bereavement", "discharge")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("今天期中出成绩了，她一句话不说", "results"),
        ("这次又没考好", "results"),
        ("明天就开学了，他说不想去", "term_start"),
        ("暑假最后一天，她哭到现在", "term_start"),
        ("女儿跟男朋友分手了", "breakup"),
        ("他昨天失恋", "breakup"),
        ("我骂了他两句他就跑回房间", "scolding"),
        ("被老师当着全班的面骂了一顿", "scolding"),
        ("晚上把手机没收了", "scolding"),
        ("外婆上个月去世了", "bereavement"),
        ("今天给爷爷出殡", "bereavement"),
        ("孩子刚从医院出院", "discharge"),
        ("出院第三天了，又不说话", "discharge"),
        ("上周二才办了出院", "discharge"),
        ("出院不到一个月", "discharge"),
        ("她剛出院", "discharge"),
        ("刚 出 院", "discharge"),
    ],
)
def test_what_is_named(text: str, code: str) -> None:
    assert triggers_in([text]) == (code,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "孩子不爱吃青菜",
        "医生说还没出院，刚做完检查",
        "出院三年了，一直很好",
        "三年前出院的，现在没事",
        "出院以后天天打游戏",
        "我刚下班。他出院的事以后再说",
        "他们没有分手",
        "我从来不骂他",
        "爷爷去世很多年了",
    ],
)
def test_what_is_not(text: str) -> None:
    assert triggers_in([text]) == ()


def test_several_texts_give_each_code_once_in_the_files_order() -> None:
    texts = ["她刚出院", "明天开学", "今天刚出院，又没考好"]
    assert triggers_in(texts) == ("results", "term_start", "discharge")


def test_every_word_of_the_list_is_found_and_has_its_code() -> None:
    assert tuple(one.code for one in load_triggers()) == CODES
    text = files("bot.services").joinpath("triggers.toml").read_text("utf-8")
    for code, table in tomllib.loads(text)["trigger"].items():
        for word in table["words"]:
            said = word.replace("…", "").replace("#", "三")
            assert code in triggers_in([said]), word


@given(st.text(max_size=200), st.sampled_from(["没考好", "刚出院", "失恋"]))
def test_no_text_breaks_it_and_no_sentence_before_hides_it(text: str, words: str) -> None:
    assert set(triggers_in([text])) <= set(CODES)
    assert triggers_in([f"{text}。\n今天{words}"])


@pytest.mark.parametrize(
    "table",
    [
        'words = ["…"]',
        'words = ["，。#"]',
        'words = ["查分"]\nunless = [""]',
        'unless = ["没"]',
        'words = ["查分"]\nlevel = "3"',
    ],
)
def test_a_broken_list_is_refused(table: str) -> None:
    with pytest.raises(ValueError, match=r"words|letter"):
        parse_triggers(f'numerals = "一二"\n[trigger.results]\n{table}')

"""Names and relations as parents write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import kin
from bot.db.models.person import RELATIONS


def test_every_relation_has_a_word() -> None:
    assert set(kin.relation_words()) == set(RELATIONS)
    assert kin.relation_word("M") == "妈妈"
    assert kin.relation_word("ZZ") == "ZZ"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("妈妈", "M"),
        ("我是他妈", "M"),
        ("姑父", "U"),
        ("外婆", "GMA"),
        ("奶奶 13900000001", "GM"),
        ("爸爸妈妈", None),
        ("班主任", None),
        ("", None),
    ],
)
def test_the_one_relation_of_a_text(text: str, code: str | None) -> None:
    assert kin.relation_in(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "13900000001",
        "妈妈13900000001",
        "139-0000-0001",
        "+86 139 0000 0001",
        "１３９０００００００1",
    ],
)
def test_a_phone_however_it_is_written(text: str) -> None:
    assert kin.phone_in(text) == "13900000001"


@pytest.mark.parametrize(
    "text", ["139000000012", "12345678901", "13900000001和13900000002", "没有"]
)
def test_what_is_no_phone(text: str) -> None:
    assert kin.phone_in(text) is None


@pytest.mark.parametrize("name", ["王小明", "欧阳娜娜", "李雷", "阿卜杜拉·买买提", " 钱 多多。"])
def test_a_bare_name(name: str) -> None:
    assert kin.bare_name(name) == name.strip(" 。").replace(" ", "")


@pytest.mark.parametrize(
    "text",
    ["怎么办", "孩子厌学", "王小明吗", "睡不着", "我想问一下作业的事", "hello", "123", "", "王"],
)
def test_what_is_no_name(text: str) -> None:
    assert kin.bare_name(text) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("孩子叫王小明", "王小明"),
        ("我家孩子叫 李雷", "李雷"),
        ("姓名：不花", "不花"),
        ("孩子姓名是艾力", "艾力"),
        ("孩子叫不醒", None),
        ("孩子名字是什么", None),
        ("是这样的", None),
        ("孩子是双胞胎", None),
    ],
)
def test_an_introduced_name(text: str, name: str | None) -> None:
    assert kin.introduced_name(text) == name


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    for read in (kin.bare_name, kin.introduced_name, kin.phone_in, kin.relation_in):
        found = read(text)
        assert found is None or found
    assert kin.digits_in(text) in (True, False)

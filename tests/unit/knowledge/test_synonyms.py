"""Groups of words for the same thing: the shipped ones, a school's own, and files gone wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.synonyms import MOST_EXPANSIONS, MOST_LINES, Synonyms
from knowledge.text import normalise

SHIPPED = Synonyms.load()


def loaded(tmp_path: Path, raw: bytes) -> Synonyms:
    path = tmp_path / "synonyms.tsv"
    path.write_bytes(raw)
    return Synonyms.load(path)


def test_shipped_groups_are_whole() -> None:
    assert SHIPPED.problems == ()
    assert 150 <= len(SHIPPED.groups) <= 300
    assert not [word for word, count in Counter(SHIPPED.words).items() if count > 1]
    assert all(word == normalise(word) for word in SHIPPED.words)


def test_a_word_is_read_as_its_group() -> None:
    (found,) = SHIPPED.expand("天天尿炕")
    assert (found.means, found.said) == ("synonym", "尿炕")
    assert "尿床" in found.read
    assert "尿炕" not in found.read


def test_the_longest_word_is_taken() -> None:
    assert [one.said for one in SHIPPED.expand("沉迷手机")] == ["沉迷手机"]


def test_expansions_of_a_long_text_are_few_and_its_last() -> None:
    text = "。".join(group[0] for group in SHIPPED.groups) * 50
    found = SHIPPED.expand(text)
    assert len(found) == MOST_EXPANSIONS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("between", ["\t", ",", "，", "、"])
def test_a_school_adds_and_switches_off(tmp_path: Path, encoding: str, between: str) -> None:
    lines = ["# 我们学校", "手机|小灵通", '"小黑屋"|"禁闭室"', "停用|早恋", "", "|"]
    found = loaded(tmp_path, "\r\n".join(lines).replace("|", between).encode(encoding))
    assert found.problems == ()
    assert "平板" in found.expand("小灵通")[0].read
    assert found.expand("关小黑屋")[0].read == ("禁闭室",)
    assert found.expand("处对象") == ()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("独词", "两个以上"),
        ("词语\t词语", "两个以上"),
        ("娃\t孩子们", "只有一个字"),
        ("不想活\t心烦得很", "危险信号"),
        ("爸爸\t妈妈", "分属两组"),
        ("停用\t没有这个词", "不在任何一组"),
        ("这是一个长得根本不像是词的整整一句话啊\t长句", "太长"),
        ("？？！\t问号", "没有汉字"),
    ],
)
def test_a_bad_line_is_named_and_skipped(tmp_path: Path, line: str, told: str) -> None:
    found = loaded(tmp_path, f"老班头\t班主任\n{line}\n".encode())
    (problem,) = found.problems
    assert (problem.line, told in problem.text) == (2, True)
    assert found.expand("老班头")


def test_a_word_twice_in_the_file_is_told_with_its_first_line(tmp_path: Path) -> None:
    found = loaded(tmp_path, "小黑屋\t禁闭室\n禁闭室\t反省屋\n".encode())
    assert [(p.line, "第 1 行" in p.text) for p in found.problems] == [(2, True)]


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"\x00\x01\x02", b"\x81\x20\xff\xff", b""])
def test_a_file_of_another_kind_is_told_and_the_shipped_ones_stay(
    tmp_path: Path, raw: bytes
) -> None:
    found = loaded(tmp_path, raw)
    assert found.groups == SHIPPED.groups
    assert bool(found.problems) == bool(raw)


def test_a_missing_file_or_a_folder_changes_nothing(tmp_path: Path) -> None:
    assert Synonyms.load(tmp_path / "none.tsv") == SHIPPED
    found = Synonyms.load(tmp_path)
    assert (found.groups, len(found.problems)) == (SHIPPED.groups, 1)


def test_too_long_a_file_is_cut_and_told(tmp_path: Path) -> None:
    found = loaded(tmp_path, "# 空\n".encode() * (MOST_LINES + 5))
    assert [problem.line for problem in found.problems] == [MOST_LINES + 1]


@settings(deadline=None, max_examples=60)
@given(
    raw=st.binary(max_size=200) | st.text(max_size=120).map(lambda t: t.encode("utf-8", "replace"))
)
def test_no_file_raises(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    found = loaded(tmp_path_factory.mktemp("any"), raw)
    assert len(found.groups) <= len(SHIPPED.groups) + 200
    found.expand("手机")

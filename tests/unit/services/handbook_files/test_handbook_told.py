"""What an import says of each row, in the sheet's own words; and what its report shows."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest
from book_world import TODAY, cells, entry, handbook, packed, sheet
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from bot.services.handbook_files import markdown
from bot.services.handbook_files.plan import (
    CHANGED,
    EMPTY,
    NEW,
    REFUSED,
    SAME,
    Line,
    make_plan,
)
from bot.services.handbook_files.reading import read_file
from bot.services.handbook_files.rows import row_of
from bot.services.handbook_files.told import report_file, rest, shown
from bot.services.handbook_files.words import words
from knowledge.loader import Handbook
from knowledge.writer import FIELDS, write_entry

KNOWN = {"110", "120", "12356"}
ONE = entry("T06-01")


def plan(content: bytes, there: Handbook | None = None) -> list[Line]:
    there = there or handbook()
    return make_plan(read_file(content, there.entries), there, KNOWN, TODAY)


def reasons(line: Line) -> str:
    return "".join(line.reasons)


# In the sheet's own words -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("学段", "Z", "学段：“Z”不在可选范围内"),
        ("提问人", "妈妈", "提问人：“妈妈”不在可选范围内"),
        ("作者", "", "缺少“作者”。"),
        ("编写日期", "去年", "编写日期：日期“去年”不对"),
        ("版本", "第一版", "版本“第一版”不对"),
        ("编号", "作业1", "编号“作业1”不对"),
        ("覆盖问题", "Q999", "覆盖问题：“Q999”不在问题清单里"),
        ("相关条目", "T06-77", "相关条目“T06-77”不存在"),
        ("问法", "就一句", "问法只有 1 条"),
        ("题目", "", "缺少“题目”。"),
    ],
)
def test_a_fault_names_the_column(column: str, value: str, words: str) -> None:
    (line,) = plan(packed(sheet([cells(ONE, **{column: value})])))
    assert line.state == REFUSED
    assert words in reasons(line)
    assert f"{column}：{column}" not in reasons(line)
    assert not [key for key in FIELDS if key in reasons(line)]


def test_a_row_with_only_a_title_misses_its_topic_and_not_its_number() -> None:
    (line,) = plan(packed(sheet([{"题目": "周末能不能睡懒觉？"}])))
    assert line.state == REFUSED
    assert "缺少“主题”。" in reasons(line)
    assert "编号" not in reasons(line)
    assert line.title == "周末能不能睡懒觉？"


def test_a_topic_that_is_none_is_said_where_the_number_hangs_on_it() -> None:
    (line,) = plan(packed(sheet([cells(ONE, 编号=None, 主题="写作业")])))
    assert line.state == REFUSED
    assert "没有主题“写作业”，排不出编号" in reasons(line)


def test_a_fault_of_the_whole_head_has_no_name_before_it() -> None:
    broken = write_entry(ONE).replace("topic: T06", "topic T06")
    (line,) = plan(b"<!-- entry T06-01 -->\n" + broken.encode())
    assert line.reasons[0].startswith("信息区写法有误")


def test_a_row_that_could_not_be_read_keeps_its_number_and_title() -> None:
    (line,) = plan(packed(sheet([cells(ONE, 学段="Z")])))
    assert (line.entry, line.id, line.title) == (None, ONE.id, ONE.title)
    broken = write_entry(ONE).replace("topic: T06", "topic T06")
    (line,) = plan(b"<!-- entry T06-01 -->\n" + broken.encode())
    assert (line.entry, line.id, line.title) == (None, ONE.id, ONE.title)


def test_a_topic_without_a_free_number_names_the_title() -> None:
    taken = [f"T06-{number:02d}" for number in range(1, 1000)]
    (row,) = read_file(packed(sheet([cells(ONE, 编号=None)])), taken).rows
    assert row.title == ONE.title


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_no_text_brings_a_row_down(text: str) -> None:
    row = row_of(1, text)
    assert row.entry is None
    assert row.faults


# What is shown ------------------------------------------------------------------------------------


def lines() -> list[Line]:
    return [
        Line(2, SAME, ONE),
        Line(3, NEW, entry("T06-02")),
        Line(4, REFUSED, None, ("缺少“主题”。",), "", "甲"),
        Line(5, CHANGED, ONE, ("改了：题目。",)),
        Line(6, EMPTY, None, ("这一行是空的。",)),
        Line(7, REFUSED, entry("T06-03"), ("不收。",)),
        Line(8, SAME, entry("T06-04")),
    ]


def test_refused_rows_come_first_and_unchanged_ones_in_one_sentence() -> None:
    assert [line.number for line in shown(lines())] == [4, 7, 5, 3, 6]
    assert rest(lines()) == "其余 2 条没有变化。"
    assert rest(lines()[1:6]) == ""
    assert rest([Line(2, SAME, ONE)]) == "1 条都没有变化。"
    assert shown([]) == []
    assert rest([]) == ""


def test_a_row_without_a_change_of_which_there_is_something_to_say_is_shown() -> None:
    noted = Line(2, SAME, ONE, ("第一个条目之前的文字没有读。",))
    assert shown([noted]) == [noted]
    assert rest([noted]) == ""


def test_the_report_is_a_sheet_that_can_be_read() -> None:
    page = load_workbook(BytesIO(report_file(lines()))).worksheets[0]
    assert page.freeze_panes == "A2"
    assert [cell.value for cell in page[1]] == words()["sheet"]["report_columns"]
    assert page["A1"].font.bold
    assert page.column_dimensions["E"].width == 80
    assert page.column_dimensions["C"].width == 36
    told = [[cell.value for cell in row] for row in page.iter_rows(min_row=2)]
    assert told[0] == [4, None, "甲", "不收", "缺少“主题”。"]
    assert told[-1][4] == "其余 2 条没有变化。"
    assert len(told) == 6


def test_what_a_cell_begins_with_is_no_formula() -> None:
    made = report_file([Line(2, REFUSED, None, ("=1+1",), "=A1", "+甲")])
    page = load_workbook(BytesIO(made)).worksheets[0]
    assert [page["B2"].data_type, page["C2"].data_type, page["E2"].data_type] == ["s", "s", "s"]


def test_a_whole_export_that_nobody_changed_is_one_sentence() -> None:
    two = replace(entry("T06-02"))
    told = plan(markdown.export([ONE, two], when="").encode(), handbook(ONE, two))
    assert shown(told) == []
    assert rest(told) == "2 条都没有变化。"

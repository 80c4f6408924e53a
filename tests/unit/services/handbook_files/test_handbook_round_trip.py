"""The handbook out as a file and in again: nothing is lost, in any of the formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO

import pytest
from book_world import TODAY, book, entry
from openpyxl import load_workbook

from bot.services.handbook_files import excel, markdown
from bot.services.handbook_files.plan import SAME, make_plan
from bot.services.handbook_files.reading import read_file
from bot.web.handbook_print import handbook_html, handbook_pdf
from knowledge.entry import Entry
from knowledge.writer import write_entry

WHEN = "2026-11-23 10:00"
Export = Callable[[Sequence[Entry]], bytes]


def as_markdown(entries: Sequence[Entry]) -> bytes:
    return markdown.export(entries, when=WHEN).encode()


def as_pdf(entries: Sequence[Entry]) -> bytes:
    return handbook_pdf(entries, when=WHEN)


@pytest.mark.parametrize("export", [as_markdown, excel.export, as_pdf])
def test_what_goes_out_comes_back(export: Export) -> None:
    entries = [
        entry("T06-01", aliases=("=磨到半夜", "- 一页口算", "🙂写俩小时")),
        entry("T06-02", title="yes: 他\"说\"'不写' #1", related=("T06-01",), courses=("K05",)),
    ]
    read = read_file(export(entries))
    assert read.problem == ""
    assert [row.faults for row in read.rows] == [(), ()]
    assert [write_entry(row.entry) for row in read.rows if row.entry] == [
        write_entry(one) for one in entries
    ]


def test_the_shipped_handbook_comes_back_from_text_and_sheet() -> None:
    handbook = book()
    entries = list(handbook.entries.values())
    for content in (as_markdown(entries), excel.export(entries)):
        lines = make_plan(read_file(content), handbook, {"12356"}, TODAY)
        assert {line.state for line in lines} == {SAME}
        assert [line.id for line in lines] == [one.id for one in entries]


def test_a_sheet_holds_text_and_no_formulas() -> None:
    content = excel.export([entry("T06-01", aliases=("=1+1", "@甲", "+8"))])
    sheet = load_workbook(BytesIO(content)).worksheets[0]
    assert {cell.data_type for row in sheet.iter_rows(min_row=2) for cell in row} <= {
        "s",
        "n",
        "inlineStr",
    }
    assert sheet.freeze_panes == "C2"


def test_several_entries_in_one_text_need_no_marks() -> None:
    text = write_entry(entry("T06-01")) + "\n" + write_entry(entry("T06-02"))
    read = read_file(text.encode())
    assert [row.entry.id for row in read.rows if row.entry] == ["T06-01", "T06-02"]
    read = read_file(("前言\n" + text).encode())
    assert len(read.rows) == 2
    assert read.notes == ("第一个条目之前的文字没有读。",)


def test_a_printed_entry_tells_its_state_and_its_sources() -> None:
    page = handbook_html([entry("T06-01"), entry("T06-02", reviewers=("甲",))], when=WHEN)
    assert "共 2 条，1 条待专业复核，1 条已复核" in page
    assert page.count('<span class="state">待专业复核</span>') == 1
    assert page.count("《中华人民共和国家庭教育促进法》(2021年)第十七条") >= 2
    assert "{12356}" not in page
    assert page.count('<a href="#T06-02">') == 2, "in the contents and under its source"
    assert "<script" not in page

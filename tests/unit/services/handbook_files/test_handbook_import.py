"""A file of entries is compared with the handbook: each row is told what becomes of it."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from book_world import TODAY, cells, entry, handbook, packed, sheet
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.services.handbook_files import excel, markdown
from bot.services.handbook_files.plan import (
    CHANGED,
    EMPTY,
    NEW,
    REFUSED,
    SAME,
    Line,
    make_plan,
    write_plan,
)
from bot.services.handbook_files.reading import read_file
from knowledge.entry import Entry
from knowledge.loader import Handbook, load_handbook
from knowledge.writer import write_entry

KNOWN = {"110", "120", "12356"}
ONE = entry("T06-01")


def plan(content: bytes, there: Handbook | None = None) -> list[Line]:
    there = there or handbook()
    read = read_file(content, there.entries)
    assert read.problem == ""
    return make_plan(read, there, KNOWN, TODAY)


def text_of(*entries: Entry) -> bytes:
    return markdown.export(entries, when="").encode()


def changed(one: Entry, **sections: str) -> Entry:
    return replace(one, sections={**one.sections, **sections})


def reasons(line: Line) -> str:
    return "".join(line.reasons)


# Whole files that are refused ---------------------------------------------------------------------


def word_file(size: int) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("word/document.xml", b"x" * size)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "空的"),
        (b"   \n", "空的"),
        (word_file(5 * 1024 * 1024), "Word"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "旧版 Office"),
        (b"PK\x03\x04 broken", "打不开"),
        ("题目".encode("gbk"), "UTF-8"),
        ("就是一段话,没有条目".encode(), "没有找到条目"),
        (b"x" * (20 * 1024 * 1024 + 1), "太大"),
        (b"%PDF-1.7\nbroken", "打不开"),
        (packed(sheet([])), "只有表头"),
        (packed(sheet([], header=["甲", "乙"])), "没有找到表头"),
        (packed(sheet([], header=["编号", "题目", "题目"])), "两列同名"),
        (packed(sheet([], header=["编号", "题目", "主题"])), "缺少这些列：学段、提问人、问法"),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_entries_is_refused_in_plain_words(content: bytes, words: str) -> None:
    read = read_file(content)
    assert words in read.problem
    assert not read.rows


def test_a_pdf_from_elsewhere_holds_nothing_to_read_back() -> None:
    from pypdf import PdfWriter

    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    out = BytesIO()
    writer.write(out)
    assert "不是从心晴导出的" in read_file(out.getvalue()).problem


# What becomes of a row ----------------------------------------------------------------------------


def test_new_changed_and_same_are_told_apart() -> None:
    other = entry("T06-02")
    better = changed(ONE, 一句话回答="先停下催促，分成小段来写。")
    lines = plan(text_of(better, other, entry("T06-03")), handbook(ONE, other))
    assert [line.state for line in lines] == [CHANGED, SAME, NEW]
    assert "改了：一句话回答" in reasons(lines[0])
    assert lines[0].entry is not None
    assert lines[0].entry.version == ONE.version + 1


def test_a_change_takes_the_signature_away() -> None:
    signed = replace(ONE, reviewers=("甲",))
    better = changed(signed, 一句话回答="先停下催促，分成小段来写。")
    (line,) = plan(text_of(better), handbook(signed))
    assert line.entry is not None
    assert line.entry.reviewers == ()
    assert "审核签名不再有效" in reasons(line)


def test_nobody_signs_by_import() -> None:
    (line,) = plan(text_of(replace(ONE, reviewers=("甲",))), handbook(ONE))
    assert line.state == REFUSED
    assert "签名" in reasons(line)


def test_two_rows_that_contradict_are_both_refused() -> None:
    other = changed(ONE, 一句话回答="每天催三遍就好。")
    lines = plan(text_of(ONE, other))
    assert [line.state for line in lines] == [REFUSED, REFUSED]
    assert "第2行编号相同、内容不同" in reasons(lines[0])


def test_the_second_of_two_equal_rows_is_refused() -> None:
    lines = plan(text_of(ONE, ONE))
    assert [line.state for line in lines] == [NEW, REFUSED]
    assert "与第1行完全相同" in reasons(lines[1])


def test_a_way_of_asking_that_is_taken_is_refused_and_a_near_one_is_told() -> None:
    long_one = "孩子每天晚上写作业都要写到十一点多，怎么催都没有用"
    there = handbook(replace(ONE, aliases=(*ONE.aliases[1:], long_one)))
    other = entry("T06-02").aliases[1:]
    title = plan(text_of(entry("T06-02", aliases=(*other, ONE.title))), there)
    assert title[0].state == REFUSED
    assert "就是 T06-01 的题目" in reasons(title[0])
    (near,) = plan(text_of(entry("T06-02", aliases=(*other, long_one + "啊"))), there)
    assert near.state == NEW
    assert "太像" in reasons(near)


@pytest.mark.parametrize(
    ("heading", "text", "words"),
    [
        ("一句话回答", "", "是空的"),
        ("一句话回答", "长" * 41, "最多 40 字"),
        ("学校能做什么", "<script>alert(1)</script>", "不能有网页代码"),
        ("学校能做什么", "![图](http://example.org/a.png)", "不能有网页代码"),
        ("学校能做什么", "打{95999}问问。", "不在热线登记表里"),
        ("学校能做什么", "小学生每天要睡8小时。", "统一说法不一致"),
        ("依据", "- 某大学最新研究", "依据登记表"),
        ("红旗:出现这些请马上找人", "- 很急就找人", "红旗读不懂"),
    ],
)
def test_what_the_check_finds_keeps_a_row_out(heading: str, text: str, words: str) -> None:
    (line,) = plan(text_of(changed(ONE, **{heading: text})))
    assert line.state == REFUSED
    assert words in reasons(line)


def test_one_bad_row_keeps_no_other_out() -> None:
    broken = write_entry(entry("T06-02")).replace("id: T06-02", "id T06-02")
    content = text_of(ONE) + b"<!-- entry T06-02 -->\n" + broken.encode() + b"\n"
    lines = plan(content + b"<!-- entry T06-03 -->\n" + write_entry(entry("T06-03")).encode())
    assert [line.state for line in lines] == [NEW, REFUSED, NEW]
    assert "信息区写法有误" in reasons(lines[1])


def test_a_row_that_is_refused_is_nothing_to_link_to_and_blocks_no_other() -> None:
    bad = changed(entry("T06-98"), 一句话回答="")
    linked = entry("T06-03", related=("T06-98",))
    on = entry("T06-04", related=("T06-03",))
    alike = entry("T06-99", aliases=bad.aliases)
    lines = plan(text_of(on, linked, bad, alike))
    assert [line.state for line in lines] == [REFUSED, REFUSED, REFUSED, NEW]
    assert "“T06-98”不存在" in reasons(lines[1])
    assert "“T06-03”不存在" in reasons(lines[0])


def test_what_stays_because_its_change_is_refused_keeps_its_ways_of_asking() -> None:
    other = tuple(f"改过的{text}" for text in ONE.aliases)
    bad = changed(replace(ONE, aliases=other), 一句话回答="")
    lines = plan(text_of(bad, entry("T06-03", aliases=ONE.aliases)), handbook(ONE))
    assert [line.state for line in lines] == [REFUSED, REFUSED]


def test_a_file_read_twice_changes_nothing_and_an_old_one_says_so() -> None:
    later = replace(ONE, version=3)
    (line,) = plan(text_of(ONE), handbook(later))
    assert line.state == SAME
    better = changed(ONE, 一句话回答="先停下催促，分成小段来写。")
    (line,) = plan(text_of(better), handbook(later))
    assert line.entry is not None
    assert line.entry.version == 4
    assert "这一行是第1版，手册里已是第3版" in reasons(line)


def test_an_entry_put_above_the_first_mark_is_read() -> None:
    content = write_entry(entry("T06-02")).encode() + b"\n" + text_of(ONE)
    assert [line.id for line in plan(content)] == ["T06-02", "T06-01"]


# Sheets -------------------------------------------------------------------------------------------


def test_merged_cells_formulas_and_empty_rows_are_told() -> None:
    two, three = entry("T06-02"), entry("T06-03")
    made = sheet([cells(ONE), {}, cells(two, 题目="=A1"), cells(three)])
    page = made.active
    assert page is not None
    page.merge_cells("C5:D5")
    lines = plan(packed(made))
    assert [(line.number, line.state) for line in lines] == [
        (2, NEW), (3, EMPTY), (4, REFUSED), (5, REFUSED),
    ]  # fmt: skip
    assert "“题目”里是公式" in reasons(lines[2])
    assert "合并的单元格" in reasons(lines[3])


def test_a_row_without_a_number_gets_the_next_of_its_topic() -> None:
    two = entry("T06-02")
    lines = plan(packed(sheet([cells(two, 编号=None), cells(two, 编号="T06-03")])), handbook(ONE))
    assert lines[0].id == "T06-02"
    assert "编号留空，排为 T06-02" in reasons(lines[0])


def test_a_topic_without_a_free_number_keeps_the_row_out() -> None:
    taken = [f"T06-{number:02d}" for number in range(1, 1000)]
    read = read_file(packed(sheet([cells(ONE, 编号=None)])), taken)
    assert read.rows[0].faults == ("这个主题的编号已经用完（001–999）。",)


def test_blanks_inside_a_line_are_kept() -> None:
    one = replace(ONE, title="写作业　磨蹭  怎么办", aliases=("甲\u2028乙", *ONE.aliases[1:]))
    (row,) = read_file(excel.export([one])).rows
    assert row.entry is not None
    assert (row.entry.title, row.entry.aliases) == (one.title, one.aliases)


def test_a_sheet_that_was_damaged_on_its_way_is_refused() -> None:
    """A broken stream inside the file once ended the command with the library's own error."""
    good = packed(sheet([cells(ONE)]))
    for place in range(100, len(good), 97):
        damaged = good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :]
        read = read_file(damaged)
        assert read.problem or read.rows


def test_columns_that_nobody_knows_are_told_and_dates_may_be_dates() -> None:
    header = [*excel.columns().values(), "备注"]
    row = cells(ONE, 编写日期=TODAY.replace(day=23), 版本=1.0, 备注="老师们看过")
    read = read_file(packed(sheet([row], header)))
    assert read.notes == ("不认识的列“备注”，没有读。",)
    assert read.rows[0].faults == ()


def test_a_heading_inside_a_cell_is_no_section() -> None:
    two = cells(ONE, 学校能做什么="先谈。\n## 依据\n- 某大学")
    (line,) = plan(packed(sheet([two])))
    assert line.state == REFUSED


# A sheet can't hold control characters.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(list(excel.columns().values())), TEXT))
def test_no_cell_brings_the_reading_down(changes: dict[str, str]) -> None:
    made = sheet([])
    page = made.active
    assert page is not None
    for number, text in enumerate(cells(ONE, **changes).values(), 1):
        page.cell(2, number).value = str(text)
    (line,) = plan(packed(made))
    assert line.state in (NEW, REFUSED)
    assert line.reasons or line.state == NEW


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_bring_the_reading_down(content: bytes) -> None:
    read = read_file(content)
    assert read.problem or read.rows


# Writing ------------------------------------------------------------------------------------------


def test_what_is_accepted_is_written_and_nothing_else(tmp_path: Path) -> None:
    bad = changed(entry("T06-02"), 一句话回答="")
    assert write_plan(plan(text_of(ONE, bad)), tmp_path) == 1
    assert [path.name for path in sorted(tmp_path.rglob("*")) if path.is_file()] == ["T06-01.md"]
    written = load_handbook(tmp_path)
    assert write_entry(written.entries["T06-01"]) == write_entry(ONE)
    assert [line.state for line in plan(text_of(ONE), written)] == [SAME]


def test_a_change_is_written_where_the_entry_stands(tmp_path: Path) -> None:
    """A second file with its id came behind the old one, and the change was lost."""
    place = tmp_path / "A" / "T06-01.md"
    place.parent.mkdir()
    place.write_text(write_entry(ONE), "utf-8")
    better = changed(ONE, 一句话回答="先停下催促，分成小段来写。")
    assert write_plan(plan(text_of(better), load_handbook(tmp_path)), tmp_path) == 1
    written = load_handbook(tmp_path)
    assert list(written.problems) == []
    assert written.entries["T06-01"].one_sentence == "先停下催促，分成小段来写。"


def test_a_file_that_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    half = tmp_path / "T06" / "T06-01.md"
    half.parent.mkdir()
    half.write_text("写了一半", "utf-8")
    (line,) = plan(text_of(ONE), load_handbook(tmp_path))
    assert line.state == REFUSED
    assert "已有 T06-01 的文件" in reasons(line)

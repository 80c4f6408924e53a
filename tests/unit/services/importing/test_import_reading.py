"""What a school's Excel file may look like, and what it may not."""

import zipfile
from collections.abc import Sequence
from datetime import date
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_world import HEADER, excel, phone, saved
from openpyxl import Workbook

from bot.services.excel import MOST_PARTS, SHARED_BYTES
from bot.services.importing import reading
from bot.services.importing.reading import read_excel, template
from bot.services.importing.rows import parse
from bot.services.importing.words import class_key, header, relation, words

ROW = ("D1", "甲一", "三年级2班", "甲一妈", "妈妈", phone(1))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("姓名", ("child", "", 0)),
        (" 学生 姓名* ", ("child", "", 0)),
        ("家长1姓名", ("guardian_name", "", 1)),
        ("家长姓名2", ("guardian_name", "", 2)),
        ("第二监护人姓名", ("guardian_name", "", 2)),
        ("家长三电话", ("phone", "", 3)),
        ("母亲联系电话", ("phone", "M", 0)),
        ("所在班级", ("class", "", 0)),
        ("备注", None),
        ("", None),
    ],
)
def test_a_header_is_known_by_its_words(text: str, found: tuple[str, str, int] | None) -> None:
    assert header(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "三年级2班",
        "三年级(2)班",
        "三(2)班",
        "3年级2班",
        "3(2)班",
        "三年级二班",
        "三 2 班",
        "３年级２班",
    ],
)
def test_one_class_has_many_names(text: str) -> None:
    assert class_key(text) == "3-2"


@pytest.mark.parametrize(
    ("one", "two"),
    [("初一3班", "七年级(3)班"), ("高二10班", "十一年级十班"), ("小六12班", "六年级十二班")],
)
def test_middle_school_counts_on(one: str, two: str) -> None:
    assert class_key(one).split("-")[1] == class_key(two).split("-")[1]


def test_eleven_and_one_are_not_one_and_eleven() -> None:
    assert class_key("1年级11班") != class_key("11年级1班")
    assert class_key("一年级12班") != class_key("十一年级2班")


@given(st.text(max_size=30))
def test_any_class_name_has_a_key(text: str) -> None:
    assert isinstance(class_key(text), str)
    header(text)
    relation(text)


@pytest.mark.parametrize(
    ("text", "code"), [("妈妈", "M"), ("姥姥", "GMA"), ("gf", "GF"), ("友", None)]
)
def test_relations(text: str, code: str | None) -> None:
    assert relation(text) == code


def test_a_plain_file_is_read() -> None:
    read = read_excel(excel([ROW, [], ROW]))
    assert read.problem == ""
    assert [row.number for row in read.rows] == [2, 4]
    assert read.rows[0].data["g1_phone"] == phone(1)


def test_headers_may_stand_below_a_title_and_in_any_order() -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.merge_cells("A1:D1")
    sheet["A1"] = "晴川一小学生名单"
    sheet.append(["手机号", "班级", "备注", "孩子姓名", "监护人", "与孩子关系"])
    sheet.append([13800138001.0, "三年级2班", "住校", "甲一", "甲妈", "母亲"])
    read = read_excel(saved(book))
    parsed = parse(read.rows[0])
    assert (parsed.name, list(parsed.phones), list(parsed.codes)) == ("甲一", ["13800138001"], [])
    assert parsed.carers[0].relation == "M"


def test_columns_that_name_the_relation() -> None:
    names = ["姓名", "班级", "父亲姓名", "父亲电话", "母亲姓名", "母亲电话", "出生日期"]
    row = ["甲一", "三年级2班", "甲爸", phone(1), "甲妈", phone(2), date(2017, 9, 3)]
    parsed = parse(read_excel(excel([row], names)).rows[0])
    assert [(one.name, one.relation, one.phone) for one in parsed.carers] == [
        ("甲爸", "F", phone(1)),
        ("甲妈", "M", phone(2)),
    ]
    assert parsed.born == "2017-09"


def test_formulas_are_not_evaluated() -> None:
    read = read_excel(excel([("D1", '=HYPERLINK("http://x","甲")', "三年级2班"), ROW]))
    assert read.rows[0].codes == ("formula",)
    assert "child" not in read.rows[0].data
    assert read.rows[1].codes == ()


def test_rows_of_merged_cells_say_so() -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (HEADER, ROW, ("D2", "甲二", None), ("D3", "甲三", "三年级2班")):
        sheet.append(list(row))
    sheet.merge_cells("C2:C3")
    assert [row.codes for row in read_excel(saved(book)).rows] == [("merged",), ("merged",), ()]


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (("学号", "电话", "班级"), "no_header"),
        (("姓名", "电话"), "no_header"),
        (("甲", "乙"), "no_header"),
        (("姓名", "班级", "学生姓名"), "header_twice"),
    ],
)
def test_wrong_headers(head: Sequence[str], problem: str) -> None:
    assert read_excel(excel([ROW], head)).problem == problem


def test_a_file_for_one_class_needs_no_class() -> None:
    content = excel([("甲一", phone(1))], ("姓名", "电话"))
    assert read_excel(content, class_known=True).problem == ""


def test_only_a_header_is_no_row_and_nothing_is_empty() -> None:
    assert read_excel(excel([])).problem == "no_rows"
    assert read_excel(saved(Workbook())).problem == "empty"
    assert read_excel(b"").problem == "empty"


def test_what_is_no_excel_file() -> None:
    assert read_excel(b"\xd0\xcf\x11\xe0 old or locked").problem == "not_xlsx"
    assert read_excel("姓名,班级\n".encode()).problem == "not_xlsx"
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("word/document.xml", "<x/>")
    assert read_excel(out.getvalue()).problem == "not_xlsx"
    content = excel([ROW])
    assert read_excel(content[: len(content) // 2]).problem == "broken"


def test_a_bomb_is_not_unpacked() -> None:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/sharedStrings.xml", b"0" * (SHARED_BYTES + 1))
    assert len(out.getvalue()) < 1_000_000
    assert read_excel(out.getvalue()).problem == "bomb"
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for number in range(MOST_PARTS + 1):
            packed.writestr(f"xl/{number}", "")
    assert read_excel(out.getvalue()).problem == "bomb"


def test_entities_are_not_expanded() -> None:
    content, out = BytesIO(excel([ROW])), BytesIO()
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(out, "w") as new:
        for part in old.namelist():
            text = old.read(part)
            new.writestr(part, bomb + text if part == "xl/worksheets/sheet1.xml" else text)
    assert read_excel(out.getvalue()).problem == "broken"


def test_too_many_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_ROWS", 3)
    assert read_excel(excel([ROW] * 3)).problem == ""
    assert read_excel(excel([ROW] * 4)).problem == "too_many"


def test_a_cell_far_away_does_not_make_a_million_rows() -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (HEADER, ROW):
        sheet.append(list(row))
    sheet["XFD1048576"] = "x"
    assert len(read_excel(saved(book)).rows) == 1


@given(st.binary(max_size=300))
@settings(max_examples=50, deadline=None)
def test_any_bytes_are_rows_or_a_problem(content: bytes) -> None:
    for whole in (content, b"PK\x03\x04" + content):
        read = read_excel(whole)
        assert read.problem in words()["problem"]


def test_the_template_has_columns_that_are_known() -> None:
    assert read_excel(template()).problem == "no_rows"
    for column in words()["template"]["columns"]:
        assert header(column) is not None

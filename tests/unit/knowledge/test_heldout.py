"""The exam of the search: its tables, what counts as right, faults, the drawing, what is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.decision import Decision, Thresholds, decide
from knowledge.heldout.measure import (
    Asked,
    Case,
    Raised,
    faults_of,
    message_figures,
    question_figures,
    run_messages,
    run_questions,
)
from knowledge.heldout.near import Known, shipped_texts, without
from knowledge.heldout.reliability import Scored, bins_of, draw, expected_error
from knowledge.heldout.report import ExamReport, as_text, doubles_as_text, faults_as_text
from knowledge.heldout.rows import Row, choose, parse_rows, read_exam, read_rows
from knowledge.loader import load_handbook
from knowledge.retrieval import Document, Hit, Retriever

COVERS = {"T06-01": ("Q026",), "T11-01": ("Q050",), "T13-01": ("Q060",), "T13-09": ()}
HANDBOOK = Path(__file__).parents[3] / "knowledge" / "handbook"


def table(folder: Path, text: str, name: str = "questions.tsv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def row(number: int, ids: str = "Q026", text: str = "写到半夜", danger: str = "") -> Row:
    return Row(number, tuple(ids.split(",")), "short", "mother", text, danger)


def asked(
    *found: tuple[str, float],
    danger: Sequence[str] = (),
    smalltalk: Sequence[str] = (),
    raised: Raised = "alone",
) -> Asked:
    hits = [Hit(name, score, (), "") for name, score in found]

    def choosing(text: str) -> Decision:
        return decide(hits, Thresholds())

    def screened(text: str) -> Raised:
        return raised if text in danger else ""

    return Asked(lambda text: hits, choosing, screened, smalltalk.__contains__)


def one(
    here: Row, *found: tuple[str, float], danger: bool = False, raised: Raised = "alone"
) -> Case:
    screened = asked(*found, danger=[here.text] * danger, raised=raised)
    return run_questions([here], COVERS, screened)[0]


def test_table_is_read_with_remarks_and_bare_columns(tmp_path: Path) -> None:
    path = table(tmp_path, "# by hand\nids\ttext\n\nT06-01, T11-01\t作业\n# more\nT13-01\t欺负\n")
    first, second = read_rows(path)
    assert first == Row(1, ("T06-01", "T11-01"), "", "", "作业")
    assert (second.number, second.ids) == (2, ("T13-01",))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("id\ttext\nQ1\tx\n", 1),
        ("ids\tkind\nQ1\tshort\n", 1),
        ("ids\ttext\nQ1\tx\ty\n", 2),
        ("ids\ttext\n\nQ1\t\n", 3),
        ("danger\ttext\nperhaps\tx\n", 2),
    ],
)
def test_wrong_row_is_named_by_its_line(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(ValueError, match=rf"questions\.tsv:{line}: "):
        read_rows(table(tmp_path, text))


@given(st.text() | st.text("ids\ttx#\n").map("ids\ttext\n".__add__))
def test_any_table_is_read_or_refused_with_its_line(text: str) -> None:
    try:
        found = parse_rows(text, "here.tsv")
    except ValueError as error:
        told = str(error)
    else:
        told = "here.tsv:"
        assert [r.number for r in found] == list(range(1, len(found) + 1))
        assert all(r.text for r in found)
    assert told.startswith("here.tsv:")


@given(st.integers(0, 50))
def test_halves_are_the_whole_and_share_nothing(size: int) -> None:
    rows = [row(number) for number in range(1, size + 1)]
    odd, even = choose(rows, "odd"), choose(rows, "even")
    assert sorted((*odd, *even), key=lambda r: r.number) == rows == choose(rows, "all")
    assert all(r.number % 2 for r in odd)


def test_missing_table_is_empty_but_not_all_of_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds none"):
        read_exam(tmp_path)
    table(tmp_path, "kind\ttext\nnews\t转发\nnews\t快看\n", "messages.tsv")
    exam = read_exam(tmp_path, "even")
    assert exam.questions == ()
    assert [r.text for r in exam.messages] == ["快看"]


def test_shipped_exam_is_whole_and_every_row_has_its_entry() -> None:
    exam = read_exam()
    entries = load_handbook(HANDBOOK).entries
    covers = {name: entry.covers for name, entry in entries.items()}
    assert len(exam.questions) == 354
    assert {(r.ids[0], r.kind) for r in exam.questions} == {
        (f"Q{number:03}", kind) for number in range(1, 119) for kind in ("short", "scene", "story")
    }
    sizes = {"short": (4, 14), "scene": (20, 45), "story": (80, 180)}
    for r in exam.questions:
        least, most = sizes[r.kind]
        assert least <= len(r.text) <= most, r.text
    run_questions((*exam.questions, *exam.entries, *exam.terms), covers, asked())
    assert {r.kind for r in choose(exam.entries, "odd")} == {"short", "scene"}
    assert sum(r.kind == "unanswerable" for r in exam.messages) == 160


def test_outcomes_of_a_question() -> None:
    outcomes = [
        one(row(1), ("T06-01", 0.9)).outcome,
        one(row(1), ("T11-01", 0.9)).outcome,
        one(row(1), ("T11-01", 0.3), ("T06-01", 0.2)).outcome,
        one(row(1), ("T11-01", 0.3), ("T13-01", 0.2)).outcome,
        one(row(1), ("T06-01", 0.01)).outcome,
        one(row(1), ("T06-01", 0.9), danger=True).outcome,
        one(row(1, danger="may"), ("T11-01", 0.9), danger=True).outcome,
    ]
    assert outcomes == ["right", "wrong", "offered", "missed", "abstained", "alarm", "danger"]


def test_entries_below_the_reply_serve_where_the_right_one_is_among_them() -> None:
    def served(entry: str, raised: Raised) -> bool:
        return one(row(1), (entry, 0.9), danger=True, raised=raised).served

    assert served("T06-01", "with entries")
    assert not served("T11-01", "with entries")
    assert not served("T06-01", "alone")
    assert one(row(1, danger="yes"), ("T11-01", 0.9), danger=True).served


def test_right_is_any_entry_that_is_named_or_covers_the_question() -> None:
    assert one(row(1, "T06-01,T13-09"), ("T13-09", 0.9)).outcome == "right"
    with pytest.raises(ValueError, match="row 7: no entry answers Q999"):
        run_questions([row(7, "Q999")], COVERS, asked())


def test_kinds_of_faults() -> None:
    assert faults_of(one(row(1), ("T06-01", 0.9))) == ()
    assert faults_of(one(row(1), ("T06-01", 0.3))) == ("sent to choices though first",)
    assert faults_of(one(row(1), ("T06-01", 0.01))) == ("abstained though first",)
    assert faults_of(one(row(1), ("T11-01", 0.3), ("T06-01", 0.2))) == (
        "right entry second",
        "another topic first",
    )
    assert faults_of(one(row(1, "Q060"), ("T13-09", 0.9), ("T13-01", 0.05))) == (
        "right entry second",
        "answered wrongly",
    )
    assert faults_of(one(row(1), ("T11-01", 0.3))) == (
        "another topic first",
        "not in ten",
        "choices without it",
    )
    assert faults_of(one(row(1, danger="yes"), ("T11-01", 0.3), danger=True)) == ()
    assert faults_of(one(row(1), ("T06-01", 0.9), danger=True)) == (
        "danger seen where none is meant",
    )


def test_figures_of_questions() -> None:
    cases = [
        one(row(1), ("T06-01", 0.9)),
        one(row(2), ("T11-01", 0.9)),
        one(row(3, danger="yes"), ("T11-01", 0.9), danger=True),
        one(row(4), ("T06-01", 0.9), danger=True),
    ]
    assert question_figures(cases) == {
        "n": 4,
        "danger": 0.25,
        "alarm": 0.25,
        "first": 0.75,
        "first_searched": 0.5,
        "in_ten": 0.5,
        "served": 0.5,
        "served_searched": 0.5,
        "served_or_alarm": 0.75,
        "answered_right": 0.25,
        "answered_wrong": 0.25,
        "choices_without": 0.0,
        "abstained": 0.0,
    }


def test_figures_of_messages() -> None:
    rows = [row(1, text="饭卡"), row(2, text="谢谢"), row(3, text="血"), row(4, text="菜单")]
    cases = run_messages(rows, asked(("T06-01", 0.9), danger=["血"], smalltalk=["谢谢"]))
    figures = message_figures(cases)
    assert figures == {
        "n": 4,
        "answered": 0.5,
        "answered_searched": 0.75,
        "choices": 0.0,
        "abstained": 0.0,
        "smalltalk": 0.25,
        "danger": 0.25,
    }


def test_bins_and_expected_error() -> None:
    scored = [Scored(0.05, False), Scored(0.15, False), Scored(1.0, True), Scored(0.9, False)]
    bins = bins_of(scored)
    assert [b.n for b in bins] == [1, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert (bins[9].score, bins[9].right) == (0.95, 0.5)
    assert expected_error(bins) == pytest.approx((0.05 + 0.15 + 2 * 0.45) / 4)
    assert expected_error(bins_of([])) == 0


@given(st.lists(st.builds(Scored, st.floats(0, 1), st.booleans())))
def test_every_score_is_in_one_bin_and_the_drawing_is_xml(scored: list[Scored]) -> None:
    bins = bins_of(scored)
    assert sum(b.n for b in bins) == len(scored)
    assert 0 <= expected_error(bins) <= 1
    image = ElementTree.fromstring(draw([("odd", bins), ("<&>", bins)]))
    circles = image.findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 2 * sum(b.n > 0 for b in bins)


def test_what_the_product_knows_is_found_and_left_out() -> None:
    documents = [
        Document("a", ("作业写到半夜",), ("不看正文",), ("磨磨蹭蹭写不完作业",), ("拖拉",))
    ]
    known = Known(shipped_texts(documents, ["食堂几点开门"]))
    rows = [
        row(1, text="拖拉!"),
        row(2, text="磨磨蹭蹭写不完作业呀"),
        row(3, text="食堂几点開門"),
        row(4, text="不看正文"),
        row(5, text="😀"),
    ]
    doubles = known.doubles(rows)
    assert [(d.row.number, d.likeness == 1) for d in doubles] == [(1, True), (3, True), (2, False)]
    assert [r.number for r in without(rows, doubles)] == [2, 4, 5]
    assert "磨磨蹭蹭写不完作业呀" in doubles_as_text(doubles)


def test_report_on_a_small_handbook(retriever: Retriever) -> None:
    here = Asked(
        lambda text: retriever.search(text, top_k=10),
        lambda text: decide(retriever.search(text), Thresholds()),
        lambda text: "alone" if "血" in text else "",
        lambda text: text == "谢谢",
    )
    questions = [
        row(1, "Q026", "磨到半夜还没写完"),
        row(2, "Q050", "天天熬到十二点怎么调"),
        row(3, "Q060", "流血了", "yes"),
    ]
    report = ExamReport(
        questions=run_questions(questions, COVERS, here),
        entries=(),
        terms=(),
        messages=run_messages([row(1, text="食堂几点开门"), row(2, text="谢谢")], here),
    )
    found = report.figures()
    assert found["questions"]["first"] == 1.0
    assert (found["by_topic"]["T13"]["danger"], found["by_topic"]["T06"]["danger"]) == (1.0, 0.0)
    assert (found["halves"]["odd"]["questions"]["n"], found["by_length"]["short"]["n"]) == (2, 3)
    assert found["ordinary"]["answered"] == 0.0
    assert sum(b["n"] for b in found["reliability"]["asked"]) == 3
    assert sum(b["n"] for b in found["reliability"]["all"]) == 4
    assert [(name, sum(b.n for b in bins)) for name, bins in report.drawn] == [
        ("odd", 2),
        ("even", 1),
        ("all", 4),
    ]
    assert [name for name, _ in report.half("odd").drawn] == ["odd", "all"]
    text = as_text(report).splitlines()
    assert next(line for line in text if line.startswith("questions")).split()[:3] == [
        "questions",
        "3",
        "100.0%",
    ]
    assert "right entry second (0)" in faults_as_text(report, 2)

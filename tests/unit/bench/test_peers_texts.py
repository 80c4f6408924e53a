"""The texts and the table of `xinqing bench peers`."""

import json
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bot.bench.peers import run, texts
from bot.bench.peers.corpus import Asked, Corpus, Found, read_corpus, write_corpus
from bot.bench.peers.rows import ROWS
from bot.bench.peers.run import Plan, bench_peers, figures
from bot.bench.peers.table import BEGIN, END, put_into, tables
from bot.bench.peers.texts import make_corpus
from bot.cli.bench import app
from bot.core.errors import InputInvalid
from knowledge.documents import offtopic_messages, shipped_examples
from knowledge.text import fold

ENTRIES = ("T01/T01-01", "T01/T01-02", "T02/T02-01")


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three entries and thirty messages instead of all; returns a file of questions."""
    handbook = tmp_path / "handbook"
    handbook.mkdir()
    for name in ENTRIES:
        shutil.copy(texts.HANDBOOK / f"{name}.md", handbook)
    messages = tmp_path / "messages"
    messages.mkdir()
    rows = [f"第{n}天他又没去上学,我去找他。老师说第{n}次了 ⏎ 好\t2" for n in range(30)]
    (messages / "a.tsv").write_text("\n".join(["text\tlevel", *rows, rows[0]]), encoding="utf-8")
    monkeypatch.setattr(texts, "HANDBOOK", handbook)
    monkeypatch.setattr(texts, "MESSAGES", messages)
    questions = tmp_path / "questions.tsv"
    lines = ["id\ttext", "Q001\t他跟我没话讲", "T02-01 T01-02\t两个都对", "Q118\t没有条目"]
    questions.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return questions


def test_the_texts_are_the_same_each_time_and_larger_ones_hold_the_smaller(few: Path) -> None:
    small, large = make_corpus(20, few), make_corpus(120, few)
    assert make_corpus(20, few) == small
    assert large.documents[:20] == small.documents
    assert (len(small.documents), len(large.documents)) == (20, 120)
    assert large.queries == small.queries
    assert large.background == offtopic_messages()


def test_no_text_stands_twice_or_is_too_short(few: Path) -> None:
    others = [document.flat for document in make_corpus(500, few).documents if not document.asked]
    assert len({fold(text) for text in others}) == len(others) == 497
    assert min(len(fold(text)) for text in others) >= texts.SHORTEST


def test_another_seed_gives_other_texts(few: Path) -> None:
    first, second = make_corpus(20, few), make_corpus(20, few, seed=2)
    assert first.documents[:3] == second.documents[:3]
    assert first.documents[3:] != second.documents[3:]


def test_fewer_documents_than_entries_are_the_entries(few: Path) -> None:
    assert [document.id for document in make_corpus(1, few).documents] == [
        Path(name).name for name in ENTRIES
    ]


def test_the_right_entries_are_those_that_cover_the_question(few: Path) -> None:
    found = {query.text: query.right for query in make_corpus(3, few).queries}
    assert found == {"他跟我没话讲": ("T01-01",), "两个都对": ("T02-01", "T01-02")}
    exam = [query.text for query in make_corpus(3, few).queries if query.exam]
    assert exam == ["两个都对"], "even lines are the exam"


def test_what_is_asked_stands_in_no_document(few: Path) -> None:
    """Else a row of questions that the handbook lists would be found by every search."""
    listed = shipped_examples()["Q001"][:2]
    asked = "\n".join(["asked_for\ttext", *(f"Q001\t{text}" for text in listed)])
    few.write_text(asked, encoding="utf-8")
    corpus = make_corpus(3, few, sample=1)
    assert len(corpus.queries) == 1
    pieces = {piece for document in corpus.documents for piece in document.pieces}
    assert not pieces & set(listed)
    assert shipped_examples()["Q001"][2] in pieces


@pytest.mark.parametrize(
    "text", ["", "id\ttext\n", "id\ttext\nQ999\tx\n", "id\tquestion\nQ001\tx\n"]
)
def test_questions_that_are_none_are_refused(few: Path, text: str) -> None:
    few.write_text(text, encoding="utf-8")
    with pytest.raises(InputInvalid, match="question"):
        make_corpus(3, few)
    with pytest.raises(InputInvalid, match="FileNotFoundError"):
        make_corpus(3, few.with_name("none.tsv"))


_texts = st.lists(st.text(max_size=10), max_size=2).map(tuple)


@settings(max_examples=15)
@given(st.lists(st.builds(Found, st.text(), asked=_texts, terms=_texts, texts=_texts), max_size=3))
def test_a_corpus_is_handed_over_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, documents: list[Found]
) -> None:
    path = tmp_path_factory.getbasetemp() / "corpus.json"
    corpus = Corpus(documents, [Asked("问", ("a", "b"))], ["背景"])
    write_corpus(corpus, path)
    assert read_corpus(path) == corpus


def test_a_rank_is_that_of_the_first_right_document() -> None:
    rights = (("a",), ("b", "c"), ("d",), ("e",))
    queries = [Asked("", right, exam=right != ("a",)) for right in rights]
    ranks = [["a", "x"], ["x", "c", "b"], ["x", "y"]]
    result = {"ranks": ranks, "times": [0.001] * 3, "worked": [0.002] * 3, "build_s": 1}
    found = figures(result, Corpus([], queries))
    assert found["asked"] == 3
    assert [found[f"recall@{k}"] for k in (1, 3, 10)] == [0.3333, 0.6667, 0.6667]
    assert found["mrr"] == 0.5
    assert found["exam"] == {
        "asked": 2,
        "recall@1": 0,
        "recall@3": 0.5,
        "recall@10": 0.5,
        "mrr": 0.25,
    }
    assert (found["p50_ms"], found["processor_p95_ms"], found["build_s"]) == (1.0, 2.0, 1)


def _figures(**rows: dict[str, Any]) -> dict[str, Any]:
    part = {"documents": 300, "queries": 2, "rows": rows}
    return {"sizes": {"300": part}}


MEASURED = {
    "asked": 1, "recall@1": 0.5, "recall@3": 0.75, "recall@10": 1.0, "mrr": 0.625,
    "exam": {"asked": 1, "recall@1": 0.25},
    "p50_ms": 1.24, "p95_ms": 300.0, "processor_p50_ms": 1.0, "processor_p95_ms": 12.0,
    "build_processor_s": 2.04, "encode_processor_s": None, "memory_mb": 1234.5,
    "imported_mb": None, "load": 1.5,
}  # fmt: skip


def test_a_row_of_the_table() -> None:
    page = tables(_figures(ours=MEASURED))
    row = page.splitlines()[2]
    assert row == (
        "| **ours** | 0.500 / 0.750 / 1.000 (1 asked) | 0.625 | 0.250 | 1.2 ms / 300 ms "
        "| 1.0 ms / 12 ms | 2.0 s | – | 1,234 MB (–) | 1.5 |"
    )


def test_what_is_not_installed_is_a_row_and_no_error() -> None:
    page = tables(_figures(chroma={"missing": ["chromadb"]}, txtai={"failed": "exit status 1"}))
    assert "| chromadb, our vectors | 未安装 | – |" in page
    assert "| txtai keyword, as it comes | failed | – |" in page
    assert len({line.count("|") for line in page.strip().splitlines()}) == 1


def test_the_tables_take_the_place_of_the_earlier_ones(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    for _ in range(2):
        put_into(page, _figures(ours=MEASURED))
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert text.count("**ours**") == 1


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{BEGIN}{END}{BEGIN}"])
def test_a_page_without_its_marks_is_left_alone(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(InputInvalid):
        put_into(page, _figures())
    assert page.read_text(encoding="utf-8") == text


def test_no_row_has_the_title_of_another() -> None:
    assert len({row.title for row in ROWS.values()}) == len(ROWS)


@pytest.mark.slow
def test_rows_are_measured_in_processes_of_their_own_and_kept(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    shown: list[str] = []
    plan = Plan([20], ["bm25s-character", "e5"], few)
    bench_peers(plan, out, lambda what, _done, _of: shown.append(what))
    bench_peers(Plan([20], ["bm25s-word"], few), out)
    part = json.loads(out.read_text(encoding="utf-8"))["sizes"]["20"]
    assert part["documents"] == 20
    assert part["rows"]["bm25s-character"]["asked"] == part["rows"]["bm25s-word"]["asked"] == 2
    assert part["rows"]["e5"] == {"missing": ["teacher"]}
    assert "20 bm25s-character: ask" in shown
    few.write_text("id\ttext\nQ001\t换了一个问题\n", encoding="utf-8")
    found = bench_peers(Plan([20], [], few), out)
    assert found["sizes"]["20"]["rows"] == {}, "figures of other texts"


@pytest.mark.slow
def test_a_row_that_breaks_is_told_and_the_next_one_runs(
    few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "write_corpus", lambda _corpus, path: path.write_text("{"))
    rows = bench_peers(Plan([3], ["bm25s-character", "bm25s-word"], few))["sizes"]["3"]["rows"]
    assert ["JSONDecodeError" in row["failed"] for row in islice(rows.values(), 2)] == [True] * 2


@pytest.mark.parametrize("arguments", [["--rows", "bm25s-character,google"], ["--sizes", "300,x"]])
def test_the_command_refuses_what_it_does_not_know(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["peers", *arguments]).exit_code == 2


def test_the_command_writes_what_it_found(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_row: str, *_rest: object) -> dict[str, object]:
        return {"missing": ["chromadb"]}

    monkeypatch.setattr(run, "_measured", none)
    page, out = tmp_path / "page.md", tmp_path / "out.json"
    page.write_text(f"{BEGIN}{END}", encoding="utf-8")
    given = ["--sizes", "3,20", "--rows", "chroma", "--questions", str(few)]
    done = CliRunner().invoke(app, ["peers", *given, "--out", str(out), "--page", str(page)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])
    assert json.loads(out.read_text(encoding="utf-8")) == found
    assert page.read_text(encoding="utf-8").count("未安装") == 2

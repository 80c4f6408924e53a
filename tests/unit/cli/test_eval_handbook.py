"""`xinqing eval handbook`: it sits an exam with the live search and tells what came of it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from bot.cli import app, quality
from bot.config import Settings
from bot.services.answers import Answers
from bot.wiring import HANDBOOK
from knowledge.decision import Thresholds
from knowledge.loader import Handbook, load_handbook
from knowledge.retrieval import Document, Retriever

QUESTIONS = """ids\tkind\tasker\ttext
Q026\tshort\tmother\t写作业一写写到半夜还写不完
Q050\tshort\tfather\t早上怎么叫都叫不醒他
"""
MESSAGES = "kind\ttext\nnews\t今天小区停水\nsmalltalk\t谢谢老师\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small exam on two topics; neither encoder nor classifier is loaded: it is quick."""
    monkeypatch.setenv("XINQING_RISK_MODEL", "none")
    monkeypatch.setattr(quality, "make_answers", small_answers)
    monkeypatch.setattr(quality, "offtopic_messages", lambda: ("今天小区停水。",))
    (tmp_path / "questions.tsv").write_text(QUESTIONS, encoding="utf-8")
    (tmp_path / "messages.tsv").write_text(MESSAGES, encoding="utf-8")
    return tmp_path


def small_answers(_: Settings) -> Answers:
    entries = {
        name: entry
        for topic in ("T06", "T11")
        for name, entry in load_handbook(HANDBOOK / topic).entries.items()
    }
    documents = [
        Document(entry.id, (entry.title, *entry.aliases), (entry.one_sentence,))
        for entry in entries.values()
    ]
    return Answers(
        Handbook(entries, ()),
        Retriever.build(documents, None),
        Thresholds(),
        unsigned_allowed=True,
    )


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["eval", "handbook", *(str(word) for word in arguments)])


def test_figures_as_one_object_and_a_drawing(folder: Path) -> None:
    plot = folder / "scores.svg"
    result = run("--folder", folder, "--json", "--plot", plot)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["questions"]["n"] == 2
    assert set(figures["by_asker"]) == {"mother", "father"}
    assert figures["word_for_word"] == 1
    assert (figures["ordinary"]["n"], figures["ordinary"]["smalltalk"]) == (1, 1.0)
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")


def test_half_of_it_as_a_table_with_faults_and_doubles(folder: Path) -> None:
    result = run("--folder", folder, "--half", "odd", "--faults", "2", "--doubles")
    assert result.exit_code == 0, result.output
    line = next(line for line in result.stdout.splitlines() if line.startswith("questions "))
    assert line.split()[1] == "1"
    assert "right entry second (" in result.stdout


def test_folder_without_an_exam_is_refused(folder: Path) -> None:
    (folder / "questions.tsv").write_text("ids\ttext\nQ026\t\n", encoding="utf-8")
    assert "questions.tsv:2" in str(run("--folder", folder).exception)
    assert "holds none" in str(run("--folder", folder / "var").exception)

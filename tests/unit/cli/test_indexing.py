"""`xinqing index` and the index of `xinqing setup`: what they make, and what they say."""

import shutil
from io import StringIO
from pathlib import Path

import pytest
from encoders import CountingEncoder
from rich.console import Console

from bot.cli.indexing import build_index
from bot.config import Settings
from bot.services.answers import Answers
from bot.wiring import HANDBOOK
from bot.wiring.answers import HandbookShelf, make_answers, open_answers
from knowledge.encoder.fixed import FixedEncoder
from knowledge.vector_store import FILE


@pytest.fixture(autouse=True)
def _few_phrasings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.documents.shipped_examples", dict)
    monkeypatch.setattr("bot.wiring.answers.offtopic_messages", tuple)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A school with one topic of the handbook."""
    shutil.copytree(HANDBOOK / "T06", tmp_path / "handbook" / "T06")
    return make(tmp_path)


def make(tmp_path: Path, **more: object) -> Settings:
    values = {"data_dir": tmp_path / "data", "secret_keys": "k1:unused"}
    return Settings(**values, handbook=str(tmp_path / "handbook"), **more)  # type: ignore[arg-type]  # pydantic makes them


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> CountingEncoder:
    made = CountingEncoder()
    monkeypatch.setattr("bot.wiring.answers.load_encoder", lambda _: made)
    return made


def told(settings: Settings) -> tuple[Answers, str]:
    """Build the index, and return what a person reads."""
    page = StringIO()
    answers = build_index(settings, Console(file=page, width=200))
    return answers, page.getvalue()


def test_it_computes_once_and_the_first_start_only_reads(
    settings: Settings, encoder: CountingEncoder
) -> None:
    _, words = told(settings)
    count = len(encoder.given)
    assert count > 100
    assert f"12 条已建索引，新算 {count} 句的向量，沿用 0 句" in words
    assert make_answers(settings).retriever.degraded is None
    assert len(encoder.given) == count
    assert f"新算 0 句的向量，沿用 {count} 句" in told(settings)[1]


def test_a_damaged_index_is_made_again_and_told(
    settings: Settings, encoder: CountingEncoder
) -> None:
    told(settings)
    path = settings.data_dir / "index" / FILE
    path.write_bytes(path.read_bytes()[:1000])
    assert "已重建：the saved vectors are damaged or cut off" in told(settings)[1]
    assert "已重建" not in told(settings)[1]


def test_a_folder_that_cannot_be_written_is_told(
    settings: Settings, encoder: CountingEncoder
) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "index").write_text("in the way", encoding="utf-8")
    answers, words = told(settings)
    assert "索引没能存下来" in words
    assert answers.retriever.degraded is None


def test_without_an_encoder_by_choice_nothing_is_computed(
    settings: Settings, tmp_path: Path
) -> None:
    answers, words = told(make(tmp_path, encoder="none"))
    assert "只按词语找（XINQING_ENCODER=none），不用算向量" in words
    assert answers.decide("写作业拖拉").kind != "abstain"
    assert not (tmp_path / "data" / "index").exists()


def test_a_missing_encoder_is_named_with_what_to_do_and_words_find_all_the_same(
    settings: Settings, tmp_path: Path
) -> None:
    answers, words = told(make(tmp_path, encoder=str(tmp_path / "gone")))
    assert f"XINQING_ENCODER={tmp_path / 'gone'}: there is no such folder" in words
    assert "XINQING_ENCODER=default" in words
    assert "自动恢复" in words
    assert answers.decide("写作业拖拉").kind != "abstain"


def test_an_encoder_that_is_back_is_used_from_the_next_index_on(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = HandbookShelf(make(tmp_path, encoder=str(tmp_path / "gone")))
    answers = open_answers(settings, shelf)
    assert answers.retriever.degraded is not None
    monkeypatch.setattr("bot.wiring.answers.load_encoder", lambda _: FixedEncoder())
    assert shelf.index(answers.handbook).degraded is None


def test_any_kind_of_index_may_be_set(
    settings: Settings, tmp_path: Path, encoder: CountingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knowledge.index.FEWEST", 10)
    found = [
        make_answers(make(tmp_path, index=kind)).decide("写作业拖拉").entry
        for kind in ("auto", "hnsw", "ivf-sq", "ivf-sq", "ivf-pq")
    ]
    assert len(set(found)) == 1

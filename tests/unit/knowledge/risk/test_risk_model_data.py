"""What the classifier learns from: read strictly, varied without changing what it says."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.risk.model.augment import augmented
from knowledge.risk.model.examples import (
    FOLDER,
    Example,
    ExamplesInvalid,
    digest,
    read_folder,
    read_lines,
    read_table,
)
from knowledge.risk.model.prepare import (
    CHILD,
    MOST,
    WINDOW,
    parts_of,
    prepare,
    windows,
    worst_parts,
)
from knowledge.risk.values import Level

HEAD = "text\tlevel\tcategory\twho\n"


def table(folder: Path, *rows: str, name: str = "some.tsv") -> Path:
    path = folder / name
    path.write_text(HEAD + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def test_a_conversation_is_read_as_its_messages(tmp_path: Path) -> None:
    (row,) = read_table(table(tmp_path, "他今天很乖 ⏎ 鱼都送人了\t3\tSI-PL\tPC"))
    assert row.turns == ("他今天很乖", "鱼都送人了")
    assert row.least is row.most is Level.HIGH
    assert row.escalated
    assert row.source == "some"


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("只有两列\t2", "text"),
        ("\t2\tABU\tPC", "text"),
        ("一句 ⏎ \t2\tABU\tPC", "text"),
        ("一句\t4\tABU\tPC", "level"),
        ("一句\t2\tXYZ\tPC", "category"),
        ("一句\t2\tABU\tZZ", "who"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place(tmp_path: Path, row: str, field: str) -> None:
    path = table(tmp_path, "好的\t0\tNONE\tPC", row)
    with pytest.raises(ExamplesInvalid) as caught:
        read_table(path)
    assert (caught.value.line, caught.value.field) == (3, field)
    assert caught.value.file == path


def test_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.tsv"
    path.write_text("level\ttext\n0\t好\n", encoding="utf-8")
    with pytest.raises(ExamplesInvalid, match="columns"):
        read_table(path)


def test_a_text_may_stand_there_once_only(tmp_path: Path) -> None:
    table(tmp_path, "好的\t0\tNONE\tPC", name="a.tsv")
    table(tmp_path, "好的\t2\tABU\tPC", name="b.tsv")
    with pytest.raises(ExamplesInvalid, match="also in a"):
        read_folder(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExamplesInvalid, match="no examples"):
        read_folder(tmp_path)


def test_json_lines_leave_open_what_their_label_leaves_open(tmp_path: Path) -> None:
    path = tmp_path / "more.jsonl"
    rows = [
        {"text": "甲", "label": "none"},
        {"text": "乙", "label": "some-risk"},
        {"turns": ["丙", "丁"], "label": "high-risk"},
        {"text": "戊", "label": "unsure"},
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    none, some, high = read_lines(path)
    assert (none.least, none.most, none.escalated) == (Level.NONE, Level.WATCH, False)
    assert (some.least, some.most, some.escalated) == (Level.FOCUS, Level.EMERGENCY, True)
    assert (high.turns, high.least) == (("丙", "丁"), Level.HIGH)


@pytest.mark.parametrize("line", ["{", '{"label": "none"}', "[1]"])
def test_a_line_without_a_text_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "more.jsonl"
    path.write_text('{"text": "甲", "label": "none"}\n' + line, encoding="utf-8")
    with pytest.raises(ExamplesInvalid) as caught:
        read_lines(path)
    assert caught.value.line == 2


def test_the_digest_follows_names_and_contents(tmp_path: Path) -> None:
    first = digest([table(tmp_path, "好的\t0\tNONE\tPC")])
    second = digest([table(tmp_path, "好吧\t0\tNONE\tPC")])
    assert first != second
    assert second == digest([table(tmp_path, "好吧\t0\tNONE\tPC")])


def test_the_examples_of_the_project_can_all_be_read() -> None:
    rows = read_folder()
    assert sum(row.escalated for row in rows) > 2_000
    dangers = {row.category for row in rows if row.escalated}
    assert {"ABU", "SA", "BUL", "RUN", "REF", "PSY", "PND", "ONL", "CGB", "SI-PL"} <= dangers
    assert {"PS", "PC", "PO", "T", "S", "G"} <= {row.who for row in rows}
    # The few harmless ones with another category say what they are about.
    harmless = [row for row in rows if row.most is Level.NONE]
    assert sum(row.category not in ("EDU", "NONE") for row in harmless) < len(harmless) / 20


def test_what_is_held_out_is_never_learned_from() -> None:
    folders = [FOLDER, *(path for path in [FOLDER / "waiting"] if path.is_dir())]
    learned = {turn for folder in folders for row in read_folder(folder) for turn in row.turns}
    for row in read_folder(FOLDER / "heldout"):
        assert row.turns[-1] not in learned


def example(*turns: str, level: Level = Level.FOCUS) -> Example:
    return Example(turns, level, level, "DIS", "PC", "some")


@given(st.integers(), st.lists(st.sampled_from(["孩子哭了。", "我女儿不说话,怎么办?", "好"])))
def test_varying_keeps_number_order_and_labels(seed: int, texts: list[str]) -> None:
    rows = [example(text) for text in texts]
    varied = augmented(rows, random.Random(seed))
    assert [row.least for row in varied] == [row.least for row in rows]
    assert all(turn for row in varied for turn in row.turns)


def test_the_child_is_called_by_one_other_word_throughout() -> None:
    rows = [example("孩子说累", "孩子锁门了")] * 200
    words = set()
    for row in augmented(rows, random.Random(1)):
        first, second = (next(word for word in CHILD if word in turn) for turn in row.turns)
        assert first == second
        words.add(first)
    assert len(words) > 4


def test_only_harmless_words_are_put_beside_a_danger() -> None:
    rows = [example("甲乙丙"), example("今天吃面", level=Level.NONE)] * 100
    texts = {row.turns[0] for row in augmented(rows, random.Random(2))}
    assert any("甲乙丙" in text and "今天吃面" in text for text in texts)
    assert not any(text.count("甲乙丙") > 1 for text in texts)


def test_messages_are_put_behind_one_another() -> None:
    assert prepare(["孩子\u200b最近", "", "ＡＢ後"]) == "孩子最近 | ab后"


@given(st.text(alphabet="孩子天黑了", max_size=3_000), st.lists(st.integers(0, 3_000), max_size=20))
def test_windows_are_few_and_hold_both_ends(text: str, places: list[int]) -> None:
    parts = windows(text, places)
    assert len(parts) <= MOST
    assert all(len(part) <= WINDOW for part in parts)
    if text:
        assert text.startswith(parts[0])
        assert text.endswith(parts[-1])


def test_a_long_text_is_read_where_the_signs_are() -> None:
    text = "甲" * 1_000 + "乙" + "甲" * 1_000
    assert not any("乙" in part for part in windows(text))
    assert any("乙" in part for part in windows(text, [1_000]))


def test_a_long_message_is_learned_from_by_its_worst_part() -> None:
    long = "他今天写作业很慢," * 40
    texts, owners = parts_of([("短的",), (long,), ("",)])
    assert owners == [0, *[1] * (len(texts) - 2), 2]
    assert texts[1:-1] == windows(prepare((long,)))
    assert texts[-1] == ""
    danger = [0.0] * len(texts)
    danger[2] = 1.0
    assert worst_parts(danger, owners) == [0, 2, len(texts) - 1]


@given(st.lists(st.lists(st.floats(-9, 9), min_size=1, max_size=4), min_size=1, max_size=6))
def test_the_worst_part_is_each_message_s_own(scores: list[list[float]]) -> None:
    owners = [place for place, row in enumerate(scores) for _ in row]
    flat = [score for row in scores for score in row]
    chosen = worst_parts(flat, owners)
    assert [owners[part] for part in chosen] == list(range(len(scores)))
    assert [flat[part] for part in chosen] == [max(row) for row in scores]

"""Reading entries: what is right, and where it is said when something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.check import visible_length
from knowledge.entry import RedFlag
from knowledge.loader import LARGEST_FILE, load_handbook, parse_entry

Write = Callable[..., Path]


def test_every_field_of_a_good_entry_is_read(entry_text: str, write_entry: Write) -> None:
    handbook = load_handbook(write_entry(entry_text))
    assert list(handbook.problems) == []
    entry = handbook.entries["T06-01"]
    assert entry.title == "写作业拖到十点多,一催就炸,怎么办?"
    assert entry.stages == ("C", "D")
    assert len(entry.aliases) == 8
    assert (entry.version, entry.written) == (1, date(2026, 11, 22))
    assert entry.state == "待专业复核"
    assert entry.one_sentence.startswith("先停下催促")
    assert [step[:4] for step in entry.steps] == ["今晚先停", "每二十分", "到点就收"]
    assert entry.scripts == ("先写最容易的那一样，写完叫我。", "我不催了，闹钟来提醒你。")
    assert entry.red_flags[1] == RedFlag("3", "说不想活", "不要让孩子独处，拨打{12356}")
    assert entry.sources == ("《中华人民共和国家庭教育促进法》(2021年)第十七条",)


def test_signed_entry_says_so(entry_text: str) -> None:
    text = entry_text.replace("reviewers: []", "reviewers: [某某]")
    entry, _ = parse_entry(text, Path("T06-01.md"))
    assert entry is not None
    assert entry.state == "已复核"


@pytest.mark.parametrize("change", [("\n", "\r\n"), ("---\nid", "\ufeff---\nid")])
def test_windows_line_ends_and_byte_order_mark_do_not_matter(
    entry_text: str, write_entry: Write, change: tuple[str, str]
) -> None:
    plain = load_handbook(write_entry(entry_text)).entries["T06-01"]
    changed = load_handbook(write_entry(entry_text.replace(*change)))
    assert list(changed.problems) == []
    assert changed.entries["T06-01"] == plain


@pytest.mark.parametrize(
    ("old", "new", "line", "field"),
    [
        ("id: T06-01", "id: 6-1", 2, "id"),
        ("topic: T06", "topic: T07", 4, "topic"),
        ("stages: [C, D]", "stages: [G]", 5, "stages"),
        ("written: 2026-11-22", "written: 2026-11-31", 22, "written"),
        ("written: 2026-11-22", "written: 22.11.2026", 22, "written"),
        ("version: 1", "version: 0", 21, "version"),
        ("version: 1", "version: [1]", 21, "version"),
        ("audience: [parent]", "audience: parent", 6, "audience"),
        ("author: 心晴编写组", "author:", 19, "author"),
    ],
)
def test_wrong_field_is_named_with_its_line(
    entry_text: str, old: str, new: str, line: int, field: str
) -> None:
    entry, problems = parse_entry(entry_text.replace(old, new), Path("T06-01.md"))
    assert entry is None
    assert [(p.line, p.field, p.severity) for p in problems] == [(line, field, "error")]


def test_missing_field_is_named(entry_text: str) -> None:
    text = entry_text.replace("title: 写作业拖到十点多,一催就炸,怎么办?\n", "")
    entry, problems = parse_entry(text, Path("T06-01.md"))
    assert entry is None
    assert "title" in [p.field for p in problems]


def test_unknown_key_is_a_warning_and_the_entry_loads(entry_text: str) -> None:
    text = entry_text.replace("courses: []", "courses: []\ncolour: red")
    entry, problems = parse_entry(text, Path("T06-01.md"))
    assert entry is not None
    assert [(p.field, p.severity) for p in problems] == [("colour", "warning")]


def test_yaml_keeps_everything_as_text(entry_text: str) -> None:
    text = entry_text.replace("author: 心晴编写组", "author: on")
    entry, _ = parse_entry(text, Path("T06-01.md"))
    assert entry is not None
    assert entry.author == "on"


def test_repeated_key_and_section_are_reported(entry_text: str) -> None:
    text = entry_text.replace("version: 1", "version: 1\nversion: 2") + "\n## 依据\n- 又一条\n"
    _, problems = parse_entry(text, Path("T06-01.md"))
    assert {p.field for p in problems} == {"version", "依据"}


def test_broken_yaml_names_the_line(entry_text: str) -> None:
    text = entry_text.replace("topic: T06", 'topic: "T06')
    entry, problems = parse_entry(text, Path("T06-01.md"))
    assert entry is None
    assert problems[0].line > 1


def test_one_broken_file_leaves_the_others(entry_text: str, write_entry: Write) -> None:
    write_entry(entry_text)
    write_entry("没有信息区", "T06-02.md")
    folder = write_entry(entry_text.replace("id: T06-01", "id: T06-03"), "T06-03.md")
    handbook = load_handbook(folder)
    assert list(handbook.entries) == ["T06-01", "T06-03"]
    assert [p.file.name for p in handbook.problems] == ["T06-02.md"]


def test_second_file_with_the_same_id_is_refused(entry_text: str, write_entry: Write) -> None:
    write_entry(entry_text)
    folder = write_entry(entry_text.replace("version: 1", "version: 2"), "T06-02.md")
    handbook = load_handbook(folder)
    assert handbook.entries["T06-01"].version == 1
    assert [(p.severity, p.file.name) for p in handbook.problems] == [
        ("warning", "T06-02.md"),
        ("error", "T06-02.md"),
    ]


def test_bytes_that_are_no_text_and_huge_files_are_problems(tmp_path: Path) -> None:
    (tmp_path / "T01-01.md").write_bytes(b"---\nid: \xff\xfe\n---\n")
    (tmp_path / "T01-02.md").write_bytes(b"a" * (LARGEST_FILE + 1))
    handbook = load_handbook(tmp_path)
    assert handbook.entries == {}
    assert len(handbook.problems) == 2


def test_missing_folder_is_a_problem(tmp_path: Path) -> None:
    assert len(load_handbook(tmp_path / "none").problems) == 1


@settings(deadline=None)
@given(st.text(max_size=400))
def test_no_text_at_all_raises(text: str) -> None:
    entry, problems = parse_entry(text, Path("x.md"))
    assert entry is not None or problems


@settings(deadline=None)
@given(st.text(alphabet="-\n: []{}&*!|>'\"#ab,", max_size=200))
def test_no_front_matter_at_all_raises(text: str) -> None:
    entry, problems = parse_entry(f"---\n{text}\n---\n## 一句话回答\n", Path("x.md"))
    assert entry is None
    assert problems


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("id: T06-01", "id: T０６-01", "id"),
        ("version: 1", "version: " + "9" * 5_000, "version"),
        ("version: 1", "version: ٣", "version"),
        ("author: 心晴编写组", 'author: "甲\\n乙"', "author"),
        ("  - 一页口算写俩小时", '  - "甲\\n乙"', "aliases"),
        ("covers: [Q026]", "covers: " + "[" * 60_000, ""),
        ("covers: [Q026]", "covers:\n  " + "- " * 60_000 + "x", ""),
    ],
)
def test_hostile_front_matter_is_a_problem_and_no_crash(
    entry_text: str, old: str, new: str, field: str
) -> None:
    """A deep list once ended the process in the YAML library, a long version in `int`."""
    entry, problems = parse_entry(entry_text.replace(old, new), Path("T06-01.md"))
    assert entry is None
    assert field in [problem.field for problem in problems]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("related: []", "a" + " " * 60_000 + "b"),
        ("## 依据", "## a" + " " * 60_000 + "b"),
        ("〔3〕", "〔3〕" + " " * 60_000),
        ("不要站在背后", "甲" + "\n" * 60_000 + "乙"),
    ],
)
def test_a_long_run_of_blanks_is_read_at_once(entry_text: str, old: str, new: str) -> None:
    """Two repeats side by side once shared such a run between them, for minutes or for ever."""
    entry, problems = parse_entry(entry_text.replace(old, new), Path("T06-01.md"))
    assert problems or entry is not None
    if entry is not None:
        assert len(entry.red_flags) == 2
        assert all(visible_length(text) < 2_000 for text in entry.sections.values())

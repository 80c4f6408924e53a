"""An entry that is written and read again is the same entry, whatever is in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from knowledge.loader import load_handbook, parse_entry
from knowledge.writer import skeleton, write_entry

HANDBOOK = Path(__file__).parents[3] / "knowledge" / "handbook"
SHIPPED = load_handbook(HANDBOOK).entries

# What YAML would read as something else: marks, numbers, truths, quotes, comments, brackets.
AWKWARD = st.sampled_from(
    [
        *("yes", "null", "010", "~", "? 甲", "甲: 乙", "甲 #乙", "甲:", "[甲", "乙, 丙]", "{1}"),
        *("'甲", '"甲', "甲\\n", "&甲", "*甲", "- 甲", "2026-11-23", "|", ">", "%甲", "@甲", "`甲"),
        *("🙂", "\u2028甲", "甲\x85乙"),
    ]
)
ONE_LINE = st.one_of(
    AWKWARD,
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30),
).filter(lambda text: text.strip() == text and text)


@given(st.lists(ONE_LINE, max_size=4), ONE_LINE, st.lists(ONE_LINE, max_size=2))
def test_any_text_comes_back(aliases: list[str], title: str, reviewers: list[str]) -> None:
    entry = replace(
        SHIPPED["T06-01"], aliases=tuple(aliases), title=title, reviewers=tuple(reviewers)
    )
    read, problems = parse_entry(write_entry(entry), entry.path)
    assert read == entry, problems


def test_every_file_stands_as_it_would_be_written() -> None:
    differing = [
        entry.id
        for entry in SHIPPED.values()
        if write_entry(entry) != entry.path.read_text(encoding="utf-8")
    ]
    assert differing == []


def test_a_new_entry_lacks_its_words_and_nothing_else() -> None:
    text = skeleton("T06-99", "T06", "题目: 一问", date(2026, 11, 23))
    assert [problem.field for problem in parse_entry(text, Path("T06-99.md"))[1]] == ["author"]
    entry, problems = parse_entry(text.replace("author: ", "author: 甲"), Path("T06-99.md"))
    assert problems == []
    assert entry is not None
    assert entry.title == "题目: 一问"
    assert list(entry.sections) == list(SHIPPED["T06-01"].sections)

"""The figures of the handbook: what is counted, and what is found too alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from knowledge.encoder.fixed import FixedEncoder
from knowledge.entry import Entry
from knowledge.loader import parse_entry
from knowledge.report import Spread, count, near_duplicates


def entry(text: str, **changes: object) -> Entry:
    found, problems = parse_entry(text, Path("T06-01.md"))
    assert found is not None, problems
    return replace(found, **changes)  # type: ignore[arg-type]


def test_entries_are_counted_by_topic_stage_asker_and_source(entry_text: str) -> None:
    one = entry(entry_text)
    sources = (
        "- 《中华人民共和国家庭教育促进法》(2021年)第二十二条\n"
        "- 睡眠医学教材通行共识：睡得太少，第二天的注意会变差。\n"
        "- 睡眠医学教材通行共识：固定起床时间能帮助调整生物钟。"
    )
    two = replace(
        one,
        id="T06-02",
        stages=("D",),
        reviewers=("甲",),
        sections={**one.sections, "依据": sources},
    )
    found = count([one, two])
    assert (found.entries, found.signed) == (2, 1)
    assert found.by_topic == {"T06": {"C": 1, "D": 2}}
    assert found.by_asker == {"parent": 2}
    assert found.aliases == Spread(8, 8, 8)
    assert found.sources == {
        "《中华人民共和国家庭教育促进法》(2021年)": 2,
        "睡眠医学教材通行共识": 2,
    }
    assert count([]).body == Spread(0, 0, 0)


def test_ways_of_asking_of_two_entries_that_are_nearly_the_same_are_paired(entry_text: str) -> None:
    one = entry(
        entry_text, title="作业题目", aliases=("磨到半夜十一点还没写完", "磨到半夜十一点没写完")
    )
    two = replace(
        one, id="T06-02", title="别的事情", aliases=("磨到半夜十二点还没写完", "完全不同的一句")
    )
    pairs = near_duplicates([one, two], None)
    assert {(pair.one, pair.other, pair.how) for pair in pairs} == {("T06-01", "T06-02", "words")}
    assert pairs[0].one_text == "磨到半夜十一点还没写完"
    assert pairs == sorted(pairs, key=lambda pair: -pair.score)
    by_vectors = near_duplicates([one, replace(one, id="T06-03")], FixedEncoder())
    assert by_vectors[0].score == 100

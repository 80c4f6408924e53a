"""What fits the child's stage and the asker ranks a little higher; nothing ever vanishes."""

import pytest
from fakes import handbook
from hypothesis import given
from hypothesis import strategies as st

from knowledge.preference import (
    NOBODY,
    Asker,
    audience_said,
    parent_likely,
    prefer,
    stages_said,
    with_odds,
)
from knowledge.retrieval import Hit

ENTRIES = handbook().entries
IDS = sorted(ENTRIES)


@pytest.mark.parametrize(
    ("text", "stages"),
    [
        ("初二孩子不肯上学", "E"),
        ("幼儿园大班打人", "B"),
        ("高三了还打游戏", "F"),
        ("五岁还尿床", "B"),
        ("小学三年级", "C"),
        ("六年级", "D"),
        ("7年级", "E"),
        ("12岁", "DE"),
        ("两岁半不说话", "A"),
        ("那初中呢", "E"),
        ("那小学呢", "CD"),
        ("小学成绩还好，到了初二不肯学", "E"),
        ("老大初三，老二五岁", ""),
        ("我35岁", ""),
        ("大伯六十岁", ""),
        ("大年初一吵架", ""),
        ("成绩提高一点", ""),
        ("孩子不写作业", ""),
        ("", ""),
        ("他现在高一。以前成绩好", "F"),
        ("两个孩子差两岁", ""),
    ],
)
def test_the_stage_that_a_message_names(text: str, stages: str) -> None:
    assert stages_said(text) == frozenset(stages)


@pytest.mark.parametrize(
    ("text", "audience"),
    [
        ("我是班主任，有个学生", "teacher"),
        ("孙子不听话", "grandparent"),
        ("我是奶奶", "grandparent"),
        ("孩子不听话", ""),
    ],
)
def test_who_writes(text: str, audience: str) -> None:
    assert audience_said(text) == audience


def hit(entry: str, score: float) -> Hit:
    return Hit(entry, score, ("words",), "")


def test_who_speaks_of_a_child_is_likely_a_parent() -> None:
    assert parent_likely("孩子不听话")
    assert not parent_likely("班里有人打架")


def test_another_stage_ranks_lower_and_stays() -> None:
    # T06-01 is for C and D, T06-06 for E.
    near = [hit("T06-01", 0.4), hit("T06-06", 0.35)]
    assert [one.entry for one in prefer(near, ENTRIES, NOBODY, "")] == ["T06-01", "T06-06"]
    for asker, question in ((Asker("E"), ""), (NOBODY, "初一"), (Asker("C"), "初一")):
        ranked = prefer(near, ENTRIES, asker, question)
        assert [one.entry for one in ranked] == ["T06-06", "T06-01"]
        assert 0.2 < ranked[1].score < 0.4


def test_a_sure_hit_of_another_stage_stays_sure() -> None:
    ranked = prefer([hit("T06-01", 0.95), hit("T06-06", 0.03)], ENTRIES, NOBODY, "高三")
    assert ranked[0].entry == "T06-01"
    assert ranked[0].score > 0.9
    assert prefer([hit("T06-01", 1.0)], ENTRIES, NOBODY, "高三")[0].score == 1.0


def test_another_audience_ranks_lower() -> None:
    teachers = next(id_ for id_ in IDS if ENTRIES[id_].audience == ("teacher",))
    parents = next(id_ for id_ in IDS if ENTRIES[id_].audience == ("parent", "grandparent"))
    near = [hit(teachers, 0.4), hit(parents, 0.38)]
    for audience, first in (("parent", parents), ("grandparent", parents), ("teacher", teachers)):
        assert prefer(near, ENTRIES, Asker("", audience), "")[0].entry == first


@given(
    st.lists(st.tuples(st.sampled_from(IDS), st.floats(0, 1)), max_size=10),
    st.sampled_from(["", *"ABCDEF"]),
    st.sampled_from(["", "parent", "grandparent", "teacher"]),
    st.text(max_size=20),
)
def test_nothing_vanishes(
    rows: list[tuple[str, float]], stage: str, audience: str, question: str
) -> None:
    ranked = prefer([hit(*row) for row in rows], ENTRIES, Asker(stage, audience), question)
    assert sorted(one.entry for one in ranked) == sorted(entry for entry, _ in rows)
    for one in ranked:
        highest = max(score for entry, score in rows if entry == one.entry)
        assert 0 <= one.score <= highest + 1e-9


@given(st.floats(0, 1), st.floats(0.1, 5))
def test_odds_stay_chances(score: float, factor: float) -> None:
    assert 0 <= with_odds(score, factor) <= 1 + 1e-9


def test_shipped_ways_of_asking_that_name_a_year_fit_their_entry() -> None:
    """Of those that name a grade or an age, few name one that their entry is not for."""
    said = [
        bool(stages & set(entry.stages))
        for entry in ENTRIES.values()
        for alias in entry.aliases
        if (stages := stages_said(alias))
    ]
    assert len(said) > 100
    assert sum(said) / len(said) > 0.93

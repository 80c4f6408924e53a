"""Names of grades: what they are a year later, and what is no grade."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.grade_names import Grade, _series, following, read, stage_of

ENDINGS = st.sampled_from(["", "2班", "（3）班", "(12)班", "二班", "实验班", "12班"])


@st.composite
def grades(draw: st.DrawFn) -> Grade:
    """Any grade in any way of writing, with an ending that may follow it."""
    series = draw(st.sampled_from(sorted(_series().values(), key=lambda one: one.code)))
    way = draw(st.integers(0, len(series.words) - 1))
    number = draw(st.integers(1, len(series.words[way])))
    return Grade(series.code, number, way, draw(ENDINGS))


@pytest.mark.parametrize(
    ("name", "later"),
    [
        ("三年级2班", "四年级2班"),
        ("三年级（2）班", "四年级（2）班"),
        ("3年级2班", "4年级2班"),
        ("三年二班", "四年二班"),
        ("三（2）班", "四（2）班"),
        ("3(2)班", "4(2)班"),
        ("一年级", "二年级"),
        ("初一", "初二"),
        ("初一3班", "初二3班"),
        ("初一（12）班", "初二（12）班"),
        ("高一", "高二"),
        ("高二12班", "高三12班"),
        ("七年级3班", "八年级3班"),
        ("十年级1班", "十一年级1班"),
        ("小班", "中班"),
        ("中二班", "大二班"),
        ("职一", "职二"),
    ],
)
def test_a_year_later(name: str, later: str) -> None:
    grade = read(name)
    assert grade is not None
    after = following(grade)
    assert after is not None
    assert after.name == later


@pytest.mark.parametrize("name", ["六年级2班", "九年级1班", "初三", "高三3班", "大班", "职三2班"])
def test_the_last_grade_leaves(name: str) -> None:
    grade = read(name)
    assert grade is not None
    assert following(grade) is None


def test_a_school_that_goes_on_says_so_by_its_other_grades() -> None:
    sixth, seventh, first = read("六年级1班"), read("七年级2班"), read("初一2班")
    assert sixth is not None
    assert seventh is not None
    assert first is not None
    on = following(sixth, [sixth, seventh])
    over = following(sixth, [sixth, first])
    assert on is not None
    assert over is not None
    assert (on.name, over.name) == ("七年级1班", "初一1班")
    fourth, third = read("初四"), read("初三")
    assert fourth is not None
    assert third is not None
    assert following(fourth, [third, fourth]) is None
    assert getattr(following(third, [third, fourth]), "name", "") == "初四"


@pytest.mark.parametrize(
    "name", ["", "2班", "二班", "2023级3班", "初12班", "初一班", "高2024级", "心理辅导室", "大队部"]
)
def test_no_grade(name: str) -> None:
    assert read(name) is None
    assert stage_of(name) is None


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("大班", "B"),
        ("三年级", "C"),
        ("四年级1班", "D"),
        ("八年级", "E"),
        ("初二", "E"),
        ("高一", "F"),
    ],
)
def test_stage(name: str, stage: str) -> None:
    assert stage_of(name) == stage


@given(grades())
def test_what_is_read_is_what_was_written(grade: Grade) -> None:
    found = read(grade.name)
    if found is not None:
        assert found.name == grade.name


@given(grades())
def test_a_year_later_keeps_the_class_and_the_way_of_writing(grade: Grade) -> None:
    found = read(grade.name)
    after = following(found) if found else None
    if found is None or after is None:
        return
    assert after.rest == found.rest
    assert after.number == found.number + 1
    assert (after.series, after.way) == (found.series, found.way)
    again = read(after.name)
    assert again is not None
    assert again.key == after.key


@given(grades())
def test_every_grade_leaves_some_year(grade: Grade) -> None:
    now: Grade | None = grade
    for _ in range(13):
        now = following(now) if now else None
    assert now is None


@given(st.text(max_size=30))
def test_any_text_can_be_read(text: str) -> None:
    found = read(text)
    assert found is None or found.name == text

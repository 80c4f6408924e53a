"""Fields of forms: the packaged ones, what a tenant may make of them, how answers are checked."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import InputInvalid
from bot.services import form_fields
from bot.services.form_definitions import ADDENDUM, FORMS, packaged
from bot.services.form_fields import KINDS, Field

TODAY = date(2026, 11, 22)
OPTIONS = (("a", "甲"), ("b", "乙"))
ONE_OF_EACH = tuple(
    Field(kind, kind, kind, options=OPTIONS if kind in ("choice", "choices") else ())
    for kind in KINDS
)
RIGHT = {
    "text": "一行",
    "long": "两\n行",
    "choice": "a",
    "choices": "a\nb",
    "date": "2026-12-01",
    "yes_no_unknown": "unknown",
    "number": "-3.5",
}


def test_every_form_is_packaged_and_comes_back_from_its_row() -> None:
    assert set(packaged()) == {*FORMS, ADDENDUM}
    for form in packaged().values():
        assert form_fields.parse([field.row() for field in form.fields]) == form.fields
        assert form.title
        assert form.what


def test_facts_and_opinion_stand_apart_in_the_counselors_record() -> None:
    marks = [field.mark for field in packaged()["contact"].fields]
    assert {"facts", "opinion"} <= set(marks)
    assert marks.index("opinion") > max(at for at, mark in enumerate(marks) if mark == "facts")


def test_a_right_answer_of_each_kind_passes() -> None:
    assert form_fields.problems(ONE_OF_EACH, RIGHT, today=TODAY, signing=True) == {}


@pytest.mark.parametrize(
    ("key", "answer", "problem"),
    [
        ("text", "两\n行", "one_line"),
        ("text", "字" * 201, "too_long"),
        ("long", "字" * 8001, "too_long"),
        ("choice", "c", "not_a_choice"),
        ("choice", "a\nb", "not_a_choice"),
        ("choices", "a\nc", "not_a_choice"),
        ("yes_no_unknown", "maybe", "not_a_choice"),
        ("date", "昨天", "not_a_date"),
        ("date", "2026-02-30", "not_a_date"),
        ("date", "1066-01-01", "not_a_date"),
        ("number", "三", "not_a_number"),
        ("number", "1e9", "not_a_number"),
    ],
)
def test_a_wrong_answer_is_told_at_its_field(key: str, answer: str, problem: str) -> None:
    found = form_fields.problems(ONE_OF_EACH, RIGHT | {key: answer}, today=TODAY, signing=False)
    assert found == {key: problem}


def test_what_is_required_is_missed_only_when_signing_and_only_where_it_was_asked() -> None:
    cssrs = packaged()["cssrs"].fields
    assert form_fields.problems(cssrs, {}, today=TODAY, signing=False) == {}
    no = form_fields.problems(cssrs, {"q2": "no"}, today=TODAY, signing=True)
    yes = form_fields.problems(cssrs, {"q2": "yes"}, today=TODAY, signing=True)
    assert set(no) == {"asked", "q1", "q6"}
    assert set(yes) - set(no) == {"q3", "q4", "q5"}


@given(st.dictionaries(st.sampled_from(KINDS), st.text(max_size=300), max_size=7))
def test_any_text_is_judged_and_what_is_kept_is_judged_alike(answers: dict[str, str]) -> None:
    kept = form_fields.tidy(ONE_OF_EACH, answers)
    found = form_fields.problems(ONE_OF_EACH, kept, today=TODAY, signing=False)
    assert set(found) <= set(kept)
    assert form_fields.tidy(ONE_OF_EACH, kept) == kept
    assert not any("\r" in answer for answer in kept.values())
    for field in ONE_OF_EACH:
        if field.key not in found and field.kind == "choice" and field.key in kept:
            assert form_fields.shown(field, kept[field.key], {}) in ("甲", "乙")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"key": "Ä"}, "form_field_key"),
        ({"kind": "html"}, "form_field_kind"),
        ({"mark": "secret"}, "form_field_kind"),
        ({"label": "  "}, "form_field_label"),
        ({"help": "字" * 401}, "form_field_help"),
        ({"options": [["a", "甲"]]}, "form_field_options"),
        ({"options": [["a", "甲"], ["a", "乙"]]}, "form_field_options"),
        ({"options": [["a", "甲"], ["b", " "]]}, "form_field_options"),
        ({"kind": "text"}, "form_field_options"),
    ],
)
def test_a_field_that_is_wrong_is_named(change: dict[str, object], problem: str) -> None:
    row = {"key": "one", "label": "一", "kind": "choice", "options": [["a", "甲"], ["b", "乙"]]}
    with pytest.raises(InputInvalid, match=problem) as caught:
        form_fields.parse([row | {"key": "first"}, row | change])
    assert caught.value.field == "1"


def test_a_form_has_neither_no_field_nor_hundreds() -> None:
    row = {"label": "一", "kind": "text"}
    for number in (0, 41):
        with pytest.raises(InputInvalid, match="form_field_count"):
            form_fields.parse([row | {"key": f"k{n}"} for n in range(number)])

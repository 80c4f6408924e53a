"""Who sees how much of a case, and how a message is cut where words fired."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.db.models import Assessment, Case
from bot.services import case_rights, desk
from bot.services.case_rights import SUMMARY, TEXT
from bot.services.dossier import split
from bot.services.staff import StaffView

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)

DISTRICT, SCHOOL_A, SCHOOL_B = 1, 2, 5
EVERYWHERE = frozenset(range(1, 10))


def _viewer(**places: frozenset[int]) -> StaffView:
    return StaffView(1, "x", "某", False, places)


def _case(level: str, place_id: int | None) -> Case:
    return Case(id=7, level=level, place_id=place_id, state="open", opened_at=NOW, raised_at=NOW)


AT_A = frozenset({SCHOOL_A, 3, 4})


@pytest.mark.parametrize(
    ("places", "level", "place_id", "kind", "scope"),
    [
        ({"counselor": AT_A}, "2", SCHOOL_A, "school", TEXT),
        ({"counselor": AT_A}, "3!", SCHOOL_B, "school", None),
        ({"counselor": AT_A}, "3!", DISTRICT, "district", None),
        ({"counselor": AT_A}, "3!", None, None, None),
        ({"lead": AT_A}, "3", SCHOOL_A, "school", SUMMARY),
        ({"lead": AT_A}, "2", SCHOOL_A, "school", None),
        ({"lead": AT_A}, "3!", SCHOOL_B, "school", None),
        ({"lead": AT_A}, "3!", None, None, None),
        ({"district": EVERYWHERE}, "3", SCHOOL_A, "school", TEXT),
        ({"district": EVERYWHERE}, "2", SCHOOL_A, "school", None),
        ({"district": EVERYWHERE}, "2", DISTRICT, "district", TEXT),
        ({"district": EVERYWHERE}, "1", None, None, TEXT),
        ({"district": frozenset({20})}, "3!", SCHOOL_A, "school", None),
        ({"teacher": AT_A}, "3!", SCHOOL_A, "school", None),
        ({"editor": EVERYWHERE}, "3!", SCHOOL_A, "school", None),
        ({"admin": EVERYWHERE}, "3!", SCHOOL_A, "school", None),
        ({"admin": EVERYWHERE}, "3!", None, None, None),
        ({}, "3!", SCHOOL_A, "school", None),
        ({"lead": AT_A, "counselor": AT_A}, "2", SCHOOL_A, "school", TEXT),
    ],
)
def test_scope_by_role_level_and_place(
    places: dict[str, frozenset[int]],
    level: str,
    place_id: int | None,
    kind: str | None,
    scope: str | None,
) -> None:
    assert case_rights.scope_of(_viewer(**places), _case(level, place_id), kind) == scope


def _judged(message_id: int, level: str, after: timedelta, *, failed: bool = False) -> Assessment:
    return Assessment(
        message_id=message_id, fresh_level=level, created_at=NOW + after, failed=failed
    )


def test_only_what_opened_or_raised_a_case_counts_as_its_reason() -> None:
    case = _case("3", SCHOOL_A)
    case.message_id = 10
    minute = timedelta(minutes=1)
    assert desk.belongs(case, _judged(10, "1", -minute))
    assert desk.belongs(case, _judged(11, "2", minute))
    assert desk.belongs(case, _judged(11, "0", minute, failed=True))
    assert not desk.belongs(case, _judged(11, "0", minute))
    assert not desk.belongs(case, _judged(9, "3", -minute))
    case.closed_at = NOW + minute
    assert not desk.belongs(case, _judged(12, "3", 2 * minute))


def test_a_text_is_cut_where_words_fired() -> None:
    spans: list[dict[str, object]] = [
        {"start": 2, "end": 4, "text": "站在"},
        {"start": 3, "end": 6},
    ]
    assert split("孩子站在阳台上", spans) == (("孩子", False), ("站在阳台", True), ("上", False))


@given(
    st.text(max_size=60),
    st.lists(
        st.fixed_dictionaries({"start": st.integers(-5, 80), "end": st.integers(-5, 80)}),
        max_size=6,
    ),
)
def test_cutting_never_loses_a_letter(text: str, spans: list[dict[str, object]]) -> None:
    parts = split(text, spans)
    assert "".join(part for part, _ in parts) == text
    assert all(part for part, _ in parts)
    assert all(one[1] != two[1] for one, two in pairwise(parts))


def test_spans_without_places_and_an_enormous_text() -> None:
    assert split("没有", [{"text": "没有"}]) == (("没有", False),)
    assert split("", [{"start": 0, "end": 3}]) == ()
    long = "长" * 300_000
    assert split(long, [{"start": 0, "end": 300_000}]) == ((long, True),)


def test_an_excerpt_is_one_line() -> None:
    assert desk.shortened("一\n\n二  三") == "一 二 三"
    assert len(desk.shortened("长" * 500)) == desk.EXCERPT + 1

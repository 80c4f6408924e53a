"""Who may what, where: the table, the places of a role, and what other services make of it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import ConfigInvalid, NotAllowed
from bot.core.rights import right, table
from bot.db.models import Case
from bot.db.models.staff import ROLES
from bot.services import case_rights, rights
from bot.services.staff import StaffView

VIEWS = st.dictionaries(
    st.sampled_from(ROLES), st.frozensets(st.integers(1, 4), min_size=1), max_size=3
).map(lambda held: StaffView(1, "lin", "林静", False, held))
ACTIONS = st.sampled_from(sorted(table()))


def test_what_is_not_in_the_table_nobody_may() -> None:
    with pytest.raises(ConfigInvalid):
        right("anything.else")
    everything = StaffView(1, "lin", "林静", False, dict.fromkeys(ROLES, frozenset({1})))
    with pytest.raises(ConfigInvalid):
        rights.may(everything, "anything.else", 1)


@given(VIEWS, ACTIONS, st.integers(1, 4))
def test_a_right_holds_where_one_of_its_roles_is_held(
    view: StaffView, action: str, place: int
) -> None:
    line = right(action)
    held = any(place in view.places.get(role, ()) for role in line.roles)
    assert rights.may(view, action, place) == (held or line.reach == "self")
    assert rights.may(view, action) == (bool(line.roles & view.roles) or line.reach == "self")
    if not rights.may(view, action, place):
        with pytest.raises(NotAllowed):
            rights.require(view, action, place)
    with pytest.raises(NotAllowed):
        rights.require(view, action, None)


@given(VIEWS)
def test_the_desk_shows_nothing_that_the_table_does_not_give(view: StaffView) -> None:
    """The desk narrows what the table gives by level; it never widens it."""
    cases = itertools.product((None, 1, 2), ("0", "2", "3", "3!"), ("school", "district"))
    for place, level, kind in cases:
        case = Case(place_id=place, level=level)
        scope = case_rights.scope_of(view, case, kind if place else None)
        if scope == case_rights.TEXT:
            assert rights.may(view, "case.read", place)
        if scope is not None:
            assert rights.may(view, "case.summary", place)


def test_leaders_committees_and_partners_see_no_child() -> None:
    """Counts only, or nothing: DOMAIN §4."""
    barred = {"bureau", "committee", "department"}
    about_people = ("people.", "record.", "case.", "binding.", "request.", "audit.")
    for line in table().values():
        if line.action.startswith(about_people):
            assert not line.roles & barred, line.action


def test_administrators_read_nothing_without_breaking_the_glass() -> None:
    for action in ("case.read", "case.work", "case.summary", "record.read", "record.approve"):
        assert "admin" not in right(action).roles

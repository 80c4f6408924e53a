"""The age of 14: certain, or not yet."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.ages import fourteen

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("born", "old_enough"),
    [
        ("2012-10", True),
        ("2012-11", False),
        ("2012-12", False),
        ("2011-12", True),
        ("2016-09", False),
        (None, False),
        ("", False),
        ("2012-13", False),
        ("2012-1", False),
        ("１９９９-01", False),
        ("2012-10-01", False),
    ],
)
def test_only_who_is_certainly_fourteen_counts(born: str | None, old_enough: bool) -> None:
    assert fourteen(born, TODAY) is old_enough


@given(st.text())
def test_nothing_breaks_it(born: str) -> None:
    assert fourteen(born, TODAY) in (True, False)

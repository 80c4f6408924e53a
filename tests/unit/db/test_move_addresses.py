"""How the address of a move's target may be written."""

import pytest

from bot.db.move_sides import MoveRefused, address


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("postgres://a:b@c/d", "postgresql+psycopg://a:b@c/d"),
        ("postgresql://a@c:5433/d", "postgresql+psycopg://a@c:5433/d"),
        ("postgresql+asyncpg:///d?host=/run", "postgresql+psycopg:///d?host=%2Frun"),
        ("sqlite+aiosqlite:////a/b.db", "sqlite:////a/b.db"),
    ],
)
def test_addresses_that_are_taken(written: str, taken: str) -> None:
    assert address(written).render_as_string(hide_password=False) == taken


@pytest.mark.parametrize(
    "written",
    [
        "",
        "x",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=ro",
        "postgresql://a@b",
        "mysql://a@b/c",
        "postgresql://a@b:c/d",
    ],
)
def test_addresses_that_are_not(written: str) -> None:
    with pytest.raises(MoveRefused, match=r"^address$"):
        address(written)

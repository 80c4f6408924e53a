"""What stands in a column is read strictly, and judged before the other engine sees it."""

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

import bot.db.models  # noqa: F401  # fills the metadata
from bot.db.base import Base
from bot.db.move_values import POSTGRESQL, SQLITE, Field, Fingerprint, Misfit, write
from bot.db.types import EncryptedText, UtcDateTime

CHINA = timezone(timedelta(hours=8))
AT = datetime(2026, 11, 22, 15, 40, 0, 123456, tzinfo=UTC)


def field(kind: Any, *, nullable: bool = True) -> Field:
    column: Column[Any] = Column("c", kind, nullable=nullable)
    Table("t", MetaData(), column)
    return Field(column)


def reason(kind: Any, stored: Any, engine: str = POSTGRESQL) -> str:
    """Return why a value is refused."""
    each = field(kind, nullable=False)

    def take() -> None:
        each.check(each.read(stored), engine)

    with pytest.raises(Misfit) as refused:
        take()
    return str(refused.value)


def test_every_column_of_every_table_is_known() -> None:
    for table in Base.metadata.sorted_tables:
        assert [Field(column).name for column in table.columns]
        assert len(table.primary_key) > 0, "rows are read in the order of their keys"


def test_what_is_left_out_of_a_row_may_be_left_out() -> None:
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if any(key.column.table is table for key in column.foreign_keys):
                assert column.nullable


def test_a_type_nobody_knows_is_an_error() -> None:
    assert field(Enum("a", "b")).kind is String
    with pytest.raises(TypeError, match=r"t\.c"):
        field(None)


@pytest.mark.parametrize(
    ("kind", "stored", "value"),
    [
        (Integer, 7, 7),
        (BigInteger, -(2**63), -(2**63)),
        (Boolean, 0, False),
        (Boolean, True, True),
        (Float, 1.0, 1.0),
        (String(4), "a\u200b😭𠮷", "a\u200b😭𠮷"),
        (EncryptedText("t.c"), "k1.AAAA", "k1.AAAA"),
        (UtcDateTime, "2026-11-22 15:40:00.123456", AT),
        (UtcDateTime, "2026-11-22 23:40:00.123456+08:00", AT),
        (UtcDateTime, AT.astimezone(CHINA), AT),
        (DateTime, "2026-11-22T15:40:00", AT.replace(microsecond=0)),
        (Date, "2026-11-22", date(2026, 11, 22)),
        (Date, date(2026, 11, 22), date(2026, 11, 22)),
        (JSON, '{"b": [1, null]}', '{"b": [1, null]}'),
        (JSON, "null", "null"),
        (JSON, 5, "5"),
        (JSON, -0.5, "-0.5"),
        (JSON, None, None),
        (LargeBinary, b"\x00\xff", b"\x00\xff"),
    ],
)
def test_what_is_taken(kind: Any, stored: Any, value: Any) -> None:
    each = field(kind)
    read = each.read(stored)
    assert (read, type(read)) == (value, type(value))
    for engine in (SQLITE, POSTGRESQL):
        each.check(read, engine)
        again = each.read(write(read, engine))
        assert again == value, "and comes back from the other engine"


@pytest.mark.parametrize(
    ("kind", "stored", "why"),
    [
        (Integer, None, "missing"),
        (Integer, "7", "type"),
        (Integer, 7.5, "type"),
        (Integer, True, "type"),
        (Integer, 2**31, "range"),
        (Boolean, 2, "type"),
        (Boolean, "t", "type"),
        (Float, "a", "type"),
        (String(4), 5, "type"),
        (String(4), b"abc", "type"),
        (String(4), "abcde", "length"),
        (String(4), "a\0", "nul"),
        (String(4), "\ud83d", "surrogate"),
        (UtcDateTime, "yesterday", "type"),
        (UtcDateTime, "2026-02-30 00:00:00", "type"),
        (UtcDateTime, "2026-11-22 15:40:00.1234567", "type"),
        (UtcDateTime, "0001-01-01 00:00:00+08:00", "range"),
        (UtcDateTime, 1_700_000_000, "type"),
        (Date, "2026-13-01", "type"),
        (Date, 20261122, "type"),
        (JSON, "{", "type"),
        (JSON, "[" * 100_000, "type"),
        (JSON, b"5", "type"),
        (JSON, '{"a": "\\u0000"}', "nul"),
        (JSON, '{"\\ud83d": 1}', "surrogate"),
        (JSON, "[NaN]", "json"),
        (JSON, "[1e400]", "json"),
        (JSON, '{"a": [1e22]}', "json"),
        (JSON, "-0.0", "json"),
        (LargeBinary, "abc", "type"),
    ],
)
def test_what_is_refused(kind: Any, stored: Any, why: str) -> None:
    assert reason(kind, stored) == why


def test_sqlite_takes_what_postgresql_does_not() -> None:
    for kind, stored in ((String(4), "a\0bcdefg"), (Integer, 2**40), (JSON, '["\\u0000", NaN]')):
        each = field(kind)
        each.check(each.read(stored), SQLITE)
    assert reason(Float, math.nan, SQLITE) == "range"


ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.text(),
        st.none()
        | st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=6,
        ).map(json.dumps),
        st.none() | st.datetimes(timezones=st.just(UTC)),
    ),
    max_size=4,
)
FIELDS = [field(kind) for kind in (BigInteger, String, JSON, UtcDateTime)]


def digest(rows: list[tuple[Any, ...]]) -> str:
    fingerprint = Fingerprint(FIELDS)
    for row in rows:
        fingerprint.add(row)
    assert fingerprint.rows == len(rows)
    return fingerprint.hexdigest()


@given(rows=ROWS)
def test_the_same_rows_have_the_same_fingerprint_whichever_engine_they_went_through(
    rows: list[tuple[Any, ...]],
) -> None:
    for engine in (SQLITE, POSTGRESQL):
        through = [
            tuple(f.read(write(value, engine)) for f, value in zip(FIELDS, row, strict=True))
            for row in rows
        ]
        assert digest(through) == digest(rows)


@given(one=ROWS, other=ROWS)
def test_other_rows_have_another_fingerprint(
    one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]
) -> None:
    def meant(rows: list[tuple[Any, ...]]) -> str:
        return repr(
            [(a, b, c and json.dumps(json.loads(c), sort_keys=True), d) for a, b, c, d in rows]
        )

    if meant(one) != meant(other):
        assert digest(one) != digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, "a", None, None), (None, "a", None, None)),
        ((1, "1", "null", None), (1, "1", None, None)),
        ((1, "", None, None), (1, None, None, None)),
        ((1, "", "[1]", None), (1, "", "[1.0]", None)),
        ((1, "", '"2026-11-22"', None), (1, "", '"2026-11-22T00:00"', None)),
    ],
)
def test_what_is_almost_the_same_is_not(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert digest([one]) != digest([other])


def test_the_order_of_a_json_objects_names_does_not_count() -> None:
    assert digest([(1, "", '{"a":1,"b":2}', AT)]) == digest([(1, "", '{"b": 2, "a": 1}', AT)])

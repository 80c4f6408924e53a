"""Columns: encrypted text is unreadable in the table, moments are aware and in UTC."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from factories import make_contact, make_message
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import StatementError

from bot.db import crypto
from bot.db.crypto import Undecipherable, new_key
from bot.db.engine import Database
from bot.db.models import Assessment, Contact, Message
from bot.db.types import UtcDateTime

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
WORDS = "孩子刚才说他不想活了 13800000000"
DIALECTS = [sqlite.dialect(), postgresql.dialect()]  # type: ignore[no-untyped-call]

moments = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
)


async def raw(database: Database, statement: str) -> list[tuple[Any, ...]]:
    async with database.read() as session:
        return [tuple(row) for row in (await session.execute(text(statement))).all()]


@pytest.fixture
async def stored(database: Database) -> Database:
    """A database in which a parent has left words and a number."""
    async with database.write() as session:
        contact = await make_contact(session, now=NOW)
        contact.emergency_contact = WORDS
        contact.name = WORDS
        await make_message(session, contact, now=NOW, text=WORDS)
    return database


async def test_personal_words_are_unreadable_in_the_table(stored: Database) -> None:
    rows = await raw(stored, "SELECT emergency_contact, name FROM contact")
    rows += await raw(stored, "SELECT text, media_id FROM message")
    rows += await raw(stored, "SELECT spans, spans FROM assessment")
    assert len(rows) == 3
    for value in (value for row in rows for value in row):
        assert value.startswith("k1.")
        assert "不想活" not in value
        assert "13800000000" not in value


async def test_they_are_read_back_through_the_model(stored: Database) -> None:
    async with stored.read() as session:
        contact = await session.get_one(Contact, 1)
        message = await session.get_one(Message, 1)
        assessment = await session.get_one(Assessment, 1)
    assert contact.emergency_contact == contact.name == message.text == WORDS
    assert assessment.spans == [{"start": 0, "end": len(WORDS), "text": WORDS}]


async def test_a_value_moved_between_columns_cannot_be_read(stored: Database) -> None:
    async with stored.write() as session:
        await session.execute(text("UPDATE contact SET name = emergency_contact"))
    async with stored.read() as session:
        with pytest.raises(Undecipherable):
            await session.get_one(Contact, 1)


async def test_an_unknown_key_is_an_error_not_rubbish(stored: Database) -> None:
    crypto.install(crypto.KeyRing.parse(new_key("other")))
    async with stored.read() as session:
        with pytest.raises(Undecipherable) as caught:
            await session.get_one(Message, 1)
    assert "message.text" in str(caught.value)


async def test_a_failing_statement_does_not_quote_what_a_parent_wrote(
    database: Database,
) -> None:
    """Errors of the driver print their parameters unless told not to."""

    async def write() -> None:
        async with database.write() as session:
            message = await make_message(session, await make_contact(session, now=NOW), now=NOW)
            message.text, message.sent_at = WORDS, NOW.replace(tzinfo=None)

    with pytest.raises(StatementError) as caught:
        await write()
    assert "不想活" not in str(caught.value)
    assert "naive" in str(caught.value)


@given(moment=moments)
def test_a_moment_comes_back_as_the_same_moment_in_utc(moment: datetime) -> None:
    column = UtcDateTime()
    for dialect in DIALECTS:
        kept = column.process_bind_param(moment, dialect)
        back = column.process_result_value(kept, dialect)
        assert back == moment
        assert back is not None
        assert back.utcoffset() == timedelta(0)


@given(moment=st.datetimes())
def test_a_naive_moment_is_refused(moment: datetime) -> None:
    for dialect in DIALECTS:
        with pytest.raises(ValueError, match="naive"):
            UtcDateTime().process_bind_param(moment, dialect)


def test_nothing_stays_nothing() -> None:
    for dialect in DIALECTS:
        assert UtcDateTime().process_bind_param(None, dialect) is None
        assert UtcDateTime().process_result_value(None, dialect) is None


async def test_moments_are_kept_in_utc_whatever_zone_they_came_in(database: Database) -> None:
    china = timezone(timedelta(hours=8))
    async with database.write() as session:
        await make_contact(session, now=NOW.astimezone(china))
    async with database.read() as session:
        contact = await session.get_one(Contact, 1)
    assert contact.created_at == NOW
    assert contact.created_at.tzinfo is UTC or contact.created_at.utcoffset() == timedelta(0)
    if database.is_sqlite:
        assert (await raw(database, "SELECT created_at FROM contact"))[0][0].startswith(
            "2026-11-22 15:40"
        )

"""What is said of an error: type and code, never its text."""

import pytest
from psycopg.errors import DeadlockDetected
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from bot.db.engine import Database
from bot.db.failures import kind_of


def test_the_type_and_the_servers_code() -> None:
    error = OperationalError("UPDATE contact", {}, DeadlockDetected("his words"))
    assert kind_of(error) == "OperationalError 40P01"
    assert kind_of(ValueError("his words")) == "ValueError"


@pytest.mark.sqlite(reason="the code is the file's own")
async def test_the_files_code(database: Database) -> None:
    with pytest.raises(OperationalError) as caught:
        async with database.read() as session:
            await session.execute(text("SELECT words FROM nowhere"))
    assert kind_of(caught.value) == "OperationalError SQLITE_ERROR"

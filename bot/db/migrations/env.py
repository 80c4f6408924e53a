"""Alembic environment: runs on a connection that `bot.db.migrate` hands over."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import JSON

from bot.db import models
from bot.db.base import Base
from bot.db.types import EncryptedJson, EncryptedText, UtcDateTime

assert models.Job.metadata is Base.metadata  # the import fills the metadata


def _plain_types(kind: str, value: Any, _context: object) -> str | Literal[False]:
    """Write plain column types: a migration must not change when the app's own types do."""
    if kind == "type" and isinstance(value, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(value, EncryptedText | EncryptedJson):
        return "sa.Text()"
    if kind == "type" and isinstance(value, JSON):
        return "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    render_item=_plain_types,
)
with context.begin_transaction():
    context.run_migrations()

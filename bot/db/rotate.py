"""Key rotation: encrypt stored fields again with the newest key, in small batches while running.

Called by `xinqing rotate-keys`. Rows written meanwhile carry the new key already.
"""

from collections.abc import Iterator

from sqlalchemy import Column, Table, select, type_coerce, update
from sqlalchemy.types import Text

from bot.db.base import Base
from bot.db.crypto import installed
from bot.db.engine import Database
from bot.db.types import EncryptedJson, EncryptedText

BATCH = 500


async def rotate(database: Database) -> int:
    """Encrypt every field that is not under the current key and return how many there were.

    Raises:
        Undecipherable: a field can't be read with any key of the ring; nothing of its batch is
            changed.
    """
    return sum([await _column(database, *place) for place in _encrypted()])


def _encrypted() -> Iterator[tuple[Table, "Column[str]", str]]:
    """Yield every encrypted column with the purpose that is bound into its values."""
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, EncryptedText | EncryptedJson):
                yield table, column, column.type.purpose


async def _column(database: Database, table: Table, column: "Column[str]", purpose: str) -> int:
    ring = installed()
    key = next(iter(table.primary_key.columns))
    raw = type_coerce(column, Text)
    changed = 0
    while True:
        async with database.write() as session:
            rows = await session.execute(
                select(key, raw)
                .where(column.is_not(None), raw.not_like(f"{ring.current_id}.%"))
                .limit(BATCH)
            )
            batch = rows.all()
            for row_id, stored in batch:
                fresh = ring.encrypt(ring.decrypt(stored, purpose=purpose), purpose=purpose)
                await session.execute(
                    update(table).where(key == row_id).values({column: type_coerce(fresh, Text)})
                )
        if not batch:
            return changed
        changed += len(batch)

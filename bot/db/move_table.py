"""One table of a move: read in the order of its keys, written in batches, read again, compared.

A value that one engine takes and the other does not is refused by the names of table and row.
Called by `bot.db.move`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Insert,
    String,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    collate,
    column,
    func,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from bot.db.move_sides import MoveRefused, failing
from bot.db.move_values import POSTGRESQL, Field, Fingerprint, Misfit, write

BATCH = 1_000
ID_LENGTH = 80
Row = tuple[Any, ...]
Progress = Callable[[str, int, int], object]


@dataclass(frozen=True, slots=True)
class Moved:
    """One table as it stands on both sides."""

    table: str
    rows: int
    sha256: str


class Steps:
    """Counts rows for the progress bar."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def add(self, name: str, rows: int) -> None:
        """Say that some more rows of a table are done."""
        self._done += rows
        self._progress(name, self._done, self._total)


class TableCopy:
    """How one table is read, written and compared.

    Its columns are used without their types, so that values pass as they are stored: nothing is
    decrypted, nothing is made up by a default.
    """

    def __init__(self, origin: Table) -> None:
        self.name = origin.name
        self._origin = origin
        self._fields = [Field(each) for each in origin.columns]
        self._bare = table(origin.name, *(column(field.name) for field in self._fields))
        self._keys = [list(origin.columns).index(key) for key in origin.primary_key]
        # A row may stand before the one of its own table that it points to.
        self._own = [
            place
            for place, each in enumerate(origin.columns)
            if any(key.column.table is origin for key in each.foreign_keys)
        ]

    def count(self, connection: Connection) -> int:
        """Return how many rows there are."""
        with failing("source_failed"):
            return connection.scalar(select(func.count()).select_from(self._bare)) or 0

    def copy(self, old: Connection, new: Connection, steps: Steps) -> Moved:
        """Write every row of one side to the other."""
        fingerprint = Fingerprint(self._fields)
        engine = new.dialect.name
        pointers: list[dict[str, Any]] = []
        for stored in self._batches(old, "source_failed"):
            rows = [self._taken(row, engine) for row in stored]
            for row in rows:
                fingerprint.add(row)
            self._insert(new, rows)
            pointers += self._pointers(rows) if self._own else []
            steps.add(self.name, len(rows))
        if pointers:
            self._point(new, pointers)
        return Moved(self.name, fingerprint.rows, fingerprint.hexdigest())

    def compare(self, old: Connection, new: Connection, known: Moved, steps: Steps) -> None:
        """Read the other side again.

        Raises:
            MoveRefused: names the first row that is not the same.
        """
        fingerprint = Fingerprint(self._fields)
        for stored in self._batches(new, "target_failed"):
            for row in stored:
                try:
                    fingerprint.add(self._read(row))
                except Misfit:
                    raise MoveRefused("different", table=self.name, id=self._id(row)) from None
            steps.add(self.name, len(stored))
        if (known.rows, known.sha256) != (fingerprint.rows, fingerprint.hexdigest()):
            first = self._first_difference(old, new)
            raise MoveRefused("different", table=self.name, id=first)

    def reset_sequence(self, new: Connection) -> None:
        """Let PostgreSQL count on after the highest id; SQLite does so by itself."""
        counted = self._origin.autoincrement_column
        if new.dialect.name != POSTGRESQL or counted is None:
            return
        highest = f'max("{counted.name}")'
        new.execute(
            text(
                "SELECT setval(pg_get_serial_sequence(:table, :column), "
                f"greatest({highest}, 1), coalesce({highest} >= 1, false)) "
                f'FROM "{self.name}"'
            ),
            {"table": f'"{self.name}"', "column": counted.name},
        )

    # Reading ------------------------------------------------------------------------------------

    def _batches(self, connection: Connection, code: str) -> Iterator[Sequence[Row]]:
        """Yield rows as they are stored, in the order of their keys, the same on both engines."""
        last: Row | None = None
        while stored := self._fetch(connection, last, code):
            yield stored
            last = self._key(stored[-1])

    def _fetch(self, connection: Connection, last: Row | None, code: str) -> Sequence[Row]:
        query = select(*self._columns(connection)).select_from(self._bare)
        keys = self._ordered(connection)
        if last is not None:
            query = query.where(_after(keys, last))
        try:
            return [tuple(row) for row in connection.execute(query.order_by(*keys).limit(BATCH))]
        except (SQLAlchemyError, UnicodeError, ValueError):
            with failing(code):
                self._name_unreadable(connection, last)
            raise MoveRefused(code, error="unreadable") from None

    def _name_unreadable(self, connection: Connection, last: Row | None) -> None:
        """Read a batch row by row, for the one that the driver can't make sense of."""
        keys = self._ordered(connection)
        query = select(*(self._bare.columns[self._fields[key].name] for key in self._keys))
        if last is not None:
            query = query.where(_after(keys, last))
        for key in connection.execute(query.order_by(*keys).limit(BATCH)).all():
            one = and_(*(each == value for each, value in zip(keys, key, strict=True)))
            try:
                connection.execute(select(*self._columns(connection)).where(one)).all()
            except (DBAPIError, UnicodeError, ValueError):
                raise self._refusal(tuple(key), "", "type") from None

    def _columns(self, connection: Connection) -> list[ColumnElement[Any]]:
        """Return what is selected; JSON as text, or its null and SQL's would be one."""
        as_text = connection.dialect.name == POSTGRESQL
        columns = zip(self._bare.columns, self._fields, strict=True)
        return [cast(c, Text) if as_text and field.kind is JSON else c for c, field in columns]

    def _ordered(self, connection: Connection) -> list[ColumnElement[Any]]:
        """Return the keys; names in the order of their bytes, whatever language the server has."""
        order = "C" if connection.dialect.name == POSTGRESQL else "BINARY"
        columns = [(self._bare.columns[self._fields[k].name], self._fields[k]) for k in self._keys]
        return [collate(c, order) if field.kind is String else c for c, field in columns]

    def _key(self, row: Row) -> Row:
        return tuple(row[key] for key in self._keys)

    def _id(self, row: Row) -> str:
        return "/".join(str(part) for part in self._key(row))[:ID_LENGTH]

    def _read(self, row: Row) -> Row:
        return tuple(field.read(value) for field, value in zip(self._fields, row, strict=True))

    def _taken(self, row: Row, engine: str) -> Row:
        """Return a row's values, each of which the other engine takes as it is."""
        values = []
        for field, stored in zip(self._fields, row, strict=True):
            try:
                value = field.read(stored)
                field.check(value, engine)
            except Misfit as misfit:
                raise self._refusal(self._key(row), field.name, str(misfit)) from None
            values.append(value)
        return tuple(values)

    def _refusal(self, key: Row, name: str, reason: str) -> MoveRefused:
        shown = "/".join(str(part) for part in key)[:ID_LENGTH]
        return MoveRefused("value", table=self.name, id=shown, column=name, reason=reason)

    def _first_difference(self, old: Connection, new: Connection) -> str:
        """Return the key of the first row that is not the same on both sides."""
        rows = [
            (row for batch in self._batches(side, code) for row in batch)
            for side, code in ((old, "source_failed"), (new, "target_failed"))
        ]
        scale = Fingerprint(self._fields)
        for one in rows[0]:
            other = next(rows[1], None)
            if other is None or scale.add(self._read(one)) != scale.add(self._read(other)):
                return self._id(one)
        return self._id(next(rows[1]))

    # Writing ------------------------------------------------------------------------------------

    def _values(self, row: Row, engine: str) -> dict[str, Any]:
        values = {
            field.name: write(value, engine) for field, value in zip(self._fields, row, strict=True)
        }
        for place in self._own:
            values[self._fields[place].name] = None
        return values

    def _insert(self, new: Connection, rows: list[Row]) -> None:
        """Write a batch; if the other side refuses it, row by row, to name the one."""
        values = [self._values(row, new.dialect.name) for row in rows]
        statement = self._bare.insert()
        try:
            with new.begin_nested():
                new.execute(statement, values)
        except (DataError, IntegrityError):
            for value, row in zip(values, rows, strict=True):
                self._insert_one(new, statement, value, row)

    def _insert_one(
        self, new: Connection, statement: Insert, value: dict[str, Any], row: Row
    ) -> None:
        try:
            with new.begin_nested():
                new.execute(statement, value)
        except (DataError, IntegrityError):
            raise self._refusal(self._key(row), "", "rule") from None

    def _pointers(self, rows: list[Row]) -> list[dict[str, Any]]:
        """Return what was left out of rows that point into their own table."""
        places = [*self._keys, *self._own]
        return [
            {f"p{place}": row[place] for place in places}
            for row in rows
            if any(row[place] is not None for place in self._own)
        ]

    def _point(self, new: Connection, pointers: list[dict[str, Any]]) -> None:
        columns = [self._bare.columns[field.name] for field in self._fields]
        statement = (
            self._bare.update()
            .where(and_(*(columns[key] == bindparam(f"p{key}") for key in self._keys)))
            .values({columns[place]: bindparam(f"p{place}") for place in self._own})
        )
        try:
            new.execute(statement, pointers)
        except (DataError, IntegrityError):
            raise MoveRefused("pointer", table=self.name) from None


def _after(keys: Sequence[ColumnElement[Any]], last: Row) -> ColumnElement[bool]:
    """Return the condition for rows behind a key, of one column or several."""
    behind: ColumnElement[bool] = keys[0] > last[0]
    if len(keys) == 1:
        return behind
    return or_(behind, and_(keys[0] == last[0], _after(keys[1:], last[1:])))

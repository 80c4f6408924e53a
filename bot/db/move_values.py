"""What stands in a column, free of any engine: read strictly, judged, hashed, written back.

SQLite keeps whatever it is given and PostgreSQL does not, so that a value is taken as the column's
declared kind or refused, never bent into shape. Ciphertext is plain text here. Called by
`bot.db.move`.
"""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    String,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

SQLITE, POSTGRESQL = "sqlite", "postgresql"
# More than six digits of a second would be cut off without a word.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?")
Kind = type[TypeEngine[Any]]
_BITS: dict[Kind, int] = {BigInteger: 63, Integer: 31}
_PLAIN: dict[Kind, type] = {
    BigInteger: int,
    Integer: int,
    Boolean: bool,
    Float: float,
    Date: date,
    LargeBinary: bytes,
}


class Misfit(ValueError):
    """A value can't be taken over unchanged; the text is a code of the reasons in `move.toml`."""


class Field:
    """One column as both engines see it.

    Raises:
        TypeError: its type is none that this module knows.
    """

    def __init__(self, column: "Column[Any]") -> None:
        self.name = column.name
        self.kind = _kind(column)
        self._nullable = bool(column.nullable)
        self._longest = getattr(column.type, "length", None) if self.kind is String else None
        self._wanted = _PLAIN.get(self.kind, str)

    def read(self, stored: Any) -> Any:
        """Return a stored value as its kind: moments aware in UTC, JSON as its text.

        Raises:
            Misfit: something else stands there.
        """
        if stored is None:
            if not self._nullable:
                raise Misfit("missing")
            return None
        if self.kind is Boolean and isinstance(stored, int) and stored in (0, 1):
            return bool(stored)
        if self.kind is DateTime:
            return _moment(stored)
        if self.kind is Date and isinstance(stored, str):
            return _parsed(date.fromisoformat, stored)
        if self.kind is JSON and type(stored) in (int, float):
            return json.dumps(stored)  # SQLite makes a number of a text that is nothing else
        if type(stored) is not self._wanted:
            raise Misfit("type")
        if self.kind is JSON:
            _parsed(json.loads, str(stored))
        return stored

    def check(self, value: Any, engine: str) -> None:
        """Make sure that an engine takes a value as it is.

        Raises:
            Misfit: it would refuse or change it.
        """
        if value is None:
            return
        if engine == SQLITE:
            if self.kind is Float and math.isnan(value):
                raise Misfit("range")  # SQLite would keep NULL
            return
        if self.kind in _BITS and not -(2 ** _BITS[self.kind]) <= value < 2 ** _BITS[self.kind]:
            raise Misfit("range")
        if self.kind is String:
            _check_text(value)
            if self._longest is not None and len(value) > self._longest:
                raise Misfit("length")
        if self.kind is JSON:
            _check_json(json.loads(value))


def _kind(column: "Column[Any]") -> Kind:
    kind = column.type.impl if isinstance(column.type, TypeDecorator) else column.type
    for known in (BigInteger, Integer, Boolean, Float, String, DateTime, Date, JSON, LargeBinary):
        if isinstance(kind, known):
            return known
    raise TypeError(f"{column}: nobody knows how to move this type")


def _moment(stored: Any) -> datetime:
    if isinstance(stored, str) and _MOMENT.fullmatch(stored):
        stored = _parsed(datetime.fromisoformat, stored)
    if not isinstance(stored, datetime):
        raise Misfit("type")
    try:
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)
    except OverflowError:
        raise Misfit("range") from None


def _parsed(parse: Any, stored: str) -> Any:
    try:
        return parse(stored)
    except (ValueError, RecursionError):
        raise Misfit("type") from None


def _check_text(value: str) -> None:
    if "\0" in value:
        raise Misfit("nul")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Misfit("surrogate")


def _check_json(value: Any) -> None:
    """Refuse what JSONB can't hold, or holds as something else."""
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float) and repr(value) != repr(_as_jsonb(value)):
        raise Misfit("json")
    elif isinstance(value, list):
        for item in value:
            _check_json(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_text(name)
            _check_json(item)


def _as_jsonb(value: float) -> float | int | None:
    """Return what comes back: JSONB keeps decimal digits, no exponent and no sign of a zero."""
    if not math.isfinite(value):
        return None
    if "e" in repr(value) and value.is_integer():
        return int(value)
    return value if value else 0.0


def write(value: Any, engine: str) -> Any:
    """Return a value as an engine's driver takes it."""
    if engine == SQLITE and isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    if engine == SQLITE and isinstance(value, date):
        return value.isoformat()
    return value


class Fingerprint:
    """A hash over rows in the order of their keys; the same rows give the same on both engines."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._json = [field.kind is JSON for field in fields]
        self._hash = hashlib.sha256()
        self.rows = 0

    def add(self, values: Sequence[Any]) -> bytes:
        """Take in one row, in the order of its fields, and return its own bytes."""
        row = [
            {"json": json.loads(value)} if is_json and value is not None else value
            for value, is_json in zip(values, self._json, strict=True)
        ]
        line = _ENCODER.encode(row).encode()
        self._hash.update(line + b"\n")
        self.rows += 1
        return line

    def hexdigest(self) -> str:
        """Return the hash so far."""
        return self._hash.hexdigest()


def _tagged(value: Any) -> dict[str, str]:
    """Write what JSON has no word for; a plain dict never stands in a row."""
    if isinstance(value, datetime):
        return {"at": value.isoformat(timespec="microseconds")}
    if isinstance(value, date):
        return {"on": value.isoformat()}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    raise TypeError(type(value).__name__)


# Made once: it runs for every row, twice.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_tagged)

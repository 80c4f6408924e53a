"""A register of hotlines as a file: checked, compared with what is stored, published.

Called by `xinqing hotlines`. The format is that of `bot/core/hotlines.toml`; the file is the whole
register, so what it does not name is gone.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import XinqingError
from bot.core.hotlines import Hotline, HotlineBook, HotlineError, parse_line
from bot.db.locks import Turn, take_turn
from bot.db.models import HotlineRow
from bot.db.notices import Topic, notify
from bot.services import audit
from bot.services.hotlines import Values, stored, values_of

_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*line[ \t]*\]\]", re.MULTILINE)
_TYPES: dict[str, type] = {
    "number": str,
    "name": str,
    "what": str,
    "region": str,
    "kinds": list,
    "last_verified": date,
    "source": str,
    "known_hours": bool,
    "note": str,
}
_LENGTHS: dict[str, int] = {
    key: length
    for key, column in HotlineRow.__table__.columns.items()
    if (length := getattr(column.type, "length", None)) is not None
}


class RegisterInvalid(XinqingError):
    """A register can't be published; nothing has changed.

    Args:
        code: names the sentence for people (`bot/cli/hotlines.toml`).
        fields: what is put into it; `entry` (from 1), `number` and `line` (in the file; None when
            the file is not written with `[[line]]`) when one entry is wrong.
    """

    def __init__(self, code: str, **fields: object) -> None:
        super().__init__(f"{code} {fields}")
        self.code = code
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one row, which number and region tell from the others.

    Args:
        fields: the columns that differ; of a changed row only.
    """

    kind: Literal["new", "changed", "gone"]
    number: str
    region: str
    name: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """What a file would change; `reordered` when the rows that stay stand in another order."""

    changes: tuple[Change, ...]
    reordered: bool

    def __bool__(self) -> bool:
        return bool(self.changes) or self.reordered


def read_register(text: str, needed: Sequence[str] = ()) -> HotlineBook:
    """Read a whole register and check all that `Lines` and the table would refuse.

    Args:
        needed: numbers that other texts print, so each needs a row for the whole country.

    Raises:
        RegisterInvalid: naming the first entry that is wrong.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RegisterInvalid("syntax", reason=str(error)) from None
    entries = document.pop("line", None)
    if document or not isinstance(entries, list) or not entries:
        raise RegisterInvalid("shape")
    places = [text.count("\n", 0, found.start()) + 1 for found in _HEADER.finditer(text)]
    if len(places) != len(entries):
        places = []
    lines: list[Hotline] = []
    for index, entry in enumerate(entries):
        where = {"entry": index + 1, "line": places[index] if places else None}
        lines.append(_line(entry, where, lines))
    return _book(lines, needed)


def compare(rows: Sequence[Values], book: HotlineBook) -> Difference:
    """Return what publishing a register would change in the stored rows."""
    old = {_key(row): row for row in rows}
    new = {_key(row): row for row in map(values_of, book.lines)}
    changes = [_change(old.get(key), row) for key, row in new.items() if old.get(key) != row]
    changes += [Change("gone", *key, row["name"]) for key, row in old.items() if key not in new]
    staying = [key for key in old if key in new]
    return Difference(tuple(changes), staying != [key for key in new if key in old])


async def publish(session: AsyncSession, book: HotlineBook, *, now: datetime) -> Difference:
    """Make a register the stored one; every process takes it over when this transaction commits."""
    # The audit entry takes this turn anyway; taken first, two publishers don't mix their rows.
    await take_turn(session, Turn.AUDIT_CHAIN)
    difference = compare(await stored(session), book)
    if not difference:
        return difference
    # Replies print in the order of the ids, so every row is written anew in the file's order.
    await session.execute(delete(HotlineRow))
    session.add_all(HotlineRow(**values_of(line)) for line in book.lines)
    await session.flush()
    await audit.record(
        session,
        staff_id=None,
        action="hotlines.published",
        object_kind="hotline",
        object_id=None,
        now=now,
        data={"rows": len(book.lines), **Counter(change.kind for change in difference.changes)},
    )
    await notify(session, Topic.PUBLISHED)
    return difference


def _line(entry: object, where: Mapping[str, object], before: Sequence[Hotline]) -> Hotline:
    if not isinstance(entry, dict):
        raise RegisterInvalid("shape")
    at = {**where, "number": entry.get("number", "?")}
    if unknown := sorted(set(entry) - {*_TYPES, "hours"}):
        raise RegisterInvalid("unknown", field=unknown[0], **at)
    for key, kind in _TYPES.items():
        if key in entry:
            _check_value(key, entry[key], kind, at)
        elif key != "note":
            raise RegisterInvalid("missing", field=key, **at)
    try:
        line = parse_line(entry)
    except (HotlineError, TypeError) as error:
        reason = re.sub(r"^hotline [^:]*: ", "", str(error))
        raise RegisterInvalid("rule", reason=reason, **at) from None
    if any((line.number, line.region) == (other.number, other.region) for other in before):
        raise RegisterInvalid("twice", **at)
    return line


def _check_value(key: str, value: Any, kind: type, at: Mapping[str, object]) -> None:
    # A moment is a date to Python, and no day.
    if type(value) is not kind:
        raise RegisterInvalid("type", field=key, **at)
    texts = value if isinstance(value, list) else [value]
    if kind is list and not all(isinstance(text, str) for text in texts):
        raise RegisterInvalid("type", field=key, **at)
    if any(isinstance(text, str) and not _storable(key, text) for text in texts):
        raise RegisterInvalid("text", field=key, longest=_LENGTHS.get(key, "–"), **at)


def _storable(key: str, text: str) -> bool:
    """Tell whether both engines can keep a text; what a parent reads is one line."""
    one_line = text.replace("\n", "") if key == "note" else text
    return one_line.isprintable() and len(text) <= _LENGTHS.get(key, len(text))


def _book(lines: Sequence[Hotline], needed: Sequence[str]) -> HotlineBook:
    try:
        book = HotlineBook(lines)
    except HotlineError as error:
        raise RegisterInvalid("required", reason=str(error)) from None
    missing = sorted(set(needed) - {line.number for line in lines if not line.region})
    if missing:
        raise RegisterInvalid("needed", numbers="、".join(missing))
    return book


def _key(row: Values) -> tuple[str, str]:
    return row["number"], row["region"]


def _change(old: Values | None, new: Values) -> Change:
    if old is None:
        return Change("new", *_key(new), new["name"])
    fields = tuple(key for key in new if old[key] != new[key])
    return Change("changed", *_key(new), new["name"], fields)

"""Compare the rows of one import with one another: one child twice, two spellings, shared phones.

Of two rows that can't both be right the first is taken and the later one says which row it fights
with. Several rows of one child with different guardians are put together.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.services.importing.rows import Carer, Parsed
from bot.services.importing.spelling import near
from bot.services.importing.words import class_key
from bot.services.people import normalise_name

MOST_OF_ONE_PHONE = 20


@dataclass
class _Seen:
    """A child as the rows up to now tell of it."""

    row: Parsed
    class_name: str
    carers: set[tuple[str, str]]
    phones: set[str]
    relations: set[str]


@dataclass
class _Known:
    numbers: dict[str, _Seen] = field(default_factory=dict)
    names: dict[tuple[str, str], list[_Seen]] = field(default_factory=dict)
    phones: dict[str, list[_Seen]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)


def compare(rows: Iterable[Parsed]) -> list[Parsed]:
    """Return the rows with what is to be said about their neighbours."""
    known = _Known()
    return [row if row.wrong or row.teacher else _placed(row, known) for row in rows]


def _placed(row: Parsed, known: _Known) -> Parsed:
    class_name = class_key(row.class_text)
    other, code = _find(row, class_name, known)
    if other is not None and code:
        return row.told(f"{code}:{other.row.number}")
    if other is not None:
        fresh = {_carer(one) for one in row.carers} - other.carers
        if not fresh or other.class_name != class_name:
            return row.told(f"duplicate:{other.row.number}")
        row = row.told(f"again:{other.row.number}")
    row = _owners(row, known)
    _remember(row, class_name, other, known)
    return row


def _find(row: Parsed, class_name: str, known: _Known) -> tuple[_Seen | None, str]:
    """Return the earlier row of the same child, or one that can't be right beside this one."""
    other = known.numbers.get(row.student_no) if row.student_no else None
    if other is not None:
        if other.row.plain_name == row.plain_name:
            return other, ""
        alike = near(other.row.plain_name, row.plain_name)
        return other, "number_spelling" if alike else "number_twice"
    namesakes = [
        one
        for one in known.names.get((class_name, row.plain_name), ())
        if not (one.row.student_no and row.student_no)
    ]
    for one in namesakes:
        if one_child(row.phones, one.phones, {c.relation for c in row.carers}, one.relations):
            return one, ""
    if namesakes:
        return namesakes[0], "same_name"
    for phone in sorted(row.phones):
        for one in known.phones.get(phone, ()):
            if one.row.student_no and row.student_no:
                continue
            if one.row.plain_name == row.plain_name:
                return one, ""
            if near(one.row.plain_name, row.plain_name):
                return one, "two_spellings"
    return None, ""


def one_child(
    phones: Iterable[str], others: Iterable[str], relations: set[str], other_relations: set[str]
) -> bool:
    """Say whether two of one name in one class are one child, going by who cares for them.

    A shared phone says yes; so do guardians who may stand beside each other (a father here, a
    mother there). Two fathers with two phones are two children's.
    """
    mine, theirs = set(phones), set(others)
    return bool(mine & theirs) or not mine or not theirs or not relations & other_relations


def _owners(row: Parsed, known: _Known) -> Parsed:
    """Say when another row has this phone for somebody of another name."""
    shared = False
    for carer in row.carers:
        if carer.phone:
            name = normalise_name(carer.name)
            shared = known.owners.setdefault(carer.phone, name) != name or shared
    return row.told("shared_phone") if shared and "shared_phone" not in row.codes else row


def _remember(row: Parsed, class_name: str, other: _Seen | None, known: _Known) -> None:
    seen = other
    if seen is None:
        seen = _Seen(row, class_name, set(), set(), set())
        known.names.setdefault((class_name, row.plain_name), []).append(seen)
    if row.student_no:
        known.numbers.setdefault(row.student_no, seen)
    seen.carers |= {_carer(one) for one in row.carers}
    seen.relations |= {one.relation for one in row.carers}
    for phone in row.phones - seen.phones:
        group = known.phones.setdefault(phone, [])
        if len(group) < MOST_OF_ONE_PHONE:
            group.append(seen)
    seen.phones |= row.phones


def _carer(carer: Carer) -> tuple[str, str]:
    return normalise_name(carer.name), carer.phone

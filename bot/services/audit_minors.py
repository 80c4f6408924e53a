"""The yearly report on minors' data: who read and changed it, how often, by role; counts only.

Called by `xinqing audit export --minors`. Source: notice of the Cyberspace Administration of
2025-12-29 (audits of minors' data are reported to the city's administration each January) and
Regulations on the Protection of Minors in Cyberspace, articles 36–37. No names, no ids. Its
words in Chinese, for the Excel file, stand in `audit_minors.toml`.
"""

import re
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from bot.db.models import (
    AuditEntry,
    Child,
    Consent,
    DataRequest,
    LegalHold,
    ReadPermit,
    RetentionRun,
    StaffRole,
)
from bot.services.audit_list import Wanted, actions, word
from bot.services.retention import table

NOBODY, NO_ROLE = "service", "none"
_CODE = re.compile(r"[a-z_]{1,32}")
Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Held:
    """A role somebody held, from when until when."""

    role: str
    starts_at: datetime | None
    ends_at: datetime | None

    def at(self, moment: datetime) -> bool:
        begun = self.starts_at is None or self.starts_at <= moment
        return begun and (self.ends_at is None or moment < self.ends_at)


async def report(session: AsyncSession, wanted: Wanted) -> list[Row]:
    """Return the report's rows: section, what, role, purpose, count."""
    assert wanted.since is not None
    assert wanted.until is not None
    since, until = wanted.since, wanted.until
    uses = await _uses(session, since, until)
    return [
        *uses,
        *await _permits(session, since, until),
        *await _consents(session, since, until),
        *await _grouped(session, "request", DataRequest.kind, DataRequest.created_at, since, until),
        *await _grouped(session, "hold", LegalHold.kind, LegalHold.created_at, since, until),
        *await _deleted(session, since, until),
        *await _stock(session),
    ]


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """Return the words of the report, by group and code."""
    source = files("bot.services").joinpath("audit_minors.toml").read_text("utf-8")
    return tomllib.loads(source)


def readable(rows: Iterable[Row]) -> list[Row]:
    """Return the report's rows in Chinese, as people read them."""
    return [
        {words()["column"][name]: _said(name, value, row) for name, value in row.items()}
        for row in rows
    ]


def _said(name: str, value: object, row: Row) -> object:
    if not isinstance(value, str):
        return value
    if name == "what" and row["section"] == "deleted" and value in table():
        return table()[value].what
    if name == "role":
        return "、".join(words()["role"].get(one, one) for one in value.split("+"))
    return words().get(name, {}).get(value, value)


async def _uses(session: AsyncSession, since: datetime, until: datetime) -> list[Row]:
    """Count reads and changes by what was done, the role of who did it, and the stated purpose."""
    held = await _roles(session)
    touching = {code: row["minors"] for code, row in actions().items() if "minors" in row}
    counts: Counter[tuple[str, str, str, str]] = Counter()
    async for entry in _entries(session, touching, since, until):
        roles = _roles_at(held.get(entry.staff_id or 0, ()), entry)
        counts[touching[entry.action], entry.action, roles, _purpose(entry)] += 1
    return [
        _row(section, word(action), role, purpose, count)
        for (section, action, role, purpose), count in sorted(counts.items())
    ]


def _purpose(entry: AuditEntry) -> str:
    """Return the stated purpose where it is a code; words are nothing for a report of counts."""
    stated = str(entry.data.get("reason") or entry.data.get("purpose") or "")
    return stated if _CODE.fullmatch(stated) else ""


async def _entries(
    session: AsyncSession, touching: Iterable[str], since: datetime, until: datetime
) -> AsyncIterator[AuditEntry]:
    query = select(AuditEntry).where(
        AuditEntry.at >= since, AuditEntry.at < until, AuditEntry.action.in_(list(touching))
    )
    async for entry in await session.stream_scalars(query.execution_options(yield_per=500)):
        yield entry


async def _roles(session: AsyncSession) -> dict[int, list[_Held]]:
    held: dict[int, list[_Held]] = {}
    query = select(StaffRole.staff_id, StaffRole.role, StaffRole.starts_at, StaffRole.ends_at)
    for staff_id, role, starts_at, ends_at in await session.execute(query):
        held.setdefault(staff_id, []).append(_Held(role, starts_at, ends_at))
    return held


def _roles_at(held: Sequence[_Held], entry: AuditEntry) -> str:
    """Return the roles somebody held at that moment; who holds two is counted under both."""
    if entry.staff_id is None:
        return NOBODY
    return "+".join(sorted({one.role for one in held if one.at(entry.at)})) or NO_ROLE


async def _permits(session: AsyncSession, since: datetime, until: datetime) -> list[Row]:
    query = (
        select(ReadPermit.state, ReadPermit.broken_glass, func.count(ReadPermit.id))
        .where(ReadPermit.asked_at >= since, ReadPermit.asked_at < until)
        .group_by(ReadPermit.state, ReadPermit.broken_glass)
    )
    return [
        _row("permit_broken_glass" if broken else "permit", state, "", "", count)
        for state, broken, count in await session.execute(query)
    ]


async def _consents(session: AsyncSession, since: datetime, until: datetime) -> list[Row]:
    """Count what was agreed to, taken back and refused; a refusal is a row of its own."""
    rows: list[Row] = []
    for section, moment, which in (
        ("consent_given", Consent.given_at, ~Consent.refused),
        ("consent_withdrawn", Consent.withdrawn_at, ~Consent.refused),
        ("consent_refused", Consent.given_at, Consent.refused.expression),
    ):
        rows += await _grouped(session, section, Consent.kind, moment, since, until, which)
    return rows


async def _grouped(
    session: AsyncSession,
    section: str,
    kind: InstrumentedAttribute[str],
    moment: InstrumentedAttribute[Any],
    since: datetime,
    until: datetime,
    *also: ColumnElement[bool],
) -> list[Row]:
    within = (moment >= since, moment < until, *also)
    query = select(kind, func.count()).where(*within).group_by(kind).order_by(kind)
    return [_row(section, code, "", "", count) for code, count in await session.execute(query)]


async def _deleted(session: AsyncSession, since: datetime, until: datetime) -> list[Row]:
    """Sum what the nights deleted, by class of data."""
    runs = await session.scalars(
        select(RetentionRun.counts).where(RetentionRun.at >= since, RetentionRun.at < until)
    )
    total: Counter[str] = Counter()
    for name, gone in chain.from_iterable(run.items() for run in runs):
        if isinstance(gone, int) and not isinstance(gone, bool):
            total[name] += gone
    return [_row("deleted", name, "", "", count) for name, count in sorted(total.items())]


async def _stock(session: AsyncSession) -> list[Row]:
    """Count the children on the books and the consents that stand, at the moment of the report."""
    children: ColumnElement[bool] = Child.left_at.is_(None)
    here = await session.scalar(select(func.count(Child.id)).where(children)) or 0
    standing = Consent.withdrawn_at.is_(None) & ~Consent.refused
    consents = await session.scalar(select(func.count(Consent.id)).where(standing)) or 0
    return [_row("stock", "children", "", "", here), _row("stock", "consents", "", "", consents)]


def _row(section: str, what: str, role: str, purpose: str, count: int) -> Row:
    return {"section": section, "what": what, "role": role, "purpose": purpose, "count": count}

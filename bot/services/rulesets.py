"""Rule sets as people work on them: drafts, shadow, publishing, and the way back.

Called by the rules' pages. Every change names the row version that its author saw; whoever comes
second gets a `Stale` and nothing is lost. What is published is taken over by every process
(`bot.services.rules_in_force`).
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.engine import Database
from bot.db.locks import Turn, take_turn
from bot.db.models import RuleChange, RuleSet
from bot.db.models.rules import DRAFT, LIVE, RETIRED, SHADOW
from bot.db.notices import Topic, notify
from bot.services import audit, rights
from bot.services.rule_files import check_files, packaged, packaged_version
from bot.services.staff import StaffView
from knowledge.risk.loading import digest_of
from knowledge.risk.regression import Case, Failure, Regression, check

READ, DRAFTING, PUBLISHING = "rules.read", "rules.draft", "rules.publish"
PACKAGED_ID = 0
NAME_LENGTH, NOTE_LENGTH = 80, 2_000
VERSIONS_SHOWN = 50


class Stale(Conflict):
    """Somebody else has changed the rule set since the page was shown."""


class NotFit(Conflict):
    """The rule set may not be published by anybody.

    Args:
        failures: what it gets wrong; empty when it can't be loaded at all.
    """

    def __init__(self, failures: Sequence[Failure] = ()) -> None:
        super().__init__("not fit")
        self.failures = tuple(failures)


@dataclass(frozen=True, slots=True)
class Overview:
    """All rule sets.

    Args:
        live: the one in force; None: the packaged rules, and nobody ever published others.
        versions: everything that was ever published, the newest first.
        discarded: drafts that were put aside.
    """

    live: RuleSet | None
    shadow: RuleSet | None
    drafts: tuple[RuleSet, ...]
    versions: tuple[RuleSet, ...]
    discarded: tuple[RuleSet, ...]


async def overview(session: AsyncSession, by: StaffView) -> Overview:
    """Return every rule set without its files.

    Raises:
        NotAllowed: the person may not read rules.
    """
    rights.require_somewhere(by, READ)
    rows = (await session.scalars(select(RuleSet).order_by(RuleSet.id.desc()))).all()
    state = {name: [row for row in rows if row.state == name] for name in (LIVE, SHADOW, DRAFT)}
    published = sorted(
        ((row.published_at, row) for row in rows if row.published_at),
        key=lambda pair: pair[0],
        reverse=True,
    )
    return Overview(
        next(iter(state[LIVE]), None),
        next(iter(state[SHADOW]), None),
        tuple(state[DRAFT]),
        tuple(row for _, row in published[:VERSIONS_SHOWN]),
        tuple(row for row in rows if row.state == RETIRED and not row.published_at),
    )


async def read(session: AsyncSession, by: StaffView, rule_set_id: int) -> RuleSet:
    """Return a rule set with its files to a person.

    Raises:
        NotAllowed: the person may not read rules.
        NotFound: there is none.
    """
    rights.require_somewhere(by, READ)
    return await get(session, rule_set_id)


async def get(session: AsyncSession, rule_set_id: int) -> RuleSet:
    """Return a rule set with its files, for the screen and for the jobs.

    Raises:
        NotFound: there is none.
    """
    row = await session.get(
        RuleSet, rule_set_id, options=[undefer(RuleSet.files)], populate_existing=True
    )
    if row is None:
        raise NotFound(f"rule set {rule_set_id}")
    return row


async def live(session: AsyncSession) -> RuleSet | None:
    """Return the rule set in force with its files; None: the packaged rules."""
    query = select(RuleSet).where(RuleSet.state == LIVE).options(undefer(RuleSet.files))
    return await session.scalar(query)


def files_of(row: RuleSet | None) -> Mapping[str, str]:
    """Return the rule files of a row of which they were read; of the packaged rules for none."""
    return row.files if row is not None and row.files else packaged()


def version_of(row: RuleSet | None) -> str:
    """Return the digest of a rule set; the packaged rules change with the release."""
    return row.version if row is not None and row.files else packaged_version()


async def make_draft(
    session: AsyncSession, by: StaffView, *, name: str, note: str, now: datetime, source: int = -1
) -> RuleSet:
    """Make a draft of the rules in force, or of another set.

    Args:
        source: id of the set to begin with, 0 for the packaged rules; negative: those in force.

    Raises:
        NotAllowed: the person may write no drafts.
        InputInvalid: it has no name.
    """
    rights.require_somewhere(by, DRAFTING)
    _check_words("name", name, NAME_LENGTH)
    _check_words("note", note, NOTE_LENGTH, needed=False)
    if source > PACKAGED_ID:
        base: RuleSet | None = await get(session, source)
    else:
        base = await live(session) if source < PACKAGED_ID else None
    row = RuleSet(
        name=name.strip(),
        note=note.strip(),
        version=version_of(base) if base is None or base.problem is None else "",
        based_on=version_of(base),
        files=dict(files_of(base)),
        problem=base.problem if base else None,
        author=by.id,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    await session.flush()
    await _record(session, "rules.draft_made", row, by.id, now, base=row.based_on)
    return row


async def save(
    database: Database,
    by: StaffView,
    rule_set_id: int,
    *,
    file: str,
    text: str,
    row_version: int,
    now: datetime,
) -> RuleSet:
    """Keep a file of a draft as it was written, and say with the draft whether it loads.

    Raises:
        NotAllowed: the person may write no drafts.
        Stale: the draft was changed meanwhile.
        Conflict: it is no draft any more.
        NotFound: there is no such draft or file.
    """
    rights.require_somewhere(by, DRAFTING)
    async with database.read() as session:
        row = await get(session, rule_set_id)
        in_force = files_of(await live(session))
    files = dict(files_of(row))
    if file not in files:
        raise NotFound("no such rule file")
    files[file] = text
    checked = await check_files(files, in_force)
    async with database.write() as session:
        row = await _locked(session, rule_set_id, row_version, (DRAFT,), now)
        row.files = files
        row.version = "" if checked.problem else digest_of(files)
        row.problem = checked.problem.stored() if checked.problem else None
        await _record(
            session, "rules.saved", row, by.id, now, file=file, loads=checked.problem is None
        )
    return row


async def discard(
    session: AsyncSession, by: StaffView, rule_set_id: int, *, row_version: int, now: datetime
) -> None:
    """Put a draft aside; its text is kept and can begin a new draft."""
    rights.require_somewhere(by, DRAFTING)
    row = await _locked(session, rule_set_id, row_version, (DRAFT,), now)
    row.state, row.retired_at = RETIRED, now
    await _record(session, "rules.discarded", row, by.id, now)


async def start_shadow(
    session: AsyncSession, by: StaffView, rule_set_id: int, *, row_version: int, now: datetime
) -> None:
    """Let a draft judge along; at most one at a time.

    Raises:
        NotFit: it does not load.
        Conflict: another one is in shadow (`shadow_taken`), or this is no draft.
    """
    rights.require_somewhere(by, PUBLISHING)
    await take_turn(session, Turn.AUDIT_CHAIN)
    if await session.scalar(select(RuleSet.id).where(RuleSet.state == SHADOW)) is not None:
        raise Conflict("shadow_taken")
    row = await _locked(session, rule_set_id, row_version, (DRAFT,), now)
    if row.problem is not None:
        raise NotFit
    row.state, row.shadow_since = SHADOW, now
    # What an earlier time in shadow found was found by other words or beside other rules.
    await session.execute(
        delete(RuleChange).where(RuleChange.rule_set_id == row.id, RuleChange.replay_id.is_(None))
    )
    await _record(session, "rules.shadow_started", row, by.id, now)
    await notify(session, Topic.PUBLISHED)


async def stop_shadow(
    session: AsyncSession, by: StaffView, rule_set_id: int, *, row_version: int, now: datetime
) -> None:
    """Take a rule set out of shadow; it is a draft again, with what was found."""
    rights.require_somewhere(by, PUBLISHING)
    row = await _locked(session, rule_set_id, row_version, (SHADOW,), now)
    row.state = DRAFT
    await _record(session, "rules.shadow_stopped", row, by.id, now)
    await notify(session, Topic.PUBLISHED)


async def examine(
    database: Database, by: StaffView, rule_set_id: int, cases: Collection[Case] = ()
) -> Regression:
    """Check a rule set against all it must and must not see.

    Raises:
        NotAllowed: the person may write no drafts.
        NotFit: it does not load.
    """
    rights.require_somewhere(by, DRAFTING)
    async with database.read() as session:
        row = await get(session, rule_set_id)
    if row.problem is not None:
        raise NotFit
    checked = await check_files(files_of(row), files_of(row))
    if checked.rules is None:
        raise NotFit
    return await asyncio.to_thread(check, checked.rules, cases)


async def publish(
    database: Database,
    by: StaffView,
    rule_set_id: int,
    *,
    row_version: int,
    instead_of: int,
    reason: str,
    now: datetime,
    cases: Collection[Case] = (),
) -> RuleSet:
    """Put a draft into force everywhere.

    Args:
        instead_of: id of the set in force as its author saw it, 0 for none.
        reason: why, for those who read the list of versions.

    Raises:
        NotAllowed: the person may publish no rules.
        InputInvalid: there is no reason.
        NotFit: it does not load or gets something wrong; nobody may publish it then.
        Stale: it, or what is in force, was changed meanwhile.
    """
    rights.require_somewhere(by, PUBLISHING)
    _check_words("reason", reason, NOTE_LENGTH)
    result = await examine(database, by, rule_set_id, cases)
    if not result.passed:
        raise NotFit(result.failures)
    async with database.write() as session:
        await take_turn(session, Turn.AUDIT_CHAIN)
        row = await _locked(session, rule_set_id, row_version, (DRAFT, SHADOW), now)
        await _retire_live(session, instead_of, now)
        _put_in_force(row, reason, by.id, now)
        await _announce(session, row, by.id, now)
    return row


async def go_back(
    database: Database,
    by: StaffView,
    rule_set_id: int,
    *,
    instead_of: int,
    reason: str,
    now: datetime,
    cases: Collection[Case] = (),
) -> RuleSet:
    """Put an earlier version into force again, or the packaged rules (id 0), as a new version.

    Raises:
        NotAllowed: the person may publish no rules.
        Conflict: it is in force already (`in_force`), or was never published.
        InputInvalid, NotFit, Stale: as for `publish`; the packaged rules are always fit.
    """
    rights.require_somewhere(by, PUBLISHING)
    _check_words("reason", reason, NOTE_LENGTH)
    if rule_set_id != PACKAGED_ID:
        result = await examine(database, by, rule_set_id, cases)
        if not result.passed:
            raise NotFit(result.failures)
    async with database.write() as session:
        await take_turn(session, Turn.AUDIT_CHAIN)
        now_live = await live(session)
        earlier = None if rule_set_id == PACKAGED_ID else await get(session, rule_set_id)
        if earlier is not None and earlier.published_at is None:
            raise Conflict("never_published")
        files = {} if earlier is None else dict(earlier.files)
        if files == (now_live.files if now_live else {}):
            raise Conflict("in_force")
        await _retire_live(session, instead_of, now)
        row = RuleSet(
            name=earlier.name if earlier else "",
            note=earlier.note if earlier else "",
            version=version_of(earlier),
            based_on=version_of(earlier),
            files=files,
            author=earlier.author if earlier else None,
            created_at=now,
            updated_at=now,
        )
        session.add(row)
        _put_in_force(row, reason, by.id, now)
        await session.flush()
        await _announce(session, row, by.id, now, again=rule_set_id)
    return row


async def _retire_live(session: AsyncSession, expected: int, now: datetime) -> None:
    row = await session.scalar(select(RuleSet).where(RuleSet.state == LIVE).with_for_update())
    if (row.id if row else PACKAGED_ID) != expected:
        raise Stale("live")
    if row is not None:
        row.state, row.retired_at = RETIRED, now
        row.row_version += 1
        # There may be one live row at any moment, also within this transaction.
        await session.flush()


def _put_in_force(row: RuleSet, reason: str, staff_id: int, now: datetime) -> None:
    row.state, row.published_at, row.published_by = LIVE, now, staff_id
    row.reason = reason.strip()


async def _announce(
    session: AsyncSession, row: RuleSet, staff_id: int, now: datetime, **more: object
) -> None:
    await session.flush()
    await _record(session, "rules.published", row, staff_id, now, **more)
    await notify(session, Topic.PUBLISHED)


async def _locked(
    session: AsyncSession,
    rule_set_id: int,
    row_version: int,
    states: Collection[str],
    now: datetime,
) -> RuleSet:
    """Return a row for changing, if it is still what its author saw."""
    row = await session.get(RuleSet, rule_set_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound(f"rule set {rule_set_id}")
    if row.row_version != row_version:
        raise Stale("row")
    if row.state not in states:
        raise Conflict("state")
    row.row_version += 1
    row.updated_at = now
    return row


async def _record(
    session: AsyncSession, action: str, row: RuleSet, staff_id: int, now: datetime, **data: object
) -> None:
    await audit.record(
        session,
        staff_id=staff_id,
        action=action,
        object_kind="rule_set",
        object_id=row.id,
        now=now,
        data={"version": row.version, **data},
    )


def _check_words(field: str, text: str, longest: int, *, needed: bool = True) -> None:
    if (needed and not text.strip()) or len(text) > longest:
        raise InputInvalid(field, field=field)

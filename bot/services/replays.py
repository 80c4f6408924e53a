"""Replay: the stored messages of some days judged again under a draft and under the live rules.

A replay is a chain of jobs, each one batch; the batch's results, its progress and the next job are
one commit, so a worker that is killed goes on where it was. Started and stopped by the rules'
pages; `bot.wiring` registers the job.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock
from bot.core.errors import Conflict, InputInvalid
from bot.db.engine import Database
from bot.db.models import Message, RuleChange, RuleReplay, RuleSet, Staff
from bot.db.models.rules import BROKEN, DRAFT, FINISHED, OUTDATED, RUNNING, SHADOW, STOPPED
from bot.jobs.errors import Bury, Retry
from bot.jobs.registry import JobRegistry, JobRun, OnAck
from bot.jobs.table import cancel, enqueue
from bot.services import audit, rights, rule_changes, rulesets, staff
from bot.services.replay_batches import Batch, judge, read_batch
from bot.services.rule_files import check_files
from bot.services.rules_in_force import RulesInForce
from bot.services.screening import Screen
from bot.services.staff import StaffView
from knowledge.risk import RuleSet as Rules
from knowledge.risk.compare import Difference

KIND = "rules.replay"
BATCH = 100
BATCH_SECONDS = 60.0
# Behind everything that anybody waits for.
PRIO = 9
DAYS, MOST_DAYS = 30, 365
FOLLOW_SECONDS = 2.0


async def latest(session: AsyncSession, rule_set_id: int) -> RuleReplay | None:
    """Return the newest replay of a rule set."""
    query = select(RuleReplay).where(RuleReplay.rule_set_id == rule_set_id)
    return await session.scalar(query.order_by(RuleReplay.id.desc()).limit(1))


async def start(
    session: AsyncSession,
    by: StaffView,
    rule_set_id: int,
    *,
    days: int,
    row_version: int,
    now: datetime,
) -> RuleReplay:
    """Begin a replay; of an earlier one of the same set only its counts are kept.

    Raises:
        NotAllowed: the person may replay no messages.
        InputInvalid: no number of days that makes sense.
        Conflict: the set was changed meanwhile (`Stale`), does not load (`NotFit`), is no draft, or
            another replay runs (`replay_runs`).
    """
    rights.require_somewhere(by, rulesets.PUBLISHING)
    if not 1 <= days <= MOST_DAYS:
        raise InputInvalid("days", field="days")
    row = await session.get(RuleSet, rule_set_id, with_for_update=True, populate_existing=True)
    if row is None or row.row_version != row_version:
        raise rulesets.Stale("row")
    if row.state not in (DRAFT, SHADOW):
        raise Conflict("state")
    if row.problem is not None:
        raise rulesets.NotFit
    running = select(RuleReplay.id).where(RuleReplay.state == RUNNING).limit(1)
    if await session.scalar(running) is not None:
        raise Conflict("replay_runs")
    await _forget_earlier(session, rule_set_id)
    since = now - timedelta(days=days)
    stored = select(func.count(Message.id), func.max(Message.id)).where(
        Message.received_at >= since
    )
    total, last = (await session.execute(stored)).one()
    replay = RuleReplay(
        rule_set_id=rule_set_id,
        days=days,
        live_version=rulesets.version_of(await rulesets.live(session)),
        new_version=row.version,
        since=since,
        last_message=last or 0,
        total=total,
        counts=rule_changes.count((), {}),
        started_by=by.id,
        started_at=now,
    )
    session.add(replay)
    await session.flush()
    await _enqueue(session, replay, now)
    await _record(session, "rules.replay_started", replay, by.id, now)
    return replay


async def stop(session: AsyncSession, by: StaffView, rule_set_id: int, *, now: datetime) -> None:
    """Stop the running replay of a set; what it has found so far stays."""
    rights.require_somewhere(by, rulesets.PUBLISHING)
    found = await latest(session, rule_set_id)
    if found is None:
        raise Conflict("not_running")
    replay = await session.get_one(
        RuleReplay, found.id, with_for_update=True, populate_existing=True
    )
    if replay.state != RUNNING:
        raise Conflict("not_running")
    replay.state, replay.finished_at = STOPPED, now
    await cancel(session, prefix=f"{KIND}:{replay.id}:", now=now)
    await _record(session, "rules.replay_stopped", replay, by.id, now)


async def _forget_earlier(session: AsyncSession, rule_set_id: int) -> None:
    earlier = select(RuleReplay.id).where(RuleReplay.rule_set_id == rule_set_id)
    await session.execute(delete(RuleChange).where(RuleChange.replay_id.in_(earlier)))


async def _enqueue(session: AsyncSession, replay: RuleReplay, now: datetime) -> None:
    key = f"{KIND}:{replay.id}:{replay.reached}"
    await enqueue(session, KIND, {"replay": replay.id}, key=key, now=now, prio=PRIO)


async def _record(
    session: AsyncSession, action: str, replay: RuleReplay, staff_id: int, now: datetime
) -> None:
    await audit.record(
        session,
        staff_id=staff_id,
        action=action,
        object_kind="rule_set",
        object_id=replay.rule_set_id,
        now=now,
        data={"replay": replay.id, "days": replay.days, "version": replay.new_version},
    )


class Replays:
    """Does the batches in the worker."""

    def __init__(
        self, database: Database, clock: Clock, screen: Screen, in_force: RulesInForce
    ) -> None:
        self._database = database
        self._clock = clock
        self._screen = screen
        self._in_force = in_force
        self._kept: tuple[str, Rules] | None = None

    def register(self, registry: JobRegistry) -> None:
        """Register the job."""
        registry.send(
            KIND, self.batch, timeout=BATCH_SECONDS, on_dead=self._give_up, on_unknown=self._give_up
        )

    async def batch(self, run: JobRun) -> OnAck | None:
        """Judge the next messages; what comes of it is written with the job's end."""
        replay_id = int(str(run.payload["replay"]))
        async with self._database.read() as session:
            replay = await session.get(RuleReplay, replay_id)
            if replay is None or replay.state != RUNNING:
                return None
            if not await _allowed(session, replay, self._clock.now()):
                return self._ended(replay_id, STOPPED)
            row = await rulesets.get(session, replay.rule_set_id)
            live = await rulesets.live(session)
            if (rulesets.version_of(live), row.version) != (
                replay.live_version,
                replay.new_version,
            ):
                return self._ended(replay_id, OUTDATED)
            if self._in_force.live_id != (live.id if live else rulesets.PACKAGED_ID):
                # This process has not yet taken over what was published a moment ago.
                raise Retry(FOLLOW_SECONDS, reason="rules_not_taken_over")
            batch = await read_batch(session, replay, BATCH)
        rules, in_force = await self._compiled(row), self._screen.rules
        if rules is None or in_force is None:
            raise Bury("rules_unusable")
        found, failed = await asyncio.to_thread(judge, batch.texts, in_force, rules)
        return self._written(batch, found, failed)

    async def _compiled(self, row: RuleSet) -> Rules | None:
        """Return the draft's rules; those of the batch before are kept."""
        if self._kept is None or self._kept[0] != row.version:
            checked = await check_files(row.files, row.files)
            self._kept = (row.version, checked.rules) if checked.rules else None
        return self._screen.with_model(self._kept[1]) if self._kept else None

    def _written(self, batch: Batch, found: Sequence[tuple[int, Difference]], failed: int) -> OnAck:
        async def write(session: AsyncSession) -> None:
            now = self._clock.now()
            replay = await _still_at(session, batch.replay_id, batch.since)
            if replay is None:
                return
            kept = await _not_erased(session, [message_id for message_id, _ in found])
            changes = [(message_id, one) for message_id, one in found if message_id in kept]
            session.add_all(
                rule_changes.row_of(
                    one,
                    rule_set_id=batch.rule_set_id,
                    replay_id=batch.replay_id,
                    message_id=message_id,
                    now=now,
                )
                for message_id, one in changes
            )
            told = [(one.live.value, one.new.value, one.categories) for _, one in changes]
            counts = rule_changes.count(told, replay.counts)
            counts["failed"] = int(str(replay.counts.get("failed", 0))) + failed
            replay.counts = counts
            replay.done += batch.read
            replay.reached = batch.reached
            if batch.read < BATCH or replay.reached >= replay.last_message:
                replay.state, replay.finished_at = FINISHED, now
            else:
                await _enqueue(session, replay, now)

        return write

    def _ended(self, replay_id: int, state: str) -> OnAck:
        async def write(session: AsyncSession) -> None:
            await _end(session, replay_id, state, self._clock.now())

        return write

    async def _give_up(self, session: AsyncSession, run: JobRun) -> None:
        await _end(session, int(str(run.payload["replay"])), BROKEN, self._clock.now())


async def _allowed(session: AsyncSession, replay: RuleReplay, now: datetime) -> bool:
    """Say whether whoever started a replay may still have other schools' messages judged."""
    person = await session.get(Staff, replay.started_by)
    if person is None or not person.active:
        return False
    return rights.may(await staff.view(session, person, now), rulesets.PUBLISHING)


async def _end(session: AsyncSession, replay_id: int, state: str, now: datetime) -> None:
    replay = await session.get(RuleReplay, replay_id, with_for_update=True, populate_existing=True)
    if replay is not None and replay.state == RUNNING:
        replay.state, replay.finished_at = state, now


async def _still_at(session: AsyncSession, replay_id: int, since: int) -> RuleReplay | None:
    """Return the replay if nobody has stopped it and no other worker did this batch."""
    replay = await session.get(RuleReplay, replay_id, with_for_update=True, populate_existing=True)
    if replay is None or replay.state != RUNNING or replay.reached != since:
        return None
    return replay


async def _not_erased(session: AsyncSession, ids: Sequence[int]) -> set[int]:
    """Return the messages that still have words; erasing waits until this is written."""
    rows = await session.execute(
        select(Message.id, Message.text).where(Message.id.in_(ids)).with_for_update(read=True)
    )
    return {message_id for message_id, text in rows if text}

"""Has the screen of this process follow what is published: the rules in force, and the shadow.

Called by `bot.upkeep` at start, at every notice and every few seconds. Rules that can't be used
leave the ones before in force, and the operator is told.
"""

import asyncio

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock
from bot.db.engine import Database
from bot.db.models import RuleSet
from bot.db.models.rules import LIVE, SHADOW
from bot.services import alarms, rulesets
from bot.services.alerts import AlertPolicy
from bot.services.rule_files import check_files
from bot.services.screening import Screen, Shadow

log = structlog.get_logger(__name__)

_STANDING = select(RuleSet.state, RuleSet.id, RuleSet.row_version).where(
    RuleSet.state.in_((LIVE, SHADOW))
)
Row = tuple[int, int]


class RulesInForce:
    """Follows the table for one screen."""

    def __init__(self, database: Database, clock: Clock, screen: Screen) -> None:
        self._database = database
        self._clock = clock
        self._screen = screen
        self._taken: dict[str, Row] = {}

    @property
    def live_id(self) -> int:
        """Return the rule set by which this process judges; 0: the packaged rules."""
        return self._taken.get(LIVE, (rulesets.PACKAGED_ID, 0))[0]

    async def follow(self, policy: AlertPolicy | None) -> None:
        """Take over what has changed since the last look."""
        async with self._database.read() as session:
            standing = await _standing(session)
            changed = [
                state for state in (LIVE, SHADOW) if standing.get(state) != self._taken.get(state)
            ]
            rows = {
                state: await rulesets.get(session, standing[state][0])
                for state in changed
                if state in standing
            }
        # Together: a shadow is compared with the rules in force, never with those before.
        failed = [state for state in changed if not await self._take(state, rows.get(state))]
        if failed:
            await self._tell(failed, policy)
        self._taken = standing

    async def _take(self, state: str, row: RuleSet | None) -> bool:
        """Put one set into its place; say whether it could be used."""
        if state == LIVE and (row is None or not row.files):
            await asyncio.to_thread(self._screen.reload)
            return self._screen.problem is None
        if row is None:
            self._screen.shadow = None
            return True
        checked = await check_files(row.files, row.files)
        if checked.rules is None:
            log.error("rules_unusable", rule_set=row.id, state=state)
            if state == SHADOW:
                self._screen.shadow = None
            return False
        if state == LIVE:
            self._screen.take(checked.rules)
        else:
            self._screen.shadow = Shadow(row.id, self._screen.with_model(checked.rules))
        return True

    async def _tell(self, failed: list[str], policy: AlertPolicy | None) -> None:
        async with self._database.write() as session:
            for state in failed:
                kind = "rules_invalid" if state == LIVE else "shadow_failed"
                await alarms.raise_alarm(session, kind, now=self._clock.now(), policy=policy)


async def _standing(session: AsyncSession) -> dict[str, Row]:
    found = await session.execute(_STANDING)
    return {state: (rule_set_id, version) for state, rule_set_id, version in found}

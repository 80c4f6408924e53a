"""The risk screen as the inbox uses it: last good rules, and a verdict even when it breaks.

If the rules can't be read at start the last good copy is used and an alarm raised; if the screen
fails on a text, the message counts as one that a person must look at (DESIGN §1, promise 1).
"""

import asyncio
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

import knowledge.risk
from bot.core.levels import ESCALATED, rank
from bot.services.guarding import GuardedClassifier, left_out
from knowledge.errors import KnowledgeError
from knowledge.risk import Assessment as Verdict
from knowledge.risk import Context, Level, RuleSet, assess, load_rules
from knowledge.risk.compare import Difference, difference

log = structlog.get_logger(__name__)

FAILED_LEVEL = Level.HIGH
PACKAGED = Path(knowledge.risk.__file__).parent / "rules"


@dataclass(frozen=True, slots=True)
class Screened:
    """What the screen says of one text.

    Args:
        verdict: None when the screen itself failed.
        level: the level after memory and the open case, `3` when the screen failed.
        fresh: the level that this message brings: by its own words, or together with the turns
            before it as far as that is more than the open case holds already.
        shadow: what the rule set in shadow says; None when there is none.
        unaided: the classifier broke on it, and the rules judged alone.
        hurried: the classifier was not asked, and the rules judged alone.
    """

    verdict: Verdict | None
    level: str
    fresh: str
    shadow: "Shadowed | None" = None
    unaided: bool = False
    hurried: bool = False

    @property
    def failed(self) -> bool:
        """Say whether the screen broke on this text."""
        return self.verdict is None

    @property
    def escalated(self) -> bool:
        """Say whether this text by itself opens or raises a case."""
        return self.fresh in ESCALATED


@dataclass(frozen=True, slots=True)
class Shadow:
    """A rule set that judges along and decides nothing."""

    rule_set_id: int
    rules: RuleSet


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What a rule set in shadow makes of one text.

    Args:
        difference: None when the level is the same, or when it `failed`.
    """

    rule_set_id: int
    difference: Difference | None
    failed: bool = False


class Screen:
    """Judge texts with the rules in force.

    Args:
        folder: where the rules stand; by default the packaged ones.
        keep: folder in which the last good rules are kept, so that they outlive a restart.
        classifier: what may raise a level beside the rules, see `bot.services.guarding`.
        unaided: why there is no classifier although there should be one.
    """

    def __init__(
        self,
        folder: Path = PACKAGED,
        keep: Path | None = None,
        classifier: GuardedClassifier | None = None,
        unaided: str | None = None,
    ) -> None:
        self._folder = folder
        self._keep = keep
        self._classifier = classifier
        self.unaided = unaided
        self.problem: str | None = None
        self.rules: RuleSet | None = None
        self.shadow: Shadow | None = None
        self.reload()

    def reload(self) -> None:
        """Read the rules again; broken ones leave the last good ones in force."""
        try:
            self.rules = self.with_model(load_rules(self._folder))
            self.problem = None
        except (KnowledgeError, OSError) as error:
            self.problem = str(error)
            log.error("rules_invalid", problem=self.problem)
            if self.rules is None:
                self.rules = self._last_good()
            return
        self._remember()

    def take(self, rules: RuleSet) -> None:
        """Put other rules into force; `reload` goes back to those of the folder."""
        self.rules = self.with_model(rules)

    def with_model(self, rules: RuleSet) -> RuleSet:
        """Give rules the classifier in force, so that rule sets differ by their rules only."""
        rules.classifier = self._classifier
        return rules

    def _remember(self) -> None:
        if self._keep is None:
            return
        fresh = self._keep.with_name(self._keep.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(self._folder, fresh)
        shutil.rmtree(self._keep, ignore_errors=True)
        fresh.rename(self._keep)

    def _last_good(self) -> RuleSet | None:
        if self._keep is None or not self._keep.exists():
            return None
        try:
            return self.with_model(load_rules(self._keep))
        except (KnowledgeError, OSError) as error:
            log.error("last_good_rules_invalid", problem=str(error))
            return None

    def judge(
        self,
        text: str,
        *,
        who: str | None,
        turns: Sequence[str],
        floor: str,
        weak_signs: int,
        aided: bool = True,
    ) -> Screened:
        """Judge one text; never raises.

        Args:
            aided: ask the classifier, if there is one; otherwise the rules judge alone.
        """
        with nullcontext() if aided else left_out():
            screened = self._judge(text, who, turns, floor, weak_signs)
        if aided or self._classifier is None or screened.verdict is None or self.rules is None:
            return screened
        alone = replace(screened.verdict, rule_version=self.rules.version)
        return replace(screened, verdict=alone, hurried=True)

    def _judge(
        self, text: str, who: str | None, turns: Sequence[str], floor: str, weak_signs: int
    ) -> Screened:
        failures = self._failures()
        try:
            if self.rules is None:
                raise RuntimeError("no rules are in force")
            context = Context(who, tuple(turns), Level(floor), weak_signs)
            verdict = assess(text, context, self.rules)
        except Exception as error:
            # The type only: an exception's text may hold a parent's words.
            log.error("screen_failed", error=type(error).__name__)
            return Screened(None, FAILED_LEVEL.value, FAILED_LEVEL.value)
        level = verdict.level.value
        raised = rank(level) > rank(floor)
        fresh = level if raised else verdict.fresh.value
        unaided = self._failures() > failures
        shadow = self._compare(text, context, self.rules, verdict)
        return Screened(verdict, level, fresh, shadow, unaided)

    async def warm(self, text: str) -> None:
        """Let the classifier read a text in another thread, before a transaction is opened.

        `judge` then finds what it said; the database is held for milliseconds less. Long texts are
        read again there, because which parts are read depends on what the rules find.
        """
        if self._classifier is not None:
            await asyncio.to_thread(self._classifier.propose, [text])

    def _failures(self) -> int:
        return self._classifier.failures if self._classifier else 0

    def _compare(
        self, text: str, context: Context, live: RuleSet, verdict: Verdict
    ) -> Shadowed | None:
        """Ask the rules in shadow as well; what they say, or that they break, changes nothing.

        An open case would hide every difference below its level, so both judge without it.
        """
        shadow = self.shadow
        if shadow is None:
            return None
        try:
            free = replace(context, floor=Level.NONE)
            told = verdict if context.floor is Level.NONE else assess(text, free, live)
            found = difference(told, assess(text, free, shadow.rules))
        except Exception as error:
            log.error("shadow_failed", error=type(error).__name__)
            return Shadowed(shadow.rule_set_id, None, failed=True)
        return Shadowed(shadow.rule_set_id, found)

"""Rule files as texts: those that ship, reading an edited set, and what is wrong with it.

Called by `bot.services.rulesets` and the replay. Compiling takes about half a second, so it is done
in a thread and outside of transactions.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache

from knowledge.risk import RuleSet, RulesInvalid, assess
from knowledge.risk.drafting import load_draft
from knowledge.risk.loading import digest_of, rule_texts


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a set of rule files can't be loaded.

    Args:
        field: `rule.field`, or a table; empty when the file can't be read at all.
        what: what the loader says; `bot/web/rules.toml` has the Chinese words.
    """

    file: str
    line: int | None
    field: str
    what: str

    def stored(self) -> dict[str, object]:
        """Return it as it is kept with its rule set."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Checked:
    """An edited set after reading: compiled, or with what is wrong."""

    rules: RuleSet | None
    problem: Problem | None


@cache
def packaged() -> Mapping[str, str]:
    """Return the rule files that ship with this release, by name."""
    return rule_texts()


@cache
def packaged_version() -> str:
    """Return the digest of the rule files that ship with this release."""
    return digest_of(packaged())


async def check_files(
    files: Mapping[str, str], trusted: Mapping[str, str] | None = None
) -> Checked:
    """Read and compile a set of rule files in a thread; never raises on what they hold.

    Args:
        trusted: a set that could be read before, whose regular expressions may stay although a
            newer release ships others: that in force for a draft, a checked set for itself.
    """
    return await asyncio.to_thread(_check, files, trusted or {})


def _check(files: Mapping[str, str], trusted: Mapping[str, str]) -> Checked:
    try:
        rules = load_draft(files, packaged(), trusted)
        # Builds what is only built when the first text comes.
        assess("-", rules=rules)
    except RulesInvalid as error:
        name = error.file.name if error.file else ""
        return Checked(None, Problem(name, error.line, error.field or "", error.problem))
    return Checked(rules, None)

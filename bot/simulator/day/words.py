"""What the simulated day's people write. Called by `plan`.

Questions and dangers are the benchmark's own packaged texts; small talk stands in `day.toml`.
"""

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from random import Random

from bot.bench.questions import questions
from bot.services.guarding import live_rules
from knowledge.risk import Context, RuleSet, assess

TRIES = 12


@cache
def smalltalk() -> tuple[str, ...]:
    """Return greetings, thanks and the like."""
    source = files("bot.simulator.day").joinpath("day.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(source)["smalltalk"])


@cache
def _rules() -> RuleSet:
    """Return the screen's rules; reading them and the classifier takes a second."""
    return live_rules("default")


class Words:
    """Texts in an order that the seed decides."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._questions: Iterator[str] = questions().stream(rng.randrange(2**32))

    def question(self) -> str:
        """Return a question that the screen takes for no danger, the next one at all if few are."""
        text = next(self._questions)
        for _ in range(TRIES):
            if not assess(text, Context(), _rules()).rule_ids:
                break
            text = next(self._questions)
        return text

    def chat(self) -> str:
        """Return some small talk."""
        return self._rng.choice(smalltalk())

    def danger(self) -> str:
        """Return a cry for help."""
        return self._rng.choice(questions().risks)

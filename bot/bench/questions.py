"""What the benchmark's parents write: each question different, none an alias of the handbook.

Called by every benchmark of this package.
"""

import random
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import gcd


@dataclass(frozen=True, slots=True)
class Questions:
    """The parts of questions, and whole messages that the risk screen must escalate."""

    openings: Sequence[str]
    scenes: Sequence[str]
    details: Sequence[str]
    asks: Sequence[str]
    risks: Sequence[str]

    def __len__(self) -> int:
        """Return how many different questions there are."""
        return len(self.openings) * len(self.scenes) * len(self.details) * len(self.asks)

    def nth(self, number: int) -> str:
        """Return one of the combinations."""
        words: list[str] = []
        for parts in (self.openings, self.scenes, self.details, self.asks):
            number, index = divmod(number, len(parts))
            words.append(parts[index])
        return "".join(words)

    def stream(self, seed: int) -> Iterator[str]:
        """Yield every question once, in an order that mixes all parts."""
        count = len(self)
        rng = random.Random(seed)
        position, step = rng.randrange(count), rng.randrange(count // 3, count // 2)
        while gcd(step, count) != 1:
            step += 1
        for _ in range(count):
            yield self.nth(position)
            position = (position + step) % count


@cache
def questions() -> Questions:
    """Return the questions of `questions.toml`."""
    source = files("bot.bench").joinpath("questions.toml").read_text(encoding="utf-8")
    return Questions(**tomllib.loads(source))

"""Stand-ins: an encoder-free retriever, rules read once, a screen that breaks, a slow search.

Fakes, not mocks: each does the least of what the real one does. Used through `house.py`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import knowledge
from bot.services.answers import Answers, Before
from bot.services.screening import Screen, Screened
from knowledge.decision import Decision, Thresholds
from knowledge.loader import Handbook, load_handbook
from knowledge.preference import NOBODY, Asker
from knowledge.retrieval import Hit, Retriever
from knowledge.risk import default_rules

HOMEWORK = "孩子写作业拖到十点多，一催就炸"
HOMEWORK_ENTRY = "T06-01"
VAGUE = "孩子最近怪怪的"
OFF_TOPIC = "今天食堂几点开门"
PRIVATE = "怎么跟孩子说身体的隐私"
PRIVATE_ENTRY = "T10-01"

FOUND: Mapping[str, Sequence[tuple[str, float]]] = {
    HOMEWORK: [(HOMEWORK_ENTRY, 0.93), ("T06-02", 0.03)],
    VAGUE: [("T02-01", 0.21), ("T04-01", 0.17), ("T08-01", 0.12)],
    OFF_TOPIC: [(HOMEWORK_ENTRY, 0.02)],
    PRIVATE: [(PRIVATE_ENTRY, 0.9)],
}


@cache
def handbook() -> Handbook:
    """Return the packaged handbook, read once for all tests."""
    return load_handbook(Path(knowledge.__file__).parent / "handbook")


class FakeRetriever(Retriever):
    """Finds what it was told for whole questions, and nothing for others."""

    def __init__(self, found: Mapping[str, Sequence[tuple[str, float]]] = FOUND) -> None:
        self.found = found
        self.degraded = self.rebuilt = None
        self.asked: list[str] = []

    def search(self, question: str, stage: str | None = None, top_k: int = 5) -> list[Hit]:
        """Return the hits listed for this question."""
        self.asked.append(question)
        return [
            Hit(entry, score, ("vector",), question)
            for entry, score in self.found.get(question, ())[:top_k]
        ]


class FakeAnswers(Answers):
    """The real decision and the real words over a fake search, which may be held up.

    Args:
        gate: while it is clear, every search waits; tests set it to let them go on.
        reached: set once a search has begun.
        begun: how many searches were begun.
    """

    def __init__(
        self, retriever: Retriever | None = None, *, unsigned_allowed: bool = True
    ) -> None:
        super().__init__(
            handbook(),
            retriever or FakeRetriever(),
            Thresholds(),
            unsigned_allowed=unsigned_allowed,
        )
        self.gate = asyncio.Event()
        self.gate.set()
        self.reached = asyncio.Event()
        self.begun = 0

    async def ask(
        self, question: str, asker: Asker = NOBODY, before: Before | None = None
    ) -> Decision:
        """Decide at once, in this thread, unless the gate is shut."""
        self.reached.set()
        self.begun += 1
        await self.gate.wait()
        return self.decide(question, asker, before)


class ReadyScreen(Screen):
    """The packaged rules, read once for all tests; remembers what it was asked to judge."""

    def reload(self) -> None:
        """Take the rules that were read before."""
        self.judged: list[str] = getattr(self, "judged", [])
        self.rules, self.problem = default_rules(), None

    def judge(self, text: str, **rest: Any) -> Screened:
        """Judge as the real one does, and note the text."""
        self.judged.append(text)
        return super().judge(text, **rest)

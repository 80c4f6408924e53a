"""Ask the live search every text of the exam and count what became of it.

Called by `xinqing eval handbook`, which gives it search, decision and screen: it knows no bot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from knowledge.decision import Decision, Kind
from knowledge.heldout.rows import Row
from knowledge.retrieval import Hit

DEPTH = 10
Decided = Literal["right", "wrong", "offered", "missed", "abstained"]
Outcome = Literal["danger", "alarm"] | Decided
# What the screen makes of a text: the fixed reply to danger comes alone, or entries stand below it.
Raised = Literal["", "alone", "with entries"]
FAULTS = (
    "right entry second",
    "another topic first",
    "not in ten",
    "answered wrongly",
    "abstained though first",
    "sent to choices though first",
    "choices without it",
    "danger seen where none is meant",
)
Figures = dict[str, float | int]


@dataclass(frozen=True)
class Asked:
    """
    What is asked, and who answers.

    Args:
        search: Returns the nearest entries, best first.
        decide: The live decision.
        danger: Whether the screen raises a text, so that a fixed reply comes instead of the answer,
            and whether what the search found stands by number below it.
        smalltalk: Whether a text is answered with a nod, and never searched.
    """

    search: Callable[[str], Sequence[Hit]]
    decide: Callable[[str], Decision]
    danger: Callable[[str], Raised]
    smalltalk: Callable[[str], bool]


@dataclass(frozen=True)
class Case:
    """
    What became of one text that an entry answers.

    Args:
        right: The entries that answer it.
        decided: What the search made of it, whatever the screen said.
        raised: Whether the screen raised it, so that the asker got the reply to danger instead,
            alone or with entries below it.
        found: The ids of the nearest, best first.
        score: That of the nearest, 0 for nothing.
    """

    row: Row
    right: frozenset[str]
    decided: Decided
    raised: Raised
    found: tuple[str, ...]
    score: float

    @property
    def topic(self) -> str:
        """The topic of the first entry that answers it."""
        return min(self.right).partition("-")[0]

    @property
    def outcome(self) -> Outcome:
        """What the asker got: `danger` where the text means it, `alarm` where it does not."""
        if self.raised:
            return "danger" if self.row.danger else "alarm"
        return self.decided

    @property
    def rank(self) -> int | None:
        """The place of the right entry from 1, or nothing."""
        return next((i for i, name in enumerate(self.found, 1) if name in self.right), None)

    @property
    def first(self) -> bool:
        """Whether the right entry came first, or the reply to danger was right instead."""
        return self.outcome == "danger" or self.rank == 1

    @property
    def served(self) -> bool:
        """Whether the asker gets the right entry, as the answer or to choose, or that reply."""
        shown = self.outcome == "alarm" and self.raised == "with entries"
        return (self.decided if shown else self.outcome) in ("danger", "right", "offered")


@dataclass(frozen=True)
class Unanswerable:
    """
    What became of one text that no entry answers.

    Args:
        decided: What the search made of it, whatever the screen said.
        outcome: What its writer got.
    """

    row: Row
    decided: Kind
    outcome: Kind | Literal["danger", "smalltalk"]
    score: float


def right_entries(covers: Mapping[str, Sequence[str]], row: Row) -> frozenset[str]:
    """
    Return the entries that answer a row.

    Args:
        covers: Per entry the ids of the questions that it covers.

    Raises:
        ValueError: None does.
    """
    wanted = set(row.ids)
    found = frozenset(name for name, asked in covers.items() if wanted & {name, *asked})
    if not found:
        raise ValueError(f"row {row.number}: no entry answers {', '.join(row.ids) or 'nothing'}")
    return found


def run_questions(
    rows: Iterable[Row], covers: Mapping[str, Sequence[str]], asked: Asked
) -> list[Case]:
    """
    Ask rows that entries answer.

    Raises:
        ValueError: No entry answers a row.
    """
    return [_case(row, right_entries(covers, row), asked) for row in rows]


def run_messages(rows: Iterable[Row], asked: Asked) -> list[Unanswerable]:
    """Ask rows that no entry answers."""
    found: list[Unanswerable] = []
    for row in rows:
        decision = asked.decide(row.text)
        outcome: Kind | Literal["danger", "smalltalk"] = decision.kind
        if asked.danger(row.text):
            outcome = "danger"
        elif asked.smalltalk(row.text):
            outcome = "smalltalk"
        found.append(Unanswerable(row, decision.kind, outcome, decision.score))
    return found


def _case(row: Row, right: frozenset[str], asked: Asked) -> Case:
    hits = asked.search(row.text)
    decision = asked.decide(row.text)
    decided: Decided = "abstained"
    if decision.kind == "answer":
        decided = "right" if decision.entry in right else "wrong"
    elif decision.kind == "choices":
        offered = {hit.entry for hit in decision.candidates}
        decided = "offered" if offered & right else "missed"
    found = tuple(hit.entry for hit in hits[:DEPTH])
    return Case(row, right, decided, asked.danger(row.text), found, hits[0].score if hits else 0.0)


def question_figures(cases: Sequence[Case]) -> Figures:
    """
    Count in shares of 1.

    `first` and `served` count the reply to danger as right where the text means danger, and as
    wrong elsewhere; `served_or_alarm` counts it as right everywhere. In `first_searched`, `in_ten`
    and `served_searched` the screen has no part.
    """
    total = max(len(cases), 1)

    def share(held: Iterable[bool]) -> float:
        return round(sum(held) / total, 4)

    def got(outcome: Outcome) -> float:
        return share(c.outcome == outcome for c in cases)

    return {
        "n": len(cases),
        "first": share(c.first for c in cases),
        "first_searched": share(c.rank == 1 for c in cases),
        "in_ten": share(c.rank is not None for c in cases),
        "served": share(c.served for c in cases),
        "served_searched": share(c.decided in ("right", "offered") for c in cases),
        "served_or_alarm": share(c.served or bool(c.raised) for c in cases),
        "answered_right": got("right"),
        "answered_wrong": got("wrong"),
        "choices_without": got("missed"),
        "abstained": got("abstained"),
        "danger": got("danger"),
        "alarm": got("alarm"),
    }


def message_figures(cases: Sequence[Unanswerable]) -> Figures:
    """Count in shares of 1 what messages without an entry got."""
    total = max(len(cases), 1)
    names = (
        ("answered", "answer"),
        ("choices", "choices"),
        ("abstained", "abstain"),
        ("smalltalk", "smalltalk"),
        ("danger", "danger"),
    )
    shares = {
        title: round(sum(c.outcome == name for c in cases) / total, 4) for title, name in names
    }
    searched = sum(c.decided == "answer" and c.outcome != "smalltalk" for c in cases)
    return {"n": len(cases), **shares, "answered_searched": round(searched / total, 4)}


def faults_of(case: Case) -> tuple[str, ...]:
    """Name what went wrong, of `FAULTS`: several, or none, as where danger was seen rightly."""
    if case.outcome == "danger":
        return ()
    rank, outcome = case.rank, case.decided
    elsewhere = bool(case.found) and case.found[0].partition("-")[0] not in _topics(case)
    holds = (
        rank == 2,
        rank != 1 and elsewhere,
        rank is None,
        outcome == "wrong",
        outcome == "abstained" and rank == 1,
        outcome in ("offered", "missed") and rank == 1,
        outcome == "missed",
        case.outcome == "alarm",
    )
    return tuple(name for name, held in zip(FAULTS, holds, strict=True) if held)


def _topics(case: Case) -> set[str]:
    return {name.partition("-")[0] for name in case.right}

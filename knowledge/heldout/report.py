"""Put the exam's figures together and write them as a table. Called by `xinqing eval handbook`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from knowledge.heldout.measure import (
    FAULTS,
    Case,
    Figures,
    Unanswerable,
    faults_of,
    message_figures,
    question_figures,
)
from knowledge.heldout.near import Double
from knowledge.heldout.reliability import Bin, Scored, bins_of, expected_error
from knowledge.heldout.rows import Half, is_in

C = TypeVar("C", Case, Unanswerable)
HEADS = {
    "n": "n",
    "first": "first",
    "first_searched": "(search)",
    "in_ten": "in 10",
    "served": "served",
    "served_searched": "(search)",
    "served_or_alarm": "(raised)",
    "answered_right": "answer",
    "answered_wrong": "wrong",
    "choices_without": "lost",
    "abstained": "abst.",
    "danger": "danger",
    "alarm": "alarm",
}
MESSAGE_HEADS = {
    "n": "n",
    "answered": "answered",
    "answered_searched": "(search)",
    "choices": "choices",
    "abstained": "abstained",
    "smalltalk": "smalltalk",
    "danger": "alarm",
}
UNANSWERABLE = "unanswerable"
KEY = (
    "first: the right entry first, or the reply to danger where danger is meant;\n"
    "served: answered right, offered as a choice, or that reply; (search): by search alone;\n"
    "(raised): served, or any reply to danger; answer: answered right; wrong: answered wrongly;\n"
    "lost: choices without it; abst.: told that there is no answer;\n"
    "danger: the reply to danger where it is meant; alarm: where it is not"
)


@dataclass(frozen=True)
class ExamReport:
    """
    What became of the exam.

    Args:
        doubles: Rows that the product (nearly) knows; those word for word were left out.
    """

    questions: Sequence[Case]
    entries: Sequence[Case]
    terms: Sequence[Case]
    messages: Sequence[Unanswerable]
    doubles: Sequence[Double] = field(default=())

    @property
    def curves(self) -> list[tuple[str, list[Bin]]]:
        """The bins of scores, of what can be answered and of everything that is searched."""
        asked = [Scored(case.score, case.rank == 1) for case in (*self.questions, *self.entries)]
        others = [
            Scored(case.score, False) for case in self.messages if case.outcome != "smalltalk"
        ]
        return [("asked", bins_of(asked)), ("all", bins_of([*asked, *others]))]

    def whole(self) -> dict[str, Any]:
        """Return the figures that are not split."""
        lacking = [case for case in self.messages if case.row.kind == UNANSWERABLE]
        ordinary = [case for case in self.messages if case.row.kind != UNANSWERABLE]
        return {
            "questions": question_figures(self.questions),
            "entries": question_figures(self.entries),
            "terms": question_figures(self.terms),
            UNANSWERABLE: message_figures(lacking),
            "ordinary": message_figures(ordinary),
            "calibration_error": {
                name: round(expected_error(bins), 4) for name, bins in self.curves
            },
        }

    def figures(self) -> dict[str, Any]:
        """Return every figure, in shares of 1."""
        ordinary = [case for case in self.messages if case.row.kind != UNANSWERABLE]
        return {
            **self.whole(),
            "by_length": _split(self.questions, lambda case: case.row.kind),
            "by_asker": _split(self.questions, lambda case: case.row.asker),
            "by_topic": _split(self.questions, lambda case: case.topic),
            "by_message": {
                kind: message_figures([c for c in ordinary if c.row.kind == kind])
                for kind in dict.fromkeys(c.row.kind for c in ordinary)
            },
            "halves": {half: self.half(half).whole() for half in ("odd", "even")},
            "faults": {name: len(cases) for name, cases in self.faults().items()},
            "reliability": {
                name: [
                    {
                        "from": b.low,
                        "n": b.n,
                        "score": round(b.score, 3),
                        "right": round(b.right, 3),
                    }
                    for b in bins
                ]
                for name, bins in self.curves
            },
            "word_for_word": sum(double.likeness == 1.0 for double in self.doubles),
            "nearly_known": sum(double.likeness < 1.0 for double in self.doubles),
        }

    @property
    def drawn(self) -> list[tuple[str, list[Bin]]]:
        """The curves to draw: what can be answered by halves, and everything that is searched."""
        names: tuple[Half, ...] = ("odd", "even")
        halves = [(half, self.half(half).curves[0][1]) for half in names]
        return [*((name, bins) for name, bins in halves if any(b.n for b in bins)), self.curves[1]]

    def half(self, half: Half) -> ExamReport:
        """Return what became of the odd rows, or of the even ones."""

        def kept(cases: Sequence[C]) -> list[C]:
            return [case for case in cases if is_in(case.row, half)]

        return ExamReport(
            kept(self.questions), kept(self.entries), kept(self.terms), kept(self.messages)
        )

    def faults(self) -> dict[str, list[Case]]:
        """Return the questions and entries of each kind of fault."""
        cases = (*self.questions, *self.entries)
        return {name: [case for case in cases if name in faults_of(case)] for name in FAULTS}


def _split(cases: Sequence[Case], by: Callable[[Case], str]) -> dict[str, Figures]:
    names = sorted({by(case) for case in cases})
    return {name: question_figures([c for c in cases if by(c) == name]) for name in names}


def as_text(report: ExamReport) -> str:
    """Write the figures for a reader: one line a group, shares as per cent."""
    found = report.figures()
    tables: tuple[str, ...] = ("questions", "entries", "terms")
    lines = [_head("", HEADS.values()), *_lines({n: found[n] for n in tables}, tuple(HEADS))]
    for half, figures in found["halves"].items():
        halves = {f"{half} {name}": figures[name] for name in tables}
        lines += _lines(halves, tuple(HEADS), indent="  ")
    for split in ("by_length", "by_asker", "by_topic"):
        lines += ["", f"questions {split.replace('_', ' ')}", *_lines(found[split], tuple(HEADS))]
    lines += ["", KEY, "", _head("no entry answers", MESSAGE_HEADS.values())]
    nothing = (UNANSWERABLE, "ordinary")
    lines += _lines({n: found[n] for n in nothing}, tuple(MESSAGE_HEADS))
    for half, figures in found["halves"].items():
        halves = {f"{half} {name}": figures[name] for name in nothing}
        lines += _lines(halves, tuple(MESSAGE_HEADS), indent="  ")
    lines += _lines(found["by_message"], tuple(MESSAGE_HEADS), indent="  ")
    lines += ["", "faults (one text may have several)"]
    lines += [f"{name:<30}{count:>5}" for name, count in found["faults"].items()]
    for name, bins in report.curves:
        lines += ["", f"score and share right, {name}: expected error {expected_error(bins):.3f}"]
        lines += [_bin_line(one) for one in bins if one.n]
    lines += [
        "",
        f"word for word in the product, left out: {found['word_for_word']}; "
        f"nearly so, kept: {found['nearly_known']}",
    ]
    return "\n".join(lines)


def faults_as_text(report: ExamReport, most: int) -> str:
    """Write up to so many examples of each kind of fault; the exam's texts are made up."""
    lines: list[str] = []
    for name, cases in report.faults().items():
        lines += ["", f"{name} ({len(cases)})"]
        for case in cases[:most]:
            found = " ".join(case.found[:3])
            lines.append(f"  {'/'.join(sorted(case.right))} ← {found} ({case.score:.2f})")
            lines.append(f"    {case.row.text}")
    return "\n".join(lines[1:])


def doubles_as_text(doubles: Sequence[Double]) -> str:
    """Write the rows that the product nearly knows, the likest first."""
    return "\n".join(f"{d.likeness:.2f}  {d.row.text}  ~  {d.known}" for d in doubles)


def _head(title: str, names: Any) -> str:
    return f"{title:<20}" + "".join(f"{name:>11}" for name in names)


def _lines(groups: Mapping[str, Figures], names: Sequence[str], indent: str = "") -> list[str]:
    return [
        f"{indent + group:<20}" + "".join(f"{_cell(name, figures):>11}" for name in names)
        for group, figures in groups.items()
    ]


def _cell(name: str, figures: Figures) -> str:
    return str(figures["n"]) if name == "n" else f"{figures[name]:.1%}"


def _bin_line(one: Bin) -> str:
    return f"{one.low:.1f}-{one.high:.1f}{one.n:>6}  score {one.score:.2f}  right {one.right:.2f}"

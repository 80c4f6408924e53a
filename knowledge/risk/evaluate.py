"""Judges rows of JSON and measures the screen on labelled texts.

Called by the command line: `xinqing risk --jsonl` uses `judge_row`, `xinqing eval risk --labelled`
uses `evaluate_rows`. Only rates leave this module from the latter, no texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from knowledge.risk.assess import assess
from knowledge.risk.rules import RuleSet
from knowledge.risk.values import SPEAKERS, Assessment, Context, Level


def judge_row(row: Mapping[str, Any], rules: RuleSet | None = None) -> dict[str, Any]:
    """Judge `{"text": …}` or `{"turns": […]}`, optionally with `"who"`; other keys are ignored.

    Returns:
        level, categories, spans (start, end, text; of the last turn) and reasons.
    """
    result = assess_row(row, rules)
    return {
        "level": result.level.value,
        "categories": list(result.categories),
        "spans": [{"start": s.start, "end": s.end, "text": s.text} for s in result.spans],
        "reasons": list(result.reasons),
    }


def assess_row(row: Mapping[str, Any], rules: RuleSet | None = None) -> Assessment:
    """Assess the last turn of a row in the light of the earlier ones."""
    turns = [str(turn) for turn in row.get("turns") or [row.get("text") or ""]]
    who = row.get("who")
    who = who if who in SPEAKERS else None
    floor = Level.NONE
    for end in range(1, len(turns)):
        earlier = Context(who, tuple(turns[max(0, end - 11) : end - 1]), floor)
        floor = assess(turns[end - 1], earlier, rules).level
    return assess(turns[-1], Context(who, tuple(turns[-11:-1]), floor), rules)


@dataclass
class _Tally:
    """Counts of one label."""

    must: int = 0
    must_hit: int = 0
    harmless: int = 0
    harmless_hit: int = 0
    undecided: int = 0
    undecided_hit: int = 0

    def add(self, must: bool | None, hit: bool) -> None:
        if must is None:
            self.undecided += 1
            self.undecided_hit += hit
        elif must:
            self.must += 1
            self.must_hit += hit
        else:
            self.harmless += 1
            self.harmless_hit += hit

    def rates(self) -> dict[str, Any]:
        return {
            "must_escalate": self.must,
            "recall": _rate(self.must_hit, self.must),
            "harmless": self.harmless,
            "false_alarm_rate": _rate(self.harmless_hit, self.harmless),
            "undecided": self.undecided,
            "undecided_escalated": _rate(self.undecided_hit, self.undecided),
        }


def evaluate_rows(
    rows: Iterable[Mapping[str, Any]], rules: RuleSet | None = None
) -> dict[str, Any]:
    """Measure recall and false alarms; escalated means level 2 or more.

    Args:
        rows: `{"text" or "turns", "must_escalate": true | false | null, "label", "who"?}`.
    """
    whole, labels = _Tally(), dict[str, _Tally]()
    for row in rows:
        hit = assess_row(row, rules).level.escalated
        must = row.get("must_escalate")
        whole.add(must, hit)
        labels.setdefault(str(row.get("label")), _Tally()).add(must, hit)
    return {
        **whole.rates(),
        "by_label": {label: tally.rates() for label, tally in sorted(labels.items())},
    }


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None

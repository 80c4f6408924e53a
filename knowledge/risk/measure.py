"""Measure the screen on labelled messages: recall and false alarms by category, level and speaker.

Called by `xinqing eval risk`, which CI prints at every change, and by tests. Only rates leave this
module, no texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from knowledge.risk.evaluate import assess_row
from knowledge.risk.model.examples import Example
from knowledge.risk.rules import RuleSet
from knowledge.risk.values import Level

SHORT, LONG = 15, 45

# How the messages are grouped. `danger` holds those that a person must see, the others the rest.
GROUPS: dict[str, Callable[[Example], str]] = {
    "level": lambda row: row.least.value,
    "category": lambda row: row.category,
    "who": lambda row: row.who,
    "length": lambda row: _length(sum(map(len, row.turns))),
    "messages": lambda row: "one" if len(row.turns) == 1 else "several",
    "source": lambda row: row.source,
}


@dataclass
class Tally:
    """How many messages of a group were escalated, and how many reached their level."""

    rows: int = 0
    escalated: int = 0
    at_level: int = 0

    @property
    def rate(self) -> float:
        """Return the share that was escalated: recall among dangers, false alarms otherwise."""
        return self.escalated / self.rows if self.rows else 0.0


@dataclass
class Measured:
    """What was measured: for each grouping and value a tally of dangers and one of the rest."""

    danger: dict[str, dict[str, Tally]] = field(default_factory=dict)
    harmless: dict[str, dict[str, Tally]] = field(default_factory=dict)
    whole_danger: Tally = field(default_factory=Tally)
    whole_harmless: Tally = field(default_factory=Tally)


def measure(rows: Iterable[Example], rules: RuleSet) -> Measured:
    """Judge every row as live would, and count; a danger is what must be level 2 or more."""
    found = Measured()
    for row in rows:
        level = assess_row({"turns": list(row.turns)}, rules).level
        groups = found.danger if row.escalated else found.harmless
        whole = found.whole_danger if row.escalated else found.whole_harmless
        tallies = [whole]
        for name, of in GROUPS.items():
            tallies.append(groups.setdefault(name, {}).setdefault(of(row), Tally()))
        for tally in tallies:
            _count(tally, row, level)
    return found


def _count(tally: Tally, row: Example, level: Level) -> None:
    tally.rows += 1
    tally.escalated += level.escalated
    tally.at_level += level.rank >= row.least.rank


def _length(characters: int) -> str:
    if characters <= SHORT:
        return f"to {SHORT}"
    return f"to {LONG}" if characters <= LONG else f"over {LONG}"


def table(found: Measured, names: Iterable[str] = GROUPS) -> str:
    """Return the figures as lines of text: dangers found, at their level, false alarms."""
    lines = [f"{'':24}{'dangers':>9}{'found':>8}{'at level':>10}{'others':>9}{'alarms':>8}"]
    lines.append(_line("all", found.whole_danger, found.whole_harmless))
    for name in names:
        danger, harmless = found.danger.get(name, {}), found.harmless.get(name, {})
        for value in sorted(danger.keys() | harmless.keys()):
            label = f"{name} {value or '?'}"
            lines.append(_line(label, danger.get(value, Tally()), harmless.get(value, Tally())))
    return "\n".join(lines)


def _line(label: str, danger: Tally, harmless: Tally) -> str:
    recall = f"{danger.rate:.3f}" if danger.rows else "–"
    at_level = f"{danger.at_level / danger.rows:.3f}" if danger.rows else "–"
    alarms = f"{harmless.rate:.3f}" if harmless.rows else "–"
    return f"{label:24}{danger.rows:>9}{recall:>8}{at_level:>10}{harmless.rows:>9}{alarms:>8}"

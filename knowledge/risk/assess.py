"""The screen itself: text in, level out. Called by the inbox for every message, whole.

normalise → idioms → rules → context → classifier (may only raise) → memory of the conversation.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from knowledge.risk.reading import Finding, Reading, read
from knowledge.risk.rules import Combo, RuleSet, load_rules
from knowledge.risk.values import Assessment, Context, Level, Span, max_level

_MAX_TURNS = 10


@lru_cache(maxsize=1)
def default_rules() -> RuleSet:
    """Return the rules that ship with the project, loaded once."""
    return load_rules()


def assess(text: str, context: Context = Context(), rules: RuleSet | None = None) -> Assessment:
    """Judge one message; never raises on any text.

    A later, calmer message does not lower the level: the result is at least `context.floor`, at
    least the level of each earlier turn, and at least what the turns mean together.
    """
    rules = rules or default_rules()
    turns = context.turns[-_MAX_TURNS:]
    alone = read([text], context.who, rules)
    whole = read([*turns, text], context.who, rules) if turns else alone
    combos = _combos(alone, rules, "message")
    fresh = max_level([alone.level, *(combo.level for combo in combos), _proposed(text, rules)])
    if turns:
        combos += _combos(whole, rules, "turns")
    combos += _day(alone, turns, context, rules)
    level = max_level([fresh, whole.level, context.floor, *(combo.level for combo in combos)])
    return Assessment(
        level=level,
        fresh=fresh,
        weak=bool(alone.weak_rules),
        who=whole.who,
        rule_version=rules.version,
        spans=_spans(text, alone, whole, bool(combos)),
        **_told(whole, combos),
    )


def _combos(reading: Reading, rules: RuleSet, scope: str) -> list[Combo]:
    """Return the combinations of signs that are complete in a message or over the turns."""
    signs, weak = reading.signs, len(reading.weak_rules)
    return [
        combo
        for combo in rules.combos
        if combo.scope == scope
        and all(need & signs for need in combo.needs)
        and weak >= combo.weak
    ]


def _day(
    alone: Reading, turns: tuple[str, ...], context: Context, rules: RuleSet
) -> list[Combo]:
    """Count the messages of the day that carry a weak sign, this one among them."""
    if not alone.weak_rules:
        return []
    earlier = sum(bool(read([turn], context.who, rules).weak_rules) for turn in turns)
    count = 1 + earlier + context.weak_signs
    return [combo for combo in rules.combos if combo.scope == "day" and count >= combo.weak]


def _proposed(text: str, rules: RuleSet) -> Level:
    return rules.classifier.propose(text) if rules.classifier else Level.NONE


def _told(reading: Reading, combos: list[Combo]) -> dict[str, object]:
    """Put categories, reasons and rules in order of severity, the worst first."""
    fired: list[tuple[Level, str, str, str]] = [
        (f.level, f.rule.category, f.rule.reason, f.rule.id)
        for f in reading.findings
        if f.level.rank > 0
    ]
    fired += [(combo.level, combo.category, combo.reason, combo.id) for combo in combos]
    fired.sort(key=lambda row: -row[0].rank)
    categories = [category for _, category, _, _ in fired]
    if reading.testing and categories:
        categories.append("TEST")
    if not categories:
        categories = ["NONE" if all(f.real for f in reading.findings) else "EDU"]
    return {
        "categories": _unique(categories),
        "reasons": _unique(reason for _, _, reason, _ in fired),
        "rule_ids": _unique(name for _, _, _, name in fired),
        "subject": _subject(reading.findings),
    }


def _subject(findings: list[Finding]) -> str:
    fired = [finding for finding in findings if finding.level.rank > 0]
    return max(fired, key=lambda f: f.level.rank).subject if fired else "unknown"


def _spans(text: str, alone: Reading, whole: Reading, combined: bool) -> tuple[Span, ...]:
    """Return the words of the last message that fired, merged where they touch."""
    offset = len(whole.folded.text) - len(alone.folded.text)
    stretches = {
        (low - shift, high - shift)
        for reading, shift in ((alone, 0), (whole, offset))
        for finding in reading.findings
        if finding.level.rank > 0 or (combined and finding.real)
        for low, high in finding.run
        if low >= shift
    }
    merged: list[tuple[int, int]] = []
    for low, high in sorted(stretches):
        start, end = alone.folded.starts[low], alone.folded.ends[high - 1]
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(Span(start, end, text[start:end]) for start, end in merged)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))

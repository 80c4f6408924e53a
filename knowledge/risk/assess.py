"""The screen itself: text in, level out. Called by the inbox for every message, whole.

normalise → idioms → rules → context → classifier (may only raise) → memory of the conversation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from knowledge.risk import match
from knowledge.risk.context import Reader
from knowledge.risk.match import Run
from knowledge.risk.normalise import TURN, Folded, fold, join
from knowledge.risk.rules import Combo, Rule, RuleSet, load_rules
from knowledge.risk.values import Assessment, Context, Level, Span, Subject, max_level

_WEAK_IN_ONE, _WEAK_IN_DAY = 3, 3
_EXCEPTION = 24  # characters between a finding and the words that excuse it
_MAX_TURNS = 10


@dataclass(frozen=True, slots=True)
class _Finding:
    """A rule that fired at one place, after the context filters."""

    rule: Rule
    level: Level
    subject: Subject
    real: bool
    run: Run


@dataclass(frozen=True)
class _Reading:
    """All findings of one text or of a conversation."""

    folded: Folded
    reader: Reader
    findings: list[_Finding]
    combos: list[Combo]
    level: Level


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
    alone = _read([text], context.who, rules)
    fresh = max_level([alone.level, _proposed(text, rules)])
    level, told = fresh, [alone]
    if context.turns:
        together = _read([*context.turns[-_MAX_TURNS:], text], context.who, rules)
        level = max_level([level, together.level, _memory(text, together, context, rules)])
        told.append(together)
    elif context.weak_signs and _weak(alone):
        counted = context.weak_signs + 1
        level = max_level([level, Level.HIGH if counted >= _WEAK_IN_DAY else level])
    return _assessment(text, told, max_level([level, context.floor]), fresh, rules)


def _read(texts: list[str], who: str | None, rules: RuleSet) -> _Reading:
    """Match, filter and combine."""
    folded = join([rules.rewriter.text(fold(text, TURN)) for text in texts])
    found = match.find(folded, rules)
    reader = Reader(found, rules, who)
    findings: list[_Finding] = []
    for number in match.candidates(found, rules):
        rule = rules.owners[number]
        if rule is not None:
            for run in match.runs(found, rules.patterns[number]):
                findings.append(_judge(rule, run, reader))
                if findings[-1].level == rule.levels["default"]:
                    break
    findings = [finding for finding in findings if not _excepted(finding, reader)]
    findings = [_softened(finding, reader) for finding in findings]
    signs = {tag for finding in findings if finding.real for tag in _signs(finding.rule)}
    combos = [
        combo
        for combo in rules.combos
        if (len(texts) > 1 or not combo.turns_only) and all(need & signs for need in combo.needs)
    ]
    levels = [finding.level for finding in findings] + [combo.level for combo in combos]
    return _Reading(folded, reader, findings, combos, max_level(levels))


def _judge(rule: Rule, run: Run, reader: Reader) -> _Finding:
    level, subject, real = reader.judge(rule, run)
    return _Finding(rule, level, subject, real, run)


def _excepted(finding: _Finding, reader: Reader) -> bool:
    return _near(finding.rule.unless, finding, reader)


def _softened(finding: _Finding, reader: Reader) -> _Finding:
    rule = finding.rule
    if finding.level.rank <= rule.softened.rank or not _near(rule.soften, finding, reader):
        return finding
    return _Finding(rule, rule.softened, finding.subject, finding.real, finding.run)


def _near(patterns: Iterable[int], finding: _Finding, reader: Reader) -> bool:
    """Tell whether one of the patterns stands within reach of the finding."""
    low, high = finding.run[0][0] - _EXCEPTION, finding.run[-1][1] + _EXCEPTION
    present = reader.found.places.keys()
    for number in patterns:
        pattern = reader.rules.patterns[number]
        if pattern.needed <= present:
            for run in match.runs(reader.found, pattern):
                if low <= run[0][0] and run[-1][1] <= high:
                    return True
    return False


def _signs(rule: Rule) -> tuple[str, ...]:
    return rule.tags or ((rule.id,) if rule.weak else ())


def _weak(reading: _Reading) -> bool:
    return any(finding.real and finding.rule.weak for finding in reading.findings)


def _memory(text: str, together: _Reading, context: Context, rules: RuleSet) -> Level:
    """Count the messages of the day that carry a weak sign."""
    if not _weak(together):
        return Level.NONE
    texts = (*context.turns[-_MAX_TURNS:], text)
    signs = sum(_weak(_read([one], context.who, rules)) for one in texts)
    return Level.HIGH if signs + context.weak_signs >= _WEAK_IN_DAY else Level.NONE


def _proposed(text: str, rules: RuleSet) -> Level:
    return rules.classifier.propose(text) if rules.classifier else Level.NONE


def _assessment(
    text: str, told: list[_Reading], level: Level, fresh: Level, rules: RuleSet
) -> Assessment:
    alone, last = told[0], told[-1]
    ranked = sorted(
        (finding for finding in last.findings if finding.level.rank > 0),
        key=lambda finding: -finding.level.rank,
    )
    combos = sorted(last.combos, key=lambda combo: -combo.level.rank)
    return Assessment(
        level=level,
        categories=_categories(last, ranked, combos),
        spans=_spans(text, alone, last),
        who=last.reader.guess,
        subject=ranked[0].subject if ranked else "unknown",
        reasons=_unique([finding.rule.reason for finding in ranked] + [c.reason for c in combos]),
        rule_ids=_unique([finding.rule.id for finding in ranked] + [c.id for c in combos]),
        rule_version=rules.version,
        weak=_weak(alone),
        fresh=fresh,
    )


def _categories(reading: _Reading, ranked: list[_Finding], combos: list[Combo]) -> tuple[str, ...]:
    rows = [(finding.level.rank, finding.rule.category) for finding in ranked]
    rows += [(combo.level.rank, combo.category) for combo in combos]
    rows.sort(key=lambda row: -row[0])
    names = [category for _, category in rows]
    if reading.reader.testing and names:
        names.append("TEST")
    if not names:
        names = ["EDU" if any(not finding.real for finding in reading.findings) else "NONE"]
    return _unique(names)


def _spans(text: str, alone: _Reading, last: _Reading) -> tuple[Span, ...]:
    """Return the words of the last message that fired, merged where they touch."""
    offset = len(last.folded.text) - len(alone.folded.text)
    stretches = [
        (low - shift, high - shift)
        for reading, shift in ((alone, 0), (last, offset))
        for finding in reading.findings
        if finding.level.rank > 0 or (reading.combos and finding.real)
        for low, high in finding.run
        if low >= shift
    ]
    merged: list[tuple[int, int]] = []
    for low, high in sorted(set(stretches)):
        start, end = alone.folded.starts[low], alone.folded.ends[high - 1]
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(Span(start, end, text[start:end]) for start, end in merged)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))

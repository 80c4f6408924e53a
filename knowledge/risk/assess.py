"""The screen itself: text in, level out. Called by the inbox for every message, whole.

normalise → idioms → rules → context → classifier (may only raise) → memory of the conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from knowledge.risk.classifier import NOTHING, Proposal
from knowledge.risk.loading import load_rules
from knowledge.risk.reading import Finding, Reading, read, split_over, together
from knowledge.risk.rules import Combo, Rule, RuleSet
from knowledge.risk.values import Assessment, Context, Level, Span, Subject, max_level

_MAX_TURNS = 10
_NEAR_TURNS = 3
_KEPT, _KEPT_LENGTH = 4_000, 300
_NOTHING_KNOWN = Context()
_HINT = "hint"
_BY_SOMEBODY_NEAR = frozenset({"SA", "ABU", "DV", "TCH"})
# Where harmless idioms (死角, 想死你了) make up so much of a message, its dark words are theirs,
# and the classifier has to be surer. Measured: it costs no danger of the exams.
_MOSTLY_IDIOM, _SURE = 0.2, 0.955
# Of so few letters that no rule takes for a danger or its twin (小孩吃手, 打人) the classifier has
# learned too little: it has to be surer. Measured: it costs no danger of the exams.
_FEW_LETTERS = 7
# What the last messages mean together counts where this one makes them so much worse, or where they
# are all but certain. Measured: of harmless questions one after the other half as many are raised,
# and of dangers told over several messages none fewer is found (docs/risk.md).
_LEAST_TOGETHER, _MADE_WORSE, _SURE_TOGETHER = 0.45, 0.3, 0.8


@lru_cache(maxsize=1)
def default_rules() -> RuleSet:
    """Return the rules that ship with the project, loaded once."""
    return load_rules()


def assess(
    text: str, context: Context = _NOTHING_KNOWN, rules: RuleSet | None = None
) -> Assessment:
    """Judge one message; never raises on any text.

    A later, calmer message does not lower the level: the result is at least `context.floor`, at
    least the level of each earlier turn, and at least what the turns mean together.
    """
    rules = rules or default_rules()
    told = _tell(text, context, rules)
    own, proposed = _proposals(text, told, context, rules)
    fresh = max_level([told.alone.level, *(one.level for one in told.own), own.level])
    level = max_level(
        [fresh, told.whole.level, context.floor, proposed.level, *(one.level for one in told.all)]
    )
    # A message that is worst by its own words is told by them, not by what was said before it.
    reading = told.whole if told.all or told.whole.level.rank > fresh.rank else told.alone
    fired = _fired(reading, told.all, proposed)
    return Assessment(
        level=level,
        categories=_categories(reading, fired),
        spans=_spans(text, told.alone, told.whole, bool(told.all)),
        who=_first_known([told.alone, told.whole, *told.earlier]),
        subject=_subject(reading.findings),
        reasons=_unique(row.reason for row in fired),
        rule_ids=_unique(row.id for row in fired),
        rule_version=rules.judged_by,
        weak=told.alone.weak,
        fresh=fresh,
    )


def proposal(
    text: str, context: Context = _NOTHING_KNOWN, rules: RuleSet | None = None
) -> Proposal:
    """Return what the classifier says inside `assess`, for those who explain a judgement."""
    rules = rules or default_rules()
    return _proposals(text, _tell(text, context, rules), context, rules)[1]


@dataclass(frozen=True, slots=True)
class _Told:
    """What the rules read in a message and the turns before it.

    Args:
        own: combinations complete in this message; `all` also those over the turns and the day.
    """

    alone: Reading
    earlier: list[Reading]
    whole: Reading
    own: list[Combo]
    all: list[Combo]


def _tell(text: str, context: Context, rules: RuleSet) -> _Told:
    turns = context.turns[-_MAX_TURNS:]
    alone = _single(text, context.who, rules)
    earlier = [_single(turn, context.who, rules) for turn in turns]
    own = _combos(alone, rules, "message")
    over = _over_turns(alone, earlier, rules) if turns else []
    return _Told(
        alone=alone,
        earlier=earlier,
        whole=together([*earlier, _with_split(turns, text, alone, context, rules)])
        if turns
        else alone,
        own=own,
        all=[*own, *over, *_day(alone, earlier, context, rules)],
    )


def _with_split(
    turns: Sequence[str], text: str, alone: Reading, context: Context, rules: RuleSet
) -> Reading:
    """Add what is said only by the last messages together: "我不想" and then "活了"."""
    split = split_over(turns, text, context.who, rules)
    return replace(alone, findings=[*alone.findings, *split.findings])


def _proposals(
    text: str, told: _Told, context: Context, rules: RuleSet
) -> tuple[Proposal, Proposal]:
    """Ask the classifier about the message alone, and the higher of that and of the last turns."""
    own = _proposed([text], told.alone, told.own, rules)
    told_already = max(own.level.rank, told.whole.level.rank, context.floor.rank)
    if not context.turns or told_already >= Level.HIGH.rank:
        return own, own
    near = together([*told.earlier[-_NEAR_TURNS:], told.alone])
    last = zip(context.turns[-_NEAR_TURNS:], told.earlier[-_NEAR_TURNS:], strict=True)
    before = [turn for turn, reading in last if not _misread(turn, reading, rules)]
    if not before:
        return own, own
    joined = _proposed([*before, text], near, told.all, rules)
    if not _made_worse(joined, before, rules):
        return own, own
    return own, max(own, joined, key=lambda one: (one.level.rank, one.score))


def _misread(turn: str, reading: Reading, rules: RuleSet) -> bool:
    """Tell whether the classifier was not believed about a message; beside others it errs again."""
    if rules.classifier is None:
        return False
    hinted = _is_hinted(reading, ())
    said = rules.classifier.propose([turn], hinted=hinted)
    return said.level.rank > 0 and not _believed(said, reading, hinted=hinted)


def _made_worse(joined: Proposal, before: Sequence[str], rules: RuleSet) -> bool:
    """Tell whether a message brings a danger to those before it, and not only one more worry."""
    if joined.level.rank == 0 or joined.score >= _SURE_TOGETHER or rules.classifier is None:
        return True
    grown = joined.score - rules.classifier.propose(before).score
    return joined.score >= _LEAST_TOGETHER and grown >= _MADE_WORSE


def _combos(reading: Reading, rules: RuleSet, scope: str) -> list[Combo]:
    """Return the combinations of signs that are complete in a message or over the turns."""
    signs, weak = reading.signs, len(reading.weak_rules)
    return [
        combo
        for combo in rules.combos
        if combo.scope == scope and weak >= combo.weak and _complete(combo, signs)
    ]


def _over_turns(alone: Reading, earlier: Sequence[Reading], rules: RuleSet) -> list[Combo]:
    """Return what this message completes together with the few before it.

    It has to bring one of the signs itself, and what lies further back belongs to another matter:
    a parent who asks about several things in a day is not in danger because of their sum.
    """
    brought = frozenset().union(*(tags for _, tags in alone.signs))
    near = together([*earlier[-_NEAR_TURNS:], alone])
    return [
        combo
        for combo in _combos(near, rules, "turns")
        if any(need & brought for need in combo.needs)
    ]


def _complete(combo: Combo, signs: list[tuple[int, frozenset[str]]]) -> bool:
    """Tell whether all needed signs stand together; over several turns the distance is free."""
    wanted = frozenset().union(*combo.needs)
    useful = [(place, tags) for place, tags in signs if tags & wanted]
    if combo.scope != "message":
        present = frozenset().union(*(tags for _, tags in useful))
        return all(need & present for need in combo.needs)
    # Where each need was met last; the signs come in the order of their places.
    met: list[int | None] = [None] * len(combo.needs)
    for place, tags in useful:
        met = [place if need & tags else last for need, last in zip(combo.needs, met, strict=True)]
        if all(last is not None and place - last <= combo.within for last in met):
            return True
    return not combo.needs


def _day(
    alone: Reading, earlier: Sequence[Reading], context: Context, rules: RuleSet
) -> list[Combo]:
    """Count the messages of the day that carry a weak sign, this one among them."""
    if not alone.weak:
        return []
    count = 1 + sum(one.weak for one in earlier) + context.weak_signs
    return [combo for combo in rules.combos if combo.scope == "day" and count >= combo.weak]


def _single(text: str, who: str | None, rules: RuleSet) -> Reading:
    """Read one message by itself; the turns of a conversation come again with each new one."""
    if len(text) > _KEPT_LENGTH:
        return read([text], who, rules)
    key = (text, who)
    kept: Reading | None = rules.readings.get(key)
    if kept is None:
        if len(rules.readings) >= _KEPT:
            rules.readings.clear()
        kept = rules.readings[key] = read([text], who, rules)
    return kept


def _first_known(readings: Iterable[Reading]) -> str:
    return next((one.who for one in readings if one.who != "X"), "X")


def _proposed(
    turns: Sequence[str], reading: Reading, combos: Sequence[Combo], rules: RuleSet
) -> Proposal:
    """Ask the classifier, if there is one.

    It is told where signs stand in a long text, and whether the rules saw what may be a danger or
    its harmless twin: then it needs to be less sure.
    """
    if rules.classifier is None:
        return NOTHING
    hinted = _is_hinted(reading, combos)
    places = [reading.folded.starts[place] for place, _ in reading.signs]
    said = rules.classifier.propose(turns, places, hinted=hinted)
    return said if _believed(said, reading, hinted=hinted) else replace(NOTHING, score=said.score)


def _is_hinted(reading: Reading, combos: Sequence[Combo]) -> bool:
    real = any(_HINT in finding.rule.tags for finding in reading.findings if finding.real)
    return real or any(combo.level is Level.WATCH for combo in combos)


def _believed(said: Proposal, reading: Reading, *, hinted: bool) -> bool:
    """Tell whether the classifier is sure enough where it has learned little."""
    few = not hinted and len(reading.folded.text) <= _FEW_LETTERS
    return said.score >= _SURE or not (few or reading.idioms >= _MOSTLY_IDIOM)


@dataclass(frozen=True, slots=True)
class _Raised:
    """A classifier's proposal, in the shape of a rule that fired."""

    category: str
    reason: str
    id: str


def _fired(
    reading: Reading, combos: list[Combo], proposed: Proposal
) -> list[Rule | Combo | _Raised]:
    """Return what fired, the worst first; the classifier only where it saw more than all rules."""
    rows: list[tuple[int, Rule | Combo | _Raised]] = [
        (finding.level.rank, finding.rule) for finding in reading.findings if finding.level.rank > 0
    ]
    rows += [(combo.level.rank, combo) for combo in combos]
    rows.sort(key=lambda row: -row[0])
    fired = [row for _, row in rows]
    if proposed.level.rank > (rows[0][0] if rows else 0):
        # What a rule saw of a harm by somebody near goes before the classifier's guess at a kind,
        # because the kind decides who may be told.
        near = next((row for row in fired if row.category in _BY_SOMEBODY_NEAR), None)
        category = near.category if near is not None else proposed.category
        fired.insert(0, _Raised(category, proposed.reason, f"model.{proposed.category}"))
    return fired


def _categories(reading: Reading, fired: list[Rule | Combo | _Raised]) -> tuple[str, ...]:
    names = [row.category for row in fired]
    if not names:
        told = any(not finding.real for finding in reading.findings)
        return ("EDU",) if told else ("NONE",)
    return _unique([*names, "TEST"] if reading.testing else names)


def _subject(findings: list[Finding]) -> Subject:
    fired = [finding for finding in findings if finding.level.rank > 0]
    return max(fired, key=lambda finding: finding.level.rank).subject if fired else "unknown"


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

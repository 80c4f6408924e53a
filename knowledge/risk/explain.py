"""Why a text was judged as it was, and what would change it.

Called by the test box of the pages. Nothing here is guessed: each line of "what would change it" is
the text judged again with one thing different. Pure as `assess` is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from knowledge.risk.assess import assess, default_rules, proposal
from knowledge.risk.classifier import Classifier, Proposal
from knowledge.risk.explanation import (
    COMBO,
    MODEL,
    RULE,
    Carried,
    Change,
    Explanation,
    Filtered,
    Fired,
    ModelPart,
)
from knowledge.risk.match import Run
from knowledge.risk.normalise import COMMA
from knowledge.risk.reading import Finding, Reading, read, split_over
from knowledge.risk.rules import Combo, Rule, RuleSet
from knowledge.risk.values import Assessment, Context, Level, Span, max_level
from knowledge.risk.variants import (
    FILTERS,
    SEVERAL,
    scratch,
    unfiltered,
    without,
    without_classifier,
)

# Speakers that a text is judged for once more; None: nobody knows.
SPEAKERS_TRIED: tuple[str | None, ...] = ("PC", "PS", "S", "T", "G", None)
MOST_CLAUSES, MOST_RULES, MOST_FILTERED = 8, 12, 20
# A longer text is judged again for its worst rules only: each time may take a second.
LONG, RULES_OF_LONG = 2_000, 2


@dataclass(frozen=True, slots=True)
class _Told:
    """One text with its surroundings, its judgement and what stands in it."""

    text: str
    context: Context
    rules: RuleSet
    found: Assessment
    reading: Reading

    @property
    def long(self) -> bool:
        return len(self.text) > LONG

    def spans(self, reading: Reading, findings: Iterable[Finding]) -> tuple[Span, ...]:
        """Return where findings stand in the text as it was written, merged where they touch."""
        starts, ends = reading.folded.starts, reading.folded.ends
        runs = {part for finding in findings for part in finding.run}
        merged: list[tuple[int, int]] = []
        for start, end in sorted((starts[low], ends[high - 1]) for low, high in runs):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return tuple(Span(start, end, self.text[start:end]) for start, end in merged)

    def level(
        self,
        *,
        text: str | None = None,
        context: Context | None = None,
        rules: RuleSet | None = None,
    ) -> Level:
        """Return the level with something different."""
        return assess(
            self.text if text is None else text, context or self.context, rules or self.rules
        ).level


def explain(text: str, context: Context | None = None, rules: RuleSet | None = None) -> Explanation:
    """Judge one message and say why; never raises on any text."""
    context = context or Context()
    rules = scratch(rules or default_rules())
    if rules.classifier is not None:
        rules.classifier = _Once(rules.classifier)
    found = assess(text, context, rules)
    told = _Told(text, context, rules, found, _reading(text, context, rules))
    parts = [] if told.long else _clauses(told)
    said = proposal(text, context, rules)
    fired = tuple(_fired(told, said))
    return Explanation(
        assessment=found,
        fired=fired,
        filtered=() if told.long else _filtered(told),
        model=_model(told, said, fired, parts),
        changes=tuple(_changes(told, fired, parts)),
        shortened=told.long,
    )


def _reading(text: str, context: Context, rules: RuleSet) -> Reading:
    """Read the text, with what is said only by it and the messages before it together."""
    alone = read([text], context.who, rules)
    split = split_over(context.turns, text, context.who, rules)
    return replace(alone, findings=[*alone.findings, *split.findings])


class _Once:
    """A classifier that judges the same text once: most trials differ in the rules only."""

    def __init__(self, inner: Classifier) -> None:
        self._inner = inner
        self._known: dict[tuple[tuple[str, ...], tuple[int, ...], bool], Proposal] = {}

    @property
    def version(self) -> str:
        return self._inner.version

    def propose(
        self, turns: Sequence[str], places: Sequence[int] = (), *, hinted: bool = False
    ) -> Proposal:
        key = (tuple(turns), tuple(places), hinted)
        if key not in self._known:
            self._known[key] = self._inner.propose(turns, places, hinted=hinted)
        return self._known[key]


def _fired(told: _Told, said: Proposal) -> Iterator[Fired]:
    """Return the rows behind the assessment's rule ids, in their order: the worst first."""
    rules = {rule.id: rule for rule in told.rules.rules}
    combos = {combo.id: combo for combo in told.rules.combos}
    earlier = [read([turn], told.context.who, told.rules) for turn in told.context.turns]
    for name in told.found.rule_ids:
        if name in rules:
            yield _rule_row(told, rules[name], earlier)
        elif name in combos:
            yield _combo_row(told, combos[name])
        else:
            level, category = said.level, said.category
            yield Fired(MODEL, name, category, level, said.reason, "", ())


def _rule_row(told: _Told, rule: Rule, earlier: Sequence[Reading]) -> Fired:
    here = [f for f in told.reading.findings if f.rule.id == rule.id and f.level.rank > 0]
    level, turn = _level(here), 0
    if not here:
        # It stands in earlier messages only: the worst is named, of several the newest.
        for number, one in enumerate(earlier, 1):
            before = _level(f for f in one.findings if f.rule.id == rule.id)
            if before.rank >= max(level.rank, 1):
                level, turn = before, number
    spans = told.spans(told.reading, here)
    return Fired(RULE, rule.id, rule.category, level, rule.reason, rule.file, spans, turn)


def _combo_row(told: _Told, combo: Combo) -> Fired:
    """Show a combination with the words of this text that are signs of it."""
    wanted = frozenset().union(*combo.needs)
    signs = [
        finding
        for finding in told.reading.findings
        if finding.real
        and (
            wanted & frozenset(finding.rule.tags or (finding.rule.id,))
            or (combo.weak and finding.rule.weak and finding.level.rank > 0)
        )
    ]
    spans = told.spans(told.reading, signs)
    return Fired(COMBO, combo.id, combo.category, combo.level, combo.reason, combo.file, spans)


def _level(findings: Iterable[Finding]) -> Level:
    return max_level(finding.level for finding in findings)


def _filtered(told: _Told) -> tuple[Filtered, ...]:
    """Lift one filter after the other and see which findings appear or rise."""
    given = {(f.rule.id, f.run): f.level for f in told.reading.findings}
    named: set[tuple[str, Run]] = set()
    rows: list[Filtered] = []
    for name in (*FILTERS, SEVERAL):
        lifted = read([told.text], told.context.who, unfiltered(told.rules, name))
        risen: dict[str, list[Finding]] = {}
        for finding in lifted.findings:
            key = (finding.rule.id, finding.run)
            # `several`, the last, is for what no single filter explains.
            if finding.level.rank > given.get(key, Level.NONE).rank and (
                name != SEVERAL or key not in named
            ):
                risen.setdefault(finding.rule.id, []).append(finding)
                named.add(key)
        rows += [_filtered_row(told, name, lifted, found, given) for found in risen.values()]
    worst = sorted(rows, key=lambda row: -row.level.rank)
    return tuple(worst[:MOST_FILTERED])


def _filtered_row(
    told: _Told,
    name: str,
    lifted: Reading,
    found: Sequence[Finding],
    given: dict[tuple[str, Run], Level],
) -> Filtered:
    rule = found[0].rule
    before = max_level(given.get((rule.id, finding.run), Level.NONE) for finding in found)
    spans = told.spans(lifted, found)
    level = _level(found)
    return Filtered(name, rule.id, rule.category, level, before, rule.reason, rule.file, spans)


def _clauses(told: _Told) -> list[Span]:
    """Cut the text at commas and stops; of many clauses those with findings are kept first."""
    folded = told.reading.folded
    begins = [i for i, strength in enumerate(folded.breaks) if i and strength >= COMMA]
    cuts = [0, *(folded.starts[i] for i in begins), len(told.text)]
    parts = [Span(start, end, told.text[start:end]) for start, end in pairwise(cuts) if start < end]
    if len(parts) < 2:
        return []
    places = [folded.starts[low] for f in told.reading.findings for low, _ in f.run]
    busy = {part for part in parts if any(part.start <= place < part.end for place in places)}
    chosen = sorted(parts, key=lambda part: part not in busy)[:MOST_CLAUSES]
    return sorted(chosen, key=lambda part: part.start)


def _rest(told: _Told, clause: Span) -> str:
    return told.text[: clause.start] + told.text[clause.end :]


def _model(
    told: _Told, said: Proposal, fired: Sequence[Fired], parts: Sequence[Span]
) -> ModelPart | None:
    classifier = told.rules.classifier
    if classifier is None:
        return None
    carried = sorted(
        (Carried(part, said.score - _score_without(told, part)) for part in parts),
        key=lambda one: -one.drop,
    )
    raised = any(row.kind == MODEL for row in fired)
    return ModelPart(classifier.version, said, raised, tuple(carried))


def _score_without(told: _Told, clause: Span) -> float:
    return proposal(_rest(told, clause), told.context, told.rules).score


def _changes(told: _Told, fired: Sequence[Fired], parts: Sequence[Span]) -> Iterator[Change]:
    """Judge the text again with one thing different each time."""
    before, context = told.found.level, told.context
    for row in _tried(told, fired):
        less = without_classifier(told.rules) if row.kind == MODEL else None
        rules = less or without(told.rules, {row.id})
        kind = MODEL if less else RULE
        yield Change(kind, row.id, before, told.level(rules=rules))
    if context.floor is not Level.NONE:
        calm = replace(context, floor=Level.NONE)
        yield Change("floor", "", before, told.level(context=calm))
    if context.turns:
        yield Change("turns", "", before, told.level(context=replace(context, turns=())))
    for part in parts:
        yield Change("clause", part.text, before, told.level(text=_rest(told, part)))
    if not told.long:
        for who in SPEAKERS_TRIED:
            if who != context.who:
                other = replace(context, who=who)
                yield Change("speaker", who or "X", before, told.level(context=other))


def _tried(told: _Told, fired: Sequence[Fired]) -> Sequence[Fired]:
    return fired[: RULES_OF_LONG if told.long else MOST_RULES]

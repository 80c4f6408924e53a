"""Reads one text or a conversation: which rules fire where, and at what level here.

Called by `assess`. Long texts are read in overlapping windows, so the time grows with the length
and nothing at the end of a long message goes unread.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from knowledge.risk import match
from knowledge.risk.context import Reader
from knowledge.risk.match import Run
from knowledge.risk.normalise import COMMA, TURN, Folded, fold, is_emoji, join
from knowledge.risk.rules import Rule, RuleSet
from knowledge.risk.values import Level, Subject, max_level

_WINDOW, _OVERLAP, _LONG = 10 * match.BLOCK, 2 * match.BLOCK, 5_000
_SPLIT_TURNS, _SPLIT_LENGTH = 2, 200
_PARTICLES = frozenset("了吧啊呢啦呀嘛算哦噢唉")
_EXCEPTION = 24  # characters between a finding and the words that excuse it
_ADDING = frozenset({"SI-P", "SI-A", "DIS"})  # what adds up over a day


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that fired at one place, after the context filters.

    Args:
        real: false when the words were negated, quoted from a lesson or the like.
        run: the stretches of the folded text that fired.
    """

    rule: Rule
    level: Level
    subject: Subject
    real: bool
    run: Run


@dataclass(frozen=True, slots=True)
class Reading:
    """All findings of one text or of a conversation.

    Args:
        idioms: the part of one message that harmless idioms cover, 0…1; 0 for several.
    """

    folded: Folded
    findings: list[Finding]
    who: str
    testing: bool
    idioms: float = 0.0

    @property
    def level(self) -> Level:
        """Return the level of the worst finding."""
        return max_level(finding.level for finding in self.findings)

    @property
    def signs(self) -> list[tuple[int, frozenset[str]]]:
        """Return the signs of all findings that were meant, each with the place it begins."""
        found = {
            (min(low for low, _ in f.run), frozenset(f.rule.tags or (f.rule.id,)))
            for f in self.findings
            if f.real
        }
        return sorted(found, key=lambda sign: sign[0])

    @property
    def weak(self) -> bool:
        """Tell whether it adds to the signs of the day.

        A weak rule does, and so does a wish or distress that is one for a counselor by itself.
        """
        return bool(self.weak_rules) or any(
            f.real and f.level is Level.FOCUS and f.rule.category in _ADDING for f in self.findings
        )

    @property
    def weak_rules(self) -> set[str]:
        """Return the rules of the weak signs in it."""
        return {f.rule.id for f in self.findings if f.real and f.rule.weak and f.level.rank > 0}


def read(texts: Sequence[str], who: str | None, rules: RuleSet) -> Reading:
    """Match, filter, and leave out what is excused by the words around it."""
    folded = join([_folded(text, rules) for text in texts])
    findings: list[Finding] = []
    done: set[str] = set()
    guess, testing = "X", False
    scan = match.Scan(folded, rules)
    for offset in _windows(folded):
        reader = Reader(match.Found(scan, offset, offset + _WINDOW), rules, who)
        testing = testing or reader.testing
        fired = [_shifted(finding, offset) for finding in _findings(reader, done)]
        worst = max(fired, key=lambda finding: finding.level.rank, default=None)
        told = reader.speaker(worst is not None and worst.subject == "other")
        guess = told if guess == "X" else guess
        findings += fired
        if len(folded.text) > _LONG:
            done |= {finding.rule.id for finding in fired if finding.level == finding.rule.top}
    return Reading(folded, findings, guess, testing, scan.idioms)


def _folded(text: str, rules: RuleSet) -> Folded:
    """Fold a text and rewrite it; an emoji that no rule names is a gap between letters."""
    folded = fold(text, TURN)
    spare = {char for char in set(folded.text) if is_emoji(char)} - rules.emoji
    return rules.rewriter.text(folded.without(spare) if spare else folded)


def together(readings: Sequence[Reading]) -> Reading:
    """Put the readings of several messages behind one another, in the order in which they came.

    A finding never reaches from one message into the next: what they mean together is for the
    combinations, not for words that happen to meet.
    """
    findings: list[Finding] = []
    offset = 0
    for one in readings:
        findings += [_shifted(finding, offset) for finding in one.findings]
        offset += len(one.folded.text)
    who = next((one.who for one in readings if one.who != "X"), "X")
    testing = any(one.testing for one in readings)
    return Reading(join([one.folded for one in readings]), findings, who, testing)


def split_over(turns: Sequence[str], text: str, who: str | None, rules: RuleSet) -> Reading:
    """Read what is said only by the last messages together: "我不想" and then "活了".

    Only a finding whose words run over the joint counts, and only when the new message says no
    more in that clause: "他想" and then "死活不肯" is two things. The places of the findings are
    those of `text` alone.
    """
    before = "".join(turn.strip() for turn in turns[-_SPLIT_TURNS:])[-_SPLIT_LENGTH:]
    rest = text.lstrip()[:_SPLIT_LENGTH]
    alone = _folded(text, rules)
    if not before or not rest:
        return Reading(alone, [], "X", False)
    glued = read([before + rest], who, rules)
    starts, ends = glued.folded.starts, glued.folded.ends
    cut = len(text) - len(text.lstrip())
    findings = []
    for finding in glued.findings:
        for low, high in _touching(finding.run):
            reach = ends[high - 1] - len(before)
            if starts[low] < len(before) and reach > 0 and _says_no_more(glued.folded, high):
                size = max(1, bisect_left(alone.starts, reach + cut))
                findings.append(replace(finding, run=((0, size),)))
                break
    return Reading(alone, findings, glued.who, glued.testing)


def _touching(run: Run) -> list[tuple[int, int]]:
    """Return the stretches of a run, those that touch put together."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(run):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def _says_no_more(folded: Folded, position: int) -> bool:
    """Tell whether the clause ends here, but for the particles that end one."""
    while position < len(folded.text) and folded.breaks[position] < COMMA:
        if folded.text[position] not in _PARTICLES:
            return False
        position += 1
    return True


def _windows(folded: Folded) -> Iterable[int]:
    """Return where the windows begin; two neighbouring blocks lie together in one of them."""
    size = len(folded.text)
    return range(0, size - _OVERLAP, _WINDOW - _OVERLAP) if size > _WINDOW else (0,)


def _findings(reader: Reader, done: set[str]) -> Iterator[Finding]:
    """Judge every rule but those of `done`, which a long text has already shown at their worst."""
    rules = reader.rules
    for number in reader.found.candidates():
        rule = rules.owners[number]
        if rule is None or 0 < rule.longest < len(reader.found.folded.text):
            continue
        if rule.id not in done:
            yield from _of_pattern(number, rule, reader)


def _of_pattern(number: int, rule: Rule, reader: Reader) -> Iterator[Finding]:
    """Judge the places of one pattern, until one has the highest level the rule can give."""
    for run in match.runs(reader.found, reader.rules.patterns[number]):
        if _near(rule.unless, run, reader):
            continue
        level, subject, real = reader.judge(rule, run)
        if level.rank > rule.softened.rank and _near(rule.soften, run, reader):
            level = rule.softened
        yield Finding(rule, level, subject, real, run)
        if level == rule.top:
            return


def _near(patterns: Iterable[int], run: Run, reader: Reader) -> bool:
    """Tell whether one of the patterns stands within reach of the run."""
    low, high = run[0][0] - _EXCEPTION, run[-1][1] + _EXCEPTION
    for number in patterns:
        if reader.found.may_hold(number):
            for other in match.runs(reader.found, reader.rules.patterns[number]):
                if low <= other[0][0] and other[-1][1] <= high:
                    return True
    return False


def _shifted(finding: Finding, offset: int) -> Finding:
    if not offset:
        return finding
    return replace(finding, run=tuple((low + offset, high + offset) for low, high in finding.run))

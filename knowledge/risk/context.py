"""Reads what stands around a danger word: whose it is, when, whether it is meant.

Called by `assess` for each finding, in this order: subject, tense, negation, hypothetical,
quotation (testing, strangers), register (lessons, films, news). Every filter only lowers, and a
rule may switch single filters off.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

from knowledge.risk.match import Found, Run, Stretch
from knowledge.risk.normalise import COMMA, STOP
from knowledge.risk.rules import Rule, RuleSet
from knowledge.risk.values import Level, Subject

# What is happening now is never supposed, and no test.
_NOW = frozenset({"SI-AT", "OD", "ACC"})
_THEN = "就"
_NEAR, _AROUND, _REPORT = 15, 30, 30
_ADULTS = frozenset({"PS", "PC", "PO", "T", "G"})
_ABOUT_CHILD = frozenset({"PC", "T", "G"})
# What somebody does to himself or is hurt by; in the other categories an adult is the one who acts.
_OWN_DANGER = frozenset({"SI-A", "SI-P", "SI-PL", "SI-AT", "NSSI", "OD", "ACC"})


@dataclass(frozen=True)
class Reader:
    """Answers questions about the surroundings of a stretch of one folded text."""

    found: Found
    rules: RuleSet
    who: str | None

    def judge(self, rule: Rule, run: Run) -> tuple[Level, Subject, bool]:
        """Return the level of one finding here, its subject, and whether it was taken as real."""
        start, end = min(part[0] for part in run), max(part[1] for part in run)
        subject = self.subject(start, end, rule.category)
        level = self._level(rule, subject)
        on = _Switch(rule.ignore)
        if on("register") and self._told(start, end, rule.category):
            return Level.NONE, subject, False
        if on("negation") and self._negated(start):
            least = Level.WATCH if subject == "self" and level.rank > 1 else Level.NONE
            return least, subject, False
        if on("tense") and self._long_ago(start, end):
            level = level.lowered()
        if on("hypothetical") and level.rank > 2 and self._if(start, end, rule.category):
            level = Level.FOCUS
        if on("stranger") and subject == "other" and self._beside("stranger", start, end):
            level = level.lowered()
        if self.testing and level.rank > 2 and rule.category not in _NOW:
            level = Level.FOCUS
        return level, subject, True

    @cached_property
    def guess(self) -> str:
        """Return the given speaker, or the best guess from the words."""
        if self.who:
            return self.who
        if self._places("who_parent") and self._places("who_minor"):
            # A mother who names her own mother, or a child that quotes hers: nobody can tell.
            return "X"
        return next((code for slot, code in _CLUES if self._places(slot)), "X")

    @cached_property
    def testing(self) -> bool:
        """Tell whether the message begins by saying that it is a test, unlike 心理测试完她说…"""
        return any(begin == 0 for begin, _ in self._places("testing"))

    def subject(self, start: int, end: int, category: str) -> Subject:
        """Return whom the words from `start` to `end` are about."""
        clause = self.found.folded.clause_start(start, strength=STOP) if start else 0
        if category in _OWN_DANGER and self._of_kin(start, end):
            return "other"
        if self._reported(start):
            return self._other_or_child(start, end)
        me = self._last("self", clause, start + 1)
        them = self._last("third", clause, start + 1)
        if me is not None and (them is None or me > them):
            return "self"
        if them is not None:
            return self._other_or_child(start, end)
        if self.guess in {"PS", "S"}:
            return "self"
        if self.guess in _ABOUT_CHILD:
            return "child"
        return "other" if self.guess == "PO" else "unknown"

    def _level(self, rule: Rule, subject: Subject) -> Level:
        if subject == "self":
            return self._self_level(rule)
        if subject == "other" and self.guess != "PO":
            return max(
                rule.level_for("other"), rule.level_for("child"), key=lambda level: level.rank
            )
        if subject == "unknown":
            kinds = ("minor", "adult", "child")
            return max((rule.level_for(kind) for kind in kinds), key=lambda level: level.rank)
        return rule.level_for(subject)

    def _self_level(self, rule: Rule) -> Level:
        if self.who == "S":
            return rule.level_for("minor")
        if self.who in _ADULTS or self.guess in _ADULTS:
            return rule.level_for("adult")
        return max(rule.level_for("minor"), rule.level_for("adult"), key=lambda level: level.rank)

    def _of_kin(self, start: int, stop: int) -> bool:
        """Tell whether an adult of the family or a stranger is the one in danger: 我老公想自杀."""
        folded = self.found.folded
        low = folded.clause_start(start, strength=COMMA) if start else 0
        if any(begin == low for begin, _ in self._places("say")):
            low = folded.clause_start(start, strength=STOP)
        named = [place for place in self._places("kin") if low <= place[0] <= start]
        if not named:
            return False
        begin, end = max(named, key=lambda place: (place[1], -place[0]))
        if self._ending("kin_object", begin) is not None:
            return False
        later = [*self._places("self"), *self._places("child")]
        return not any(end <= place[0] < stop for place in later)

    def speaker(self, about_other: bool) -> str:
        """Return who speaks, once it is known whether another adult is in danger."""
        if not about_other or self.guess not in {"PS", "PC", "G", "S"}:
            return self.guess
        if self.guess != "S":
            return "PO"
        return "S" if self.who or self._places("who_pupil") else "X"

    def _other_or_child(self, start: int, end: int) -> Subject:
        """Tell somebody else's child from one's own; what is only guessed holds for its sentence.

        In "孩子站在阳台上不肯下来。昨天一个网友说…" the child of the first sentence is one's own.
        """
        if self.guess != "PO":
            return "child"
        mine = self.who is None and self._beside("child", start, end)
        return "child" if mine and not self._beside("who_other", start, end) else "other"

    def _reported(self, start: int, after: int = 0) -> bool:
        """Tell whether a child is quoted: 孩子说…, 儿子在作文里写…, or 女儿: … at the beginning."""
        third = self._places("third")
        breaks = self.found.folded.breaks
        if any(begin == 0 and 0 < end < start and breaks[end] == COMMA for begin, end in third):
            return True
        return any(
            0 <= start - said_end <= _REPORT and any(0 <= said - end <= 8 for _, end in third)
            for said, said_end in self._places("say")
            if said >= after
        )

    def _negated(self, start: int) -> bool:
        """Walk back over filler words to a negation in the same clause."""
        position = start
        while (step := self._ending("neg_filler", position)) is not None:
            position = step
        begin = self._ending("negator", position)
        if begin is None or self.found.folded.crosses_comma(begin, start + 1):
            return False
        return not any(low <= begin < high for low, high in self._places("not_negation"))

    def _long_ago(self, start: int, end: int) -> bool:
        if self._around("recent", start, end):
            return False
        return self._around("long_ago", start, end)

    def _if(self, start: int, stop: int, category: str) -> bool:
        """Tell whether it is only supposed; "要是再逼我,我就跳" is a threat, and means it."""
        if category in _NOW:
            return False
        near = [end for _, end in self._places("if") if 0 <= start - end <= _NEAR]
        return bool(near) and not any(_THEN in self.found.folded.text[end:stop] for end in near)

    def _told(self, start: int, end: int, category: str) -> bool:
        """Tell whether this is a lesson, a film or the news, with no link to one's own child.

        The marker must stand in the same sentence, and no child may speak after it: in
        "看完电影他说不想活了" the film explains nothing.
        """
        if self._places("own_link"):
            return False
        if self.who == "Q":
            return True
        folded = self.found.folded
        low = folded.clause_start(start, strength=STOP)
        high = folded.clause_end(end - 1, strength=STOP)
        return any(
            low <= begin < high
            and not self._reported(start, after=stop)
            and not self._acts_himself(stop, start, category)
            for begin, stop in self._places("lesson")
            if begin - end <= _AROUND and start - stop <= _AROUND
        )

    def _acts_himself(self, after: int, start: int, category: str) -> bool:
        """Tell whether a child does it after the film or the news: 看了新闻,他站在阳台上不下来."""
        if category not in _NOW:
            return False
        clause = self.found.folded.clause_start(start, strength=COMMA)
        return after <= clause and self._last("third", clause, start + 1) is not None

    def _around(self, slot: str, start: int, end: int) -> bool:
        return any(
            low - end <= _AROUND and start - high <= _AROUND for low, high in self._places(slot)
        )

    def _beside(self, slot: str, start: int, end: int) -> bool:
        """Tell whether a word of the slot stands near, in the same sentence."""
        folded = self.found.folded
        low = folded.clause_start(start, strength=STOP)
        high = folded.clause_end(end - 1, strength=STOP)
        return any(
            low <= begin < high and begin - end <= _AROUND and start - stop <= _AROUND
            for begin, stop in self._places(slot)
        )

    def _last(self, slot: str, low: int, high: int) -> int | None:
        """Return the end of the last word of the slot that begins inside [low, high)."""
        ends = [stop for begin, stop in self._places(slot) if low <= begin < high]
        return max(ends, default=None)

    def _ending(self, slot: str, position: int) -> int | None:
        """Return where the longest word of the slot that ends at `position` begins."""
        places = self._places(slot)
        at = bisect_left([end for _, end in places], position)
        starts = []
        while at < len(places) and places[at][1] == position:
            starts.append(places[at][0])
            at += 1
        return min(starts, default=None)

    def _places(self, slot: str) -> list[Stretch]:
        return self.found.of(self.rules.slot_groups[slot])


@dataclass(frozen=True, slots=True)
class _Switch:
    ignored: frozenset[str]

    def __call__(self, name: str) -> bool:
        return name not in self.ignored


_CLUES = (
    ("who_other", "PO"),
    ("who_teacher", "T"),
    ("who_grand", "G"),
    ("who_minor", "S"),
    ("who_parent", "PC"),
    ("who_adult", "PS"),
    ("who_school", "S"),
)
CONTEXT_SLOTS = frozenset(
    {"self", "third", "say", "neg_filler", "negator", "not_negation", "recent", "long_ago", "if"}
    | {"stranger", "testing", "lesson", "own_link", "kin", "kin_object", "who_pupil", "child"}
    | {slot for slot, _ in _CLUES}
)

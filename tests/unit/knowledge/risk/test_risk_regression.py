"""The check before publishing, and what two rule sets make of one text."""

from __future__ import annotations

from collections.abc import Sequence

from knowledge.risk import Context, Level, RuleSet, default_rules, load_rules
from knowledge.risk.classifier import Proposal
from knowledge.risk.compare import compare
from knowledge.risk.loading import rule_texts
from knowledge.risk.regression import Case, check, examples

WORRY = "孩子用小刀划手臂"
CALM = "孩子不爱吃青菜"


def own(level: str, patterns: str, more: str = "") -> RuleSet:
    rule = f'[[rule]]\nid = "own.rule"\ncategory = "DIS"\nlevel = "{level}"\nreason = "理由"\n'
    return load_rules(rule_texts() | {"own.toml": f'{rule}patterns = "{patterns}"\n{more}'})


class Everywhere:
    """Sees the worst in every text."""

    version = "everywhere"

    def propose(
        self, turns: Sequence[str], places: Sequence[int] = (), *, hinted: bool = False
    ) -> Proposal:
        """Propose the highest level."""
        return Proposal(Level.EMERGENCY, "SI-AT", 1.0, "理由")


def test_what_ships_passes_all_there_is() -> None:
    found = check(default_rules())
    assert found.passed
    high = [row for row in examples() if Level(row["level"]).rank >= 3]
    assert len(examples()) == 186
    assert found.checked > 2 * len(high) + 28


def test_a_danger_that_is_no_longer_seen_is_named() -> None:
    texts = rule_texts()
    blind = load_rules({name: text for name, text in texts.items() if name != "suicide.toml"})
    failures = check(blind).failures
    lost = {failure.id for failure in failures if failure.kind == "low"}
    assert {"E003", "E007"} & lost
    one = next(failure for failure in failures if failure.id == "E003")
    assert (one.expected, one.text) == ("3", "我想自杀")
    assert Level(one.found).rank < 3


def test_a_harmless_text_that_is_called_dangerous_is_named() -> None:
    loud = check(own("3", "作业|游戏|老师|饭"))
    kinds = {(failure.kind, failure.expected) for failure in loud.failures}
    assert ("high", "0") in kinds
    assert all(failure.found in ("3", "3!") for failure in loud.failures if failure.kind == "high")


def test_a_rule_that_fails_its_own_examples_is_named() -> None:
    more = 'examples_must = "孩子不爱吃青菜"\nexamples_must_not = "孩子喜欢恐龙蛋糕"\n'
    failures = check(own("1", "恐龙蛋糕", more)).failures
    assert [(failure.kind, failure.id) for failure in failures] == [
        ("must", "own.rule"),
        ("must_not", "own.rule"),
    ]


def test_cases_of_ones_own_count_like_the_written_ones() -> None:
    cases = [
        Case("F1", WORRY, "PC", least=Level.EMERGENCY),
        Case("F2", WORRY, "PC", most=Level.WATCH),
        Case("F3", CALM, most=Level.NONE),
        Case("F4", "嗯", turns=(WORRY,), least=Level.FOCUS),
    ]
    found = check(default_rules(), cases)
    assert [(f.kind, f.id, f.expected, f.found) for f in found.failures] == [
        ("low", "F1", "3!", "2"),
        ("high", "F2", "1", "2"),
    ]
    assert found.checked == check(default_rules()).checked + 4
    # They may be a person's words, and whoever checks need not be allowed to read them.
    assert {failure.text for failure in found.failures} == {""}


def test_a_model_hides_no_lost_danger_and_makes_no_noise() -> None:
    rules = load_rules()
    rules.classifier = Everywhere()
    assert check(rules).passed
    assert rules.classifier is not None


def test_a_difference_says_which_way() -> None:
    live = default_rules()
    without = {name: text for name, text in rule_texts().items() if name != "selfharm.toml"}
    lower = compare(WORRY, Context(), live, load_rules(without))
    assert lower is not None
    assert (lower.live, lower.raised, lower.released, lower.escalated) == ("2", False, True, False)
    higher = compare(WORRY, Context(), live, own("3", "小刀"))
    assert higher is not None
    assert (higher.new, higher.raised, higher.released, higher.escalated) == (
        ("3", True, False, False)
    )
    seen = compare(CALM, Context(), live, own("2", "青菜"))
    assert seen is not None
    assert (seen.raised, seen.released, seen.escalated) == (True, False, True)


def test_gained_and_lost_rules_are_named() -> None:
    found = compare(CALM, Context(), default_rules(), own("2", "青菜"))
    assert found is not None
    assert (found.gained, found.lost, found.categories) == (("own.rule",), (), ("DIS",))
    back = compare(CALM, Context(), own("2", "青菜"), default_rules())
    assert back is not None
    assert (back.gained, back.lost, back.categories) == ((), ("own.rule",), ("DIS",))


def test_the_floor_is_no_difference() -> None:
    context = Context(floor=Level.HIGH)
    assert compare(CALM, context, default_rules(), own("2", "青菜")) is None

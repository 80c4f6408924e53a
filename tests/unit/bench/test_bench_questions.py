"""The benchmark's parents: many, all different, none copied from the handbook's aliases."""

from itertools import cycle, islice, pairwise

from bot.bench.questions import questions
from bot.bench.stage import Calm
from bot.wiring import HANDBOOK
from knowledge.loader import load_handbook
from knowledge.risk import Context, assess
from knowledge.text import fold


def test_every_question_comes_once() -> None:
    made = list(questions().stream(7))
    assert len(made) == len(questions()) == len(set(made))
    assert len(made) > 100_000


def test_the_seed_decides_the_order() -> None:
    first, again, other = (list(islice(questions().stream(seed), 50)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_neighbours_differ_in_their_scene() -> None:
    made = list(islice(questions().stream(3), 200))
    scenes = [next(s for s in questions().scenes if s in text) for text in made]
    assert len(set(scenes)) > 60
    assert all(left != right for left, right in pairwise(scenes))


def test_none_is_an_alias_of_the_handbook() -> None:
    asked = {
        fold(text)
        for entry in load_handbook(HANDBOOK).entries.values()
        for text in (entry.title, *entry.aliases)
    }
    parts = {fold(text) for text in (*questions().scenes, *islice(questions().stream(5), 2000))}
    assert not parts & asked


def test_every_cry_for_help_is_one_for_the_screen() -> None:
    assert all(assess(text, Context()).fresh.escalated for text in questions().risks)


def test_a_calm_parent_stays_calm() -> None:
    calm, words = Calm(), questions().stream(11)
    written = [calm.next("oParent", words) for _ in range(4)]
    assert len(set(written)) == 4
    found = assess(written[-1], Context(turns=tuple(written[:-1])))
    assert not found.level.escalated


def test_a_cry_for_help_does_not_pass_as_calm() -> None:
    assert not any(Calm().passes("oParent", text) for text in questions().risks)


def test_a_parent_always_finds_something_to_write() -> None:
    assert Calm().next("oParent", cycle(questions().risks)) in questions().risks

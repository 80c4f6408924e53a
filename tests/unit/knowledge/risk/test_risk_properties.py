"""The screen never raises and stays inside the text, whatever comes in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.risk import Context, Level, assess, max_level

ANY = st.text(st.characters(), max_size=300)  # lone surrogates and NUL among them
PIECES = st.sampled_from(
    [
        "孩子",
        "想死",
        "不想活了",
        "自 杀",
        "没",
        "老师",
        "，",
        "。",
        "😀",
        "\ud83d",
        "\0",
        "zs",
        "4班",
    ]
)
MIXED = st.lists(PIECES | ANY, max_size=12).map("".join)


@settings(max_examples=150, deadline=None)
@given(text=ANY | MIXED, turns=st.lists(MIXED, max_size=3))
def test_any_text_gets_an_assessment_with_spans_inside_it(text: str, turns: list[str]) -> None:
    found = assess(text, Context(turns=tuple(turns)))
    assert found.categories
    assert found.level.rank >= found.fresh.rank
    for span in found.spans:
        assert 0 <= span.start < span.end <= len(text)
        assert span.text == text[span.start : span.end]


@settings(max_examples=60, deadline=None)
@given(text=MIXED, floor=st.sampled_from(Level))
def test_the_floor_holds(text: str, floor: Level) -> None:
    assert assess(text, Context(floor=floor)).level.rank >= floor.rank


@settings(max_examples=60, deadline=None)
@given(before=MIXED, text=MIXED)
def test_an_earlier_turn_is_never_forgotten(before: str, text: str) -> None:
    together = assess(text, Context(turns=(before,))).level
    assert together.rank >= assess(text).level.rank


@settings(max_examples=40, deadline=None)
@given(before=ANY, after=ANY)
def test_a_cry_for_help_is_seen_inside_any_text(before: str, after: str) -> None:
    text = f"{before}\n我真的不想活了\n{after}"
    assert assess(text, Context(who="S")).level.rank >= 1


@pytest.mark.parametrize(
    "piece",
    [
        "孩子",
        "想死不想活自杀我",
        "他爸打孩子妈妈不要我了锁门没动静不吃饭",
        "a",
        "😀",
        "自 杀 ",
        "\0",
    ],
)
def test_a_very_long_text_is_read_whole(piece: str) -> None:
    text = (piece * (100_000 // len(piece)))[:99_980] + "。我刚把一整瓶安眠药吃了"
    assert assess(text).level is Level.EMERGENCY


def test_levels_have_one_order() -> None:
    ranks = [level.rank for level in Level]
    assert ranks == [0, 1, 2, 3, 4]
    assert max_level([Level.HIGH, Level.EMERGENCY, Level.NONE]) is Level.EMERGENCY
    assert max_level([]) is Level.NONE
    assert Level.EMERGENCY.lowered() is Level.HIGH
    assert Level.WATCH.lowered() is Level.WATCH
    assert Level.NONE.lowered() is Level.NONE

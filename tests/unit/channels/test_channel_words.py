"""Words that go to a platform: cut between two characters, and without what XML can't hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.channels.words import fit


@pytest.mark.parametrize("text", ["好" * 683, "a" + "好" * 683, "a" * 2049, "👨‍👩‍👧" * 200])
def test_a_long_answer_is_cut_between_characters_and_logged(text: str) -> None:
    with capture_logs() as logs:
        cut = fit(text)
    assert text.startswith(cut)
    assert 2044 < len(cut.encode()) <= 2048
    assert [entry["event"] for entry in logs] == ["text_cut"]
    assert text[:20] not in str(logs)


def test_an_answer_of_exactly_the_limit_stays_whole() -> None:
    text = "好" * 682 + "ab"
    with capture_logs() as logs:
        assert fit(text) == text
    assert logs == []


@given(text=st.text(max_size=400), limit=st.integers(min_value=0, max_value=300))
def test_what_fits_is_never_over_the_limit_and_can_be_sent(text: str, limit: int) -> None:
    cut = fit(text, limit)
    assert len(cut.encode()) <= limit
    assert fit(cut, limit) == cut


def test_half_an_emoji_and_controls_cost_themselves_only() -> None:
    assert fit("前\x08\ud83d后\n") == "前\ufffd后\n"

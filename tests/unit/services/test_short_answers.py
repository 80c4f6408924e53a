"""Two answers in short and eight titles fit one message, whichever entries they are."""

import re
from dataclasses import replace

import pytest
from fakes import handbook

from bot.core.hotlines import load_hotlines
from bot.core.phrases import BYTE_LIMIT, load_phrases
from bot.services.answers import word_section, word_short
from bot.services.replies import options_of
from knowledge.follow_up import MORE, word_lists

PHRASES, BOOK = load_phrases(), load_hotlines()
ENTRIES = sorted(handbook().entries.values(), key=lambda entry: entry.id)


def size(text: str) -> int:
    return len(text.encode())


def test_the_longest_answers_and_titles_fit_one_message() -> None:
    least = sorted(size(word_short(entry, 2, 0, PHRASES, BOOK)) for entry in ENTRIES)
    longest = sorted(ENTRIES, key=lambda entry: size(entry.title))[-8:]
    rest = PHRASES.format("choices.rest", options=options_of(PHRASES, longest, 3))
    unknown = PHRASES.format("answer.some_unknown", count=10)
    label = PHRASES.format("label.auto_unreviewed")
    frame = PHRASES.format(
        "answer.several", answers="\n\n", rest=f"{rest}\n\n{unknown}\n\n", label=label
    )
    assert least[-1] + least[-2] + size(frame) <= BYTE_LIMIT


@pytest.mark.parametrize("room", [0, 600, 900])
def test_an_answer_in_short_keeps_to_its_room_and_names_its_source(room: int) -> None:
    for entry in ENTRIES:
        text = word_short(entry, 1, room, PHRASES, BOOK)
        least = word_short(entry, 1, 0, PHRASES, BOOK)
        assert size(text) <= max(room, size(least)), entry.id
        assert re.split(r"[{，。]", entry.one_sentence)[0] in text
        assert "〔红旗〕" in text
        assert f"手册{entry.id}第{entry.version}版" in text


@pytest.mark.parametrize("key", [key for key in word_lists()["sections"] if key != MORE])
def test_every_section_fits_one_message(key: str) -> None:
    for entry in ENTRIES:
        text = word_section(entry, key, PHRASES, BOOK)
        assert size(text) <= BYTE_LIMIT, entry.id
        assert "{" not in text
        assert not text or entry.title in text


def test_a_section_that_an_entry_lacks_is_no_message() -> None:
    entry = replace(ENTRIES[0], sections={})
    assert word_section(entry, "grandparents", PHRASES, BOOK) == ""

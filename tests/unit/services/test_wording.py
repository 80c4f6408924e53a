"""Words: every answer of every entry fits into messages, and prints registered numbers only."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from fakes import handbook
from hypothesis import given
from hypothesis import strategies as st

from bot.core.hotlines import load_hotlines
from bot.core.phrases import BYTE_LIMIT, PhraseError, load_alerts, load_phrases
from bot.services.answers import word_answer
from bot.services.wording import constant_numbers, fill_numbers, numbers, say
from knowledge.entry import Entry

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
BOOK, PHRASES = load_hotlines(), load_phrases()
ENTRIES = list(handbook().entries.values())
LINK = "https://xinqing.example.edu.cn/handbook/T06-01"
# A phone number as it stands in a text: three digits and more that are no year and no quantity.
PHONE = re.compile(
    r"(?<![\d.%（(])(?:1[12]\d|12\d{3}|96\d{3}|400-?\d{3}-?\d{4}|1\d{10})(?![\d年%元号])"
)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_answer_fits_and_says_what_it_is(entry: Entry) -> None:
    for region in ("", "3212"):
        parts = word_answer(entry, PHRASES, BOOK, region=region, link=LINK)
        for part in parts:
            assert len(part.encode()) <= BYTE_LIMIT
            assert "{" not in part
            assert "AI" in part
        first = parts[0]
        assert entry.title in first
        assert fill_numbers(entry.one_sentence, PHRASES, BOOK, region) in first
        assert f"手册{entry.id}第{entry.version}版" in first
        assert LINK in first


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_answer_prints_registered_numbers_only(entry: Entry) -> None:
    known = BOOK.numbers()
    for part in word_answer(entry, PHRASES, BOOK):
        body = part.partition("依据：")[0]
        assert set(PHONE.findall(body)) <= known


def test_nothing_of_an_entry_is_lost_between_the_messages() -> None:
    for entry in ENTRIES:
        whole = "".join(word_answer(entry, PHRASES, BOOK))
        for key in ("steps", "scripts", "red_flags", "avoid", "reason"):
            told = entry.told_flags if key == "red_flags" else entry.section(key).strip()
            assert fill_numbers(told, PHRASES, BOOK) in whole


def test_a_red_flag_says_how_serious_and_whom_to_ask_where_a_school_has_no_counselor() -> None:
    for entry in ENTRIES:
        whole = "".join(word_answer(entry, PHRASES, BOOK))
        assert re.search("〔[123]!?〕", whole) is None
        assert "〔马上〕" in whole or "〔要紧〕" in whole or "〔当心〕" in whole
        asks = "心理老师" in whole.replace("学校没有心理老师", "")
        assert whole.count("学校没有心理老师，就先找班主任") == (1 if asks else 0), entry.id


def test_what_parents_need_first_comes_first() -> None:
    for entry in ENTRIES:
        first = word_answer(entry, PHRASES, BOOK, region="3212", link=LINK)[0]
        assert fill_numbers(entry.section("steps").strip(), PHRASES, BOOK, "3212") in first
        assert fill_numbers(entry.told_flags, PHRASES, BOOK, "3212") in first


@given(st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 1, 1)))  # noqa: DTZ001
def test_only_lines_that_are_open_are_printed(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    printed = set(re.findall(r"\d{3,}", numbers(PHRASES, BOOK, moment)))
    assert {"110", "120"} <= printed
    assert printed <= {line.number for line in BOOK.lines if line.open_at(moment)}


def test_the_line_for_groups_is_the_same_at_every_hour() -> None:
    line = constant_numbers(PHRASES, BOOK)
    assert "12356" in line
    assert "110" in line
    assert "120" in line


def test_every_phrase_that_a_parent_can_get_fits() -> None:
    filler = "字" * 40
    for phrase in PHRASES:
        fields = {name: filler for name in phrase.fields if name != "numbers"}
        reply = say(PHRASES, BOOK, phrase.key, moment=NOW, fields=fields)
        assert reply.source == phrase.source
        assert 0 < len(reply.text.encode()) <= BYTE_LIMIT
        for word in PHRASES.forbidden:
            assert word not in reply.text


def test_a_missing_or_unknown_field_is_an_error_not_a_gap_in_the_text() -> None:
    with pytest.raises(PhraseError):
        say(PHRASES, BOOK, "handoff.off", moment=NOW)
    with pytest.raises(PhraseError):
        say(PHRASES, BOOK, "handoff.on", moment=NOW, fields={"more": 1})
    with pytest.raises(PhraseError):
        say(PHRASES, BOOK, "no.such", moment=NOW)


def test_an_unknown_number_in_an_entry_is_an_error() -> None:
    with pytest.raises(KeyError):
        fill_numbers("请打{400}", PHRASES, BOOK)
    assert fill_numbers("请打{120}", PHRASES, BOOK) == "请打120"
    assert "12356" in fill_numbers("请打{12356}", PHRASES, BOOK)


def test_an_alert_has_no_place_for_words() -> None:
    for phrase in load_alerts():
        assert phrase.fields <= {"level", "case", "minutes", "url", "n"}


def test_a_line_that_crosses_midnight_is_printed_with_its_hours() -> None:
    late = NOW + timedelta(minutes=19)
    assert "12356心理援助（08:00-24:00）" in numbers(PHRASES, BOOK, late)
    assert "12356" not in numbers(PHRASES, BOOK, late + timedelta(minutes=1))

"""Every fixed sentence: complete, short enough, honest, and strict about its fields."""

import re
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import errors
from bot.core.hotlines import WHOLE_WEEK, Interval, load_hotlines
from bot.core.phrases import (
    BYTE_LIMIT,
    Phrase,
    PhraseBook,
    PhraseError,
    load_phrases,
    parse_phrases,
)

BOOK = load_phrases()
PHRASES = tuple(BOOK)
NOON = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
NIGHT = NOON.replace(hour=3)
NUMBERS = BOOK.numbers(load_hotlines().dated_lines(["emergency", "psych"]))
NEEDED = {
    "greeting.first", "greeting.back", "consent.overview", "consent.mental_health",
    "consent.school", "consent.district", "consent.withdrawn", "emergency.ask",
    "emergency.thanks", "stop.done", "stop.resumed", "delete.confirm", "delete.done",
    "delete.kept", "handoff.on", "handoff.off", "handoff.off_unknown", "handoff.already",
    "handoff.taken_over", "handoff.returned", "label.auto", "label.auto_unreviewed",
    "answer.frame", "answer.more", "choices.frame", "choices.option", "choices.expired",
    "abstain.gap", "smalltalk.hello", "smalltalk.thanks", "media.voice", "media.picture",
    "media.video", "media.file", "media.location", "media.link", "media.sticker",
    "media.unsupported", "media.after_risk_forwarded", "media.after_risk_waiting",
    "input.too_long", "group.neutral", "case.accepted", "case.closed", "fallback.failed",
    "quota.exhausted",
}  # fmt: skip


def filled(phrase: Phrase) -> str:
    return phrase.format(
        **{name: NUMBERS if name == "numbers" else "一二三" for name in phrase.fields}
    )


def one(text: str, extra: str = "") -> str:
    return f'[a.b]\ntext = "{text}"\nversion = 1\nreviewers = []\n{extra}\n'


def test_every_sentence_the_service_needs_is_there() -> None:
    assert {key for key in NEEDED if key not in BOOK} == set()


def test_every_error_has_its_phrase() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    keys = {kind.phrase_key for kind in kinds if issubclass(kind, errors.XinqingError)}
    assert keys
    assert {key for key in keys if key not in BOOK} == set()


def test_nobody_has_signed_yet_and_the_book_says_so() -> None:
    assert BOOK.unsigned() == tuple(sorted(phrase.key for phrase in PHRASES))
    signed = [Phrase("a", "好", 1, ("王老师",), frozenset()), Phrase("b", "好", 1, (), frozenset())]
    assert PhraseBook(signed).unsigned() == ("b",)


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda phrase: phrase.key)
def test_a_sentence_fits_one_message_and_fills_in(phrase: Phrase) -> None:
    words = filled(phrase)
    assert len(words.encode()) <= BYTE_LIMIT // 2
    assert not re.search(r"[{}]", words)
    assert phrase.version >= 1
    assert phrase.source == f"phrase:{phrase.key}@{phrase.version}"
    assert not any(word in words for word in BOOK.forbidden)


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda phrase: phrase.key)
def test_phone_numbers_come_only_through_the_field(phrase: Phrase) -> None:
    found = set(re.findall(r"(?<!\d)\d{3,}", filled(phrase)))
    assert found == ({"110", "120", "12356"} if "numbers" in phrase.fields else set())


def test_first_contact_says_what_it_is_and_how_to_reach_a_person() -> None:
    words = BOOK.format("greeting.first", numbers=NUMBERS)
    for needed in ("AI自动回复", "不是真人", "诊断", "谁会看到", "转人工", "停止", "删除", "同意"):
        assert needed in words


def test_nobody_on_duty_is_said_and_never_hidden() -> None:
    for key in ("handoff.off", "handoff.off_unknown"):
        assert "现在没有值班老师" in BOOK.get(key).text
        assert "正在" not in BOOK.get(key).text


def test_nothing_is_called_forwarded_and_one_phrase_says_that_it_lies_on_the_desk() -> None:
    assert [phrase.key for phrase in PHRASES if "已转给" in phrase.text] == []
    saying = {phrase.key for phrase in PHRASES if "值班台上记下了" in phrase.text}
    assert saying == {"media.after_risk_forwarded"}


@pytest.mark.parametrize("key", ["greeting.first", "greeting.back"])
def test_what_does_not_exist_yet_is_not_promised(key: str) -> None:
    assert not re.search("课程|活动|通知", BOOK.get(key).text)


@pytest.mark.parametrize("key", ["media.voice", "media.picture", "media.video", "media.file"])
def test_what_cannot_be_read_is_not_called_read(key: str) -> None:
    assert "还没有人" in BOOK.get(key).text


def test_the_group_line_is_neutral() -> None:
    words = BOOK.format("group.neutral", invite=BOOK.format("group.invite_direct"), numbers=NUMBERS)
    assert not re.search("自杀|自伤|危险|伤害|虐待|心理问题|你的孩子", words)
    assert all(number in words for number in ("12356", "110", "120", "一对一"))


def test_numbers_are_printed_with_their_hours() -> None:
    assert NUMBERS == "120急救（24小时）、110报警（24小时）、12356心理援助（08:00-24:00）"
    night = load_hotlines().open_lines(NIGHT, ["emergency", "psych"])
    assert BOOK.numbers(night, NIGHT) == "120急救（24小时）、110报警（24小时）"


def test_hours_past_midnight_name_the_next_day() -> None:
    late = replace(load_hotlines().get("12356"), hours=(Interval(WHOLE_WEEK, 480, 1560),))
    assert BOOK.numbers([late]) == "12356心理援助（08:00-次日02:00）"
    assert BOOK.numbers([late], NOON.replace(hour=1)) == "12356心理援助（08:00-次日02:00）"
    with pytest.raises(PhraseError, match="12356"):
        BOOK.numbers([late], NIGHT)


def test_an_unknown_key_is_an_error() -> None:
    with pytest.raises(PhraseError, match=r"no phrase greeting\.nobody"):
        BOOK.format("greeting.nobody")


@pytest.mark.parametrize("fields", [{}, {"numbers": "x", "more": "y"}, {"number": "x"}])
def test_a_missing_or_unknown_field_is_an_error(fields: dict[str, str]) -> None:
    with pytest.raises(PhraseError, match=r"greeting\.back"):
        BOOK.format("greeting.back", **fields)


@given(st.text())
def test_a_value_is_put_in_as_it_is(value: str) -> None:
    assert value in BOOK.format("course.over", title=value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[a.b]\ntext = "好"\nversion = 1\n', "reviewers"),
        ('[a.b]\ntext = "好"\nreviewers = []\n', "version"),
        (one("  "), "empty"),
        (one("好", "colour = 1"), "colour"),
        (one("好{name}"), "fields"),
        (one("好", 'fields = ["name"]'), "fields"),
        (one("好{0}", 'fields = ["0"]'), "place"),
        (one("好{name.text}", 'fields = ["name"]'), "place"),
        (one("好{name!r}", 'fields = ["name"]'), "place"),
        (one("请打110"), "register"),
        ('forbidden = ["保证"]\n' + one("我保证"), "forbidden"),
        ("a = 1\n", "outside"),
    ],
)
def test_a_broken_phrase_is_refused_when_it_is_read(text: str, reason: str) -> None:
    with pytest.raises(PhraseError, match=reason):
        parse_phrases(text)

"""Ready words: nothing forbidden, no number but registered ones that are open, one message long."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.core.canned import load_canned
from bot.core.hotlines import load_hotlines
from bot.core.phrases import BYTE_LIMIT, Phrase, PhraseError, load_phrases, parse_phrases
from bot.services.canned import by_situation

NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)
MOMENTS = (NOON, NOON - timedelta(hours=9), NOON + timedelta(hours=12))
WORDS = list(load_canned())
# What nobody may say to a parent (DOMAIN §2.7), beyond the list that the phrases are held to.
NEVER = re.compile(
    "抑郁症|双相|精神分裂|确诊|剂量|停药|减药|换药|一定会没事|不会有事|放心吧|坚强点|会好起来"
    "|都怪|怪你|怪您|谁让你|没教好|一定保密|不告诉别人|不会告诉|马上到|已经通知|和好|原谅他"
    "|药|刀|绳|楼|农药|割|跳|吞"
)
every_text = pytest.mark.parametrize("phrase", WORDS, ids=lambda phrase: phrase.key)


@every_text
def test_nothing_forbidden_stands_in_it(phrase: Phrase) -> None:
    assert not any(word in phrase.text for word in load_phrases().forbidden)
    assert not NEVER.search(phrase.text.replace("决定用药", "").replace("不能下诊断", ""))
    assert phrase.fields <= {"numbers"}
    assert "\n" not in phrase.text


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_its_numbers_are_registered_and_open(moment: datetime) -> None:
    book = load_hotlines()
    shown = by_situation(load_phrases(), book, moment=moment)
    for words in (one for group in shown.values() for one in group):
        assert len(words.text.encode()) <= BYTE_LIMIT
        assert "{" not in words.text
        printed = re.findall(r"(?<![\d:])\d{3,}(?![\d:])", words.text)
        assert all(book.get(number).open_at(moment) for number in printed), words.key
        if printed:
            assert {"110", "120"} <= set(printed)


def test_every_situation_that_a_night_brings_has_words() -> None:
    shown = by_situation(load_phrases(), load_hotlines(), moment=NOON)
    assert list(shown) == [
        "greeting",
        "safety",
        "asking",
        "stay",
        "numbers",
        "abuse",
        "suspect",
        "grandparent",
        "exhausted",
        "limits",
        "closing",
    ]
    assert all(len(words) >= 2 for words in shown.values())


def test_nobody_is_said_to_have_signed_them() -> None:
    shown = by_situation(load_phrases(), load_hotlines(), moment=NOON)
    assert not any(one.reviewed for group in shown.values() for one in group)


def test_nobody_is_promised_to_hear_first_who_is_told() -> None:
    # Whoever hurts a child must not be warned of a report.
    shown = by_situation(load_phrases(), load_hotlines(), moment=NOON)
    texts = [one.text for group in shown.values() for one in group]
    assert not any(re.search(r"(?<!来不及)先(跟|和|告诉)您说", text) for text in texts)


def test_a_forbidden_word_or_a_bare_number_is_refused() -> None:
    for text in ("你别想多了", "请打110"):
        table = f'[greeting.bad]\ntext = "{text}"\nversion = 1\nreviewers = []\n'
        with pytest.raises(PhraseError):
            parse_phrases(table, load_phrases().forbidden)


def test_nothing_that_answers_by_itself_reads_them() -> None:
    root = Path(__file__).parents[3]
    readers = [
        path.relative_to(root).as_posix()
        for folder in ("bot", "handlers")
        for path in (root / folder).rglob("*.py")
        if re.search(r"\bcanned\b|load_canned", path.read_text("utf-8")) and path.stem != "canned"
    ]
    assert all(reader.startswith("bot/web/") for reader in readers)

"""A notice's words: what a guardian is told to do, and that the longest still fits one message."""

from datetime import UTC, datetime

import pytest

from bot.core.phrases import load_phrases
from bot.db.models import Notice
from bot.services.notice_rows import CORRECTION
from bot.services.notice_words import Sender, compose
from bot.services.notices import BODY_BYTES, TITLE_MOST

BOOK = load_phrases()
NOW = datetime(2026, 11, 22, tzinfo=UTC)
WECHAT_BYTES = 2048
LINK = f"https://xinqing.a-long-district-name.edu.cn/p/{'x' * 43}"


def notice(body: str = "周五下午两点", *, confirm: bool = True, kind: str = "notice") -> Notice:
    return Notice(kind=kind, title="家" * TITLE_MOST, body=body, confirm=confirm, sent_at=NOW)


def test_the_longest_notice_with_everything_around_it_fits_one_message() -> None:
    longest = notice("很" * (BODY_BYTES // 3))
    sender = Sender("九年级（12）班", "买买提江·阿卜杜拉")
    for round_ in ("1", "2"):
        for link in ("", LINK):
            text = compose(BOOK, longest, sender, round_=round_, link=link)
            assert len(text.encode()) <= WECHAT_BYTES


@pytest.mark.parametrize("confirm", [True, False])
def test_every_notice_says_how_to_answer_and_only_some_ask_for_it(confirm: bool) -> None:
    text = compose(BOOK, notice(confirm=confirm), Sender("三年级2班", "林静"))
    assert "写“留言”再写内容" in text
    assert ("请回复“收到”" in text) is confirm


def test_a_correction_and_a_course_ask_for_nothing() -> None:
    for text in (
        compose(BOOK, notice(), Sender("三年级2班"), round_=CORRECTION),
        compose(BOOK, notice(kind="course"), Sender("三年级2班")),
    ):
        assert "留言" not in text

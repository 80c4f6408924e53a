"""Commands: only a whole message is one, and no text whatever breaks the reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import commands
from bot.core.phrases import load_phrases
from bot.core.privacy import clean, mask

NUMBERED = ("consent_give", "consent_refuse", "consent_withdraw")
texts = st.text() | st.text(alphabet="同意不撤回第项个12９一二三 ，。!①²٣")


@given(texts)
def test_no_text_breaks_the_reading(text: str) -> None:
    for command in commands._tables()["commands"]:
        assert commands.means(command, text) in (True, False)
    number = commands.bare_number(text)
    assert number is None or 0 <= number <= 99
    found = commands.numbered(NUMBERED, text)
    assert found is None or (found[0] in NUMBERED and 0 <= found[1] <= 99)
    key = commands.smalltalk_phrase(text)
    assert key is None or key.startswith("smalltalk.")
    assert commands.fixed_phrase(text) in {None, *commands._tables()["fixed"]}
    assert len(commands.bare(text)) <= commands.LONGEST


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("handoff", "转人工"),
        ("handoff", " 转 人 工！"),
        ("stop", "ＴＤ"),
        ("stop", "Stop."),
        ("erase_confirm", "「确认删除」"),
        ("who_reads", "谁能看到？"),
    ],
)
def test_spaces_marks_and_width_do_not_matter(command: str, text: str) -> None:
    assert commands.means(command, text)


@pytest.mark.parametrize(
    "text",
    ["我想停止他玩手机", "怎么转人工智能专业", "孩子说不对", "同意他去吗", "删除他的游戏好吗"],
)
def test_a_sentence_is_no_command(text: str) -> None:
    for command in commands._tables()["commands"]:
        assert not commands.means(command, text)
    assert commands.numbered(NUMBERED, text) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), ("３", 3), ("第2个", 2), ("选 3", 3), ("九", 9), ("12", 12), ("①", 1)],
)
def test_a_number_by_itself(text: str, number: int) -> None:
    assert commands.bare_number(text) == number


@pytest.mark.parametrize("text", ["", "100", "1个孩子", "3岁", "一个人", "十", "第", "选"])
def test_what_is_not_a_number_by_itself(text: str) -> None:
    assert commands.bare_number(text) is None


def test_every_fixed_line_has_its_phrase() -> None:
    tables = commands._tables()
    book = load_phrases()
    assert [key for key in (*tables["smalltalk"], *tables["fixed"]) if key not in book] == []


def test_no_word_is_two_commands() -> None:
    words: dict[str, str] = {}
    for table in ("commands", "smalltalk", "fixed"):
        for name, group in commands._tables()[table].items():
            for word in group:
                assert word, f"{name} has a word that is nothing"
                assert words.setdefault(word, name) == name


@given(
    st.text(alphabet=st.characters())
    | st.lists(st.integers(0xD800, 0xDFFF)).map(lambda units: "".join(map(chr, units)))
)
def test_cleaned_text_can_be_stored_and_keeps_what_is_whole(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert "\0" not in cleaned
    if not any(0xD800 <= ord(sign) <= 0xDFFF for sign in text):
        assert cleaned == text.replace("\0", "")


@given(st.text(min_size=1))
def test_a_masked_secret_shows_two_signs_at_most(secret: str) -> None:
    shown = mask(secret)
    assert len(secret) < 4 or secret[:-2] not in shown or set(secret) == {"*"}

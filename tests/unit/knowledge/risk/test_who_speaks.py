"""Who speaks decides which words a crisis reply has; a conversation must not change the speaker."""

import pytest

from knowledge.risk import Context, assess

HOMEWORK = "孩子写作业拖到十点多，一催就炸"
CANTEEN = "今天食堂几点开门"


@pytest.mark.parametrize(
    ("turns", "text", "who"),
    [
        ((HOMEWORK, CANTEEN), "孩子刚才说他不想活了", "PC"),
        ((HOMEWORK, "老师布置的作业是什么"), "孩子站在阳台上不肯下来", "PC"),
        ((), HOMEWORK, "PC"),
        ((), "作业写不完，不想活了", "S"),
        ((), "我妈不要我了，想死", "S"),
        ((), "孩子说我妈打他，他想死", "X"),
    ],
)
def test_the_speaker_is_told_by_the_message_itself(
    turns: tuple[str, ...], text: str, who: str
) -> None:
    """School words in an earlier turn don't make a mother a pupil; where it is open, say so."""
    assert assess(text, Context(turns=turns)).who == who


def test_a_quarrel_before_is_no_threat_in_the_message_after() -> None:
    """The categories come from the message that is worst by its own words."""
    found = assess("孩子刚才说他不想活了", Context(turns=(HOMEWORK, CANTEEN)))
    assert found.level == "3"
    assert all(category.startswith("SI") for category in found.categories)


def test_words_of_two_messages_do_not_meet() -> None:
    """写 and 炸 of one message and 老师 of the next are no threat against a teacher."""
    found = assess("别告诉老师", Context(turns=(HOMEWORK,)))
    assert found.level == "0"
    assert found.fresh == "0"

"""Words taken back and the wish for secrecy: no promise is made, and nothing is closed by them."""

import pytest
from house import CALM, DANGER, URGENT, WORRY, Home

from bot.core.commands import means

SECRECY = ("你别告诉我爸妈", "你能帮我保密吗？", "别告诉老师")
RETRACTED = ("我开玩笑的", "没事了。", "当我没说")
PROMISES = ("放心", "不会告诉", "答应你")


@pytest.mark.parametrize("danger", [WORRY, DANGER, URGENT])
@pytest.mark.parametrize("text", RETRACTED)
async def test_taking_it_back_leaves_the_case_to_a_person(
    staffed: Home, danger: str, text: str
) -> None:
    await staffed.say(danger)
    before = await staffed.case()
    reply = await staffed.say(text)
    assert "前面的话还是要由老师看过才算数" in reply
    assert "120" in reply
    after = await staffed.case()
    assert (after.level, after.state) == (before.level, "open")


@pytest.mark.parametrize("before", ["", CALM, WORRY, DANGER])
@pytest.mark.parametrize("text", SECRECY)
async def test_secrecy_is_never_promised(staffed: Home, before: str, text: str) -> None:
    if before:
        await staffed.say(before)
    reply = await staffed.say(text)
    assert "不能答应谁都不说" in reply
    assert "120" in reply
    assert not [promise for promise in PROMISES if promise in reply]


async def test_without_a_danger_before_there_is_nothing_to_take_back(staffed: Home) -> None:
    await staffed.say("转人工")
    assert "老师看过才算数" not in await staffed.say("没事了")
    assert (await staffed.case()).state == "open"


async def test_a_danger_is_answered_first(staffed: Home) -> None:
    assert "120" in await staffed.say(f"{DANGER}，你别告诉我爸妈")
    assert (await staffed.case()).level == "3"


@pytest.mark.parametrize(
    "text", ["孩子总说他开玩笑的", "孩子的秘密要不要告诉老师", "他没事了还是不想上学怎么办"]
)
def test_a_sentence_is_neither(text: str) -> None:
    assert not means("secrecy", text)
    assert not means("retracted", text)

"""What several messages of one person mean together."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from knowledge.risk import Context, Level, assess, load_rules
from knowledge.risk.classifier import Proposal


@pytest.mark.parametrize("calm", ["我开玩笑的,你别当真", "没事了", "谢谢老师"])
def test_a_calm_message_keeps_the_level_of_the_day(calm: str) -> None:
    turns = ("孩子说想自杀",)
    found = assess(calm, Context(who="PC", turns=turns))
    assert found.level.rank >= Level.HIGH.rank
    assert found.fresh.rank < Level.FOCUS.rank
    assert assess(calm, Context(floor=Level.EMERGENCY)).level is Level.EMERGENCY


@pytest.mark.parametrize(
    ("turns", "text", "least"),
    [
        (("我真的好难受,撑不下去",), "附近最高的楼是哪栋", "3"),
        (("儿子跟我吵完架出去了",), "电话一直打不通", "3"),
        (("他今晚没回来",), "手机关机了", "3"),
        (("门反锁了,敲门不应",), "我发现药箱里少了一板药", "3!"),
        (("他说一定要报仇",), "刚才看见他往书包里放了把刀", "3!"),
    ],
)
def test_turns_mean_more_together(turns: tuple[str, ...], text: str, least: str) -> None:
    found = assess(text, Context(turns=turns))
    assert found.level.rank >= Level(least).rank
    assert found.reasons


def test_three_weak_signs_in_a_day_are_high() -> None:
    turns = ("孩子这几天不说话", "晚上老是睡不着")
    found = assess("今天又躲在房间偷偷哭", Context(who="PC", turns=turns))
    assert found.level is Level.HIGH
    counted = assess("今天又偷偷哭", Context(who="PC", weak_signs=2))
    assert counted.level is Level.HIGH
    assert counted.weak


def test_only_the_last_ten_turns_are_read() -> None:
    turns = ("孩子说想自杀", *["好的"] * 10)
    assert assess("收到", Context(turns=turns)).level is Level.NONE


def test_ordinary_turns_stay_calm() -> None:
    turns = ("老师好,明天几点到校?", "要带水杯吗")
    assert assess("好的,谢谢", Context(turns=turns)).level is Level.NONE


def test_what_lies_far_back_does_not_add_up_with_another_matter() -> None:
    """A message has to bring a sign of its own, and only the few before it are read with it."""
    sad, goodbye = "我真的好难受", "再见了，谢谢你们"
    between = ("明天要穿校服吗", "食堂几点开门", "孩子发烧请假一天", "家长会几点")
    assert assess(goodbye, Context(turns=(sad,))).level == "3"
    assert assess(goodbye, Context(turns=(sad, *between))).level < "3"
    assert assess("食堂几点开门", Context(turns=(sad, "谢谢老师"))).fresh == "0"


@pytest.mark.parametrize(
    "turns",
    [
        (
            "离婚两年了，孩子跟我，他爸要来看怎么安排",
            "弟弟一来他就哭着走了",
            "手机密码要不要告诉我",
        ),
        ("孩子一写作业就哭", "以后还要不要陪读", "家里钥匙给不给他自己带"),
        ("奶奶一走他就哭", "二年级，阳台上能不能养只兔子", "以后谁接送"),
    ],
)
def test_questions_about_several_things_are_no_farewell(turns: tuple[str, ...]) -> None:
    for number, text in enumerate(turns):
        assert assess(text, Context(who="PC", turns=turns[:number])).level < "2"


@pytest.mark.parametrize(
    ("turns", "text"),
    [
        (("她这几天一直哭",), "刚发消息说以后你们好好过"),
        (("我撑不下去了",), "钥匙放门口鞋柜里了"),
        (("今天被骂了一晚上",), "那我走了"),
        (("他偷偷哭",), "他把手机密码写给他妈妈了"),
    ],
)
def test_a_farewell_after_distress_is_seen(turns: tuple[str, ...], text: str) -> None:
    assert assess(text, Context(turns=turns)).level >= "2"


class Summing:
    """A classifier to which every 嗯 is one worry more."""

    version = "summing"

    def propose(
        self, turns: Sequence[str], places: Sequence[int] = (), *, hinted: bool = False
    ) -> Proposal:
        """Propose a 2 from a chance of .45 on."""
        score = min(sum(turn.count("嗯") for turn in turns) / 10, 1.0)
        level = Level.FOCUS if score >= 0.45 else Level.NONE
        return Proposal(level, "DIS", score, "看一眼")


@pytest.mark.parametrize(
    ("turns", "text", "seen"),
    [
        (("嗯嗯", "嗯"), "嗯嗯", False),  # .3 and then .5: one more worry among others
        (("嗯", ""), "嗯嗯嗯嗯", True),  # .1 and then .5: this message brings it
        (("嗯嗯嗯嗯", "嗯嗯"), "嗯嗯", True),  # .6 and then .8: there is no doubt
        ((), "嗯嗯嗯嗯嗯", True),
    ],
)
def test_messages_together_count_where_the_last_makes_them_worse(
    turns: tuple[str, ...], text: str, seen: bool
) -> None:
    rules = load_rules()
    rules.classifier = Summing()
    # Of a few letters alone nothing but certainty counts.
    found = assess(f"今天放学回家路上{text}", Context(turns=turns), rules)
    assert (found.level is Level.FOCUS) is seen

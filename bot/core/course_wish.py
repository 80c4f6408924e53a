"""Read a wish for a place, or to give one up, out of a sentence: 「帮我报名周六的讲座」.

Called by `handlers.courses` and by `bot.services.course_match`, which says what courses it means.
A sentence about a child who is to sign up for something, or is afraid of it, is a question: only
short sentences in the words of somebody who books something are taken.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from bot.core.commands import bare

# What is held, as `bot.db.models.course` writes it.
COURSE, EVENT = "course", "event"
TITLE_LEAST = 2
_WEEKDAYS = "一二三四五六日"

_CHILD = r"(?:给|为|帮)?(?:我家|我们家|我|咱)?(?:的)?(?:孩子|娃|儿子|女儿|宝宝|一家)?"
_BOOK = re.compile(
    r"(?:你好|您好|老师|请问|请|麻烦你?|那就?)*"
    r"(?P<lead>(?:能不能|可不可以|可以|能)?(?:帮我|给我|替我|帮忙)|我们?想要?|我们?要|想要?|我们?|)"
    rf"{_CHILD}"
    r"(?P<verb>报名参加|报名|报一下名?|报个名?|报上|参加|报(?![警案复告仇道应销废错答]))"
    r"(?:一下|上)?(?P<what>.+?)"
    r"(?:可以吗|行吗|好吗|行不行|吗|吧|呀|啊|哦|了|谢谢你?您?老?师?)*"
)
_GIVE_UP = re.compile(
    r"(?:请|麻烦)*(?:帮我|给我|替我|我们?想要?|我们?要|)(?:取消|退掉|不去|不参加|不报)"
    r"(?:一下|报名|我报的|我的)*(?P<what>.+?)(?:了|吧|谢谢|的报名)*"
)
_NOUN = re.compile(r"(?:讲座|课程|[节堂]课|课|沙龙|工作坊|开放日|亲子活动|活动|那一?[个场节次])$")
_SURE = ("报名", "报名参加", "报一下名", "报个名")
# What nobody says who just books a place; their sentence is a question.
_QUESTION = re.compile(
    r"怎么|咋|为什么|为啥|什么|吗|怕|慌|紧张|担心|焦虑|难过|哭|累|烦|压力|不|没|逼|非要|后悔|值得|合适|"
    r"比赛|竞赛|考试|中考|高考|兴趣班|补习|补课|培训|辅导班|奥数|编程|钢琴|舞蹈|早教|夏令营|冬令营|"
    r"要不要|该|多少|费|钱|贵|以后|之后|结果|但|却|孩子|儿子|女儿|他|她"
)
_DAY = re.compile(
    r"(?P<near>大后天|今天|今晚|明天|明晚|后天)"
    r"|(?P<week>下下|下个?|这个?|本)?(?:周|星期|礼拜)(?P<weekday>[一二三四五六日天末1-7])"
    r"|(?:(?P<month>1[0-2]|[1-9])月)?(?P<day>3[01]|[12]\d|[1-9])[日号]"
)
_HALF = re.compile(r"早上|上午|中午|下午|晚上")
_HALVES = {"早上": (0, 12), "上午": (0, 12), "中午": (11, 14), "下午": (12, 18), "晚上": (17, 24)}
_NEAR = {"今天": 0, "今晚": 0, "明天": 1, "明晚": 1, "后天": 2, "大后天": 3}
_WEEKS = {"这": 0, "这个": 0, "本": 0, "下": 1, "下个": 1, "下下": 2}
_FILLING = re.compile(
    r"\d{1,2}点(?:半|\d{1,2}分?)?|[一二三四五六七八九十]{1,2}点半?|这个|那个|一个|[的那这场个]"
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a sentence asks for.

    Args:
        said: the words behind the verb, all of them.
        asks: they sound like a question; only a title that sounds so makes them a wish.
        sure: in so many words, so that finding nothing is said; else it may be a question.
        days: one of these days; empty: none was named.
        weekdays: 1 is Monday, 6 and 7 both for a week-end; any week may be meant.
        hours: from and to, in China's time.
        kind: `course` or `event`; empty: either.
        title: what is left of the words.
    """

    said: str
    asks: bool
    sure: bool
    days: frozenset[date] = frozenset()
    weekdays: frozenset[int] = frozenset()
    hours: tuple[int, int] = (0, 24)
    kind: str = ""
    title: str = ""

    @property
    def points(self) -> bool:
        """Say whether it names a day or a title at all."""
        return bool(self.days or len(self.title) >= TITLE_LEAST)


def may_be(text: str) -> bool:
    """Say whether a message could be such a sentence, before anything is looked up."""
    words = bare(text)
    return bool(_BOOK.fullmatch(words) or _GIVE_UP.fullmatch(words))


def booking(text: str, today: date) -> Wish | None:
    """Return what a whole message wants to sign up for; None: it is something else."""
    match = _BOOK.fullmatch(bare(text))
    if match is None:
        return None
    asked = bool(match["lead"]) and match["verb"] in _SURE
    return _wish(match["what"], today, sure=asked)


def giving_up(text: str, today: date) -> Wish | None:
    """Return what a whole message wants to give up; None: it is something else."""
    match = _GIVE_UP.fullmatch(bare(text))
    return _wish(match["what"], today, sure=False) if match else None


def _wish(what: str, today: date, *, sure: bool) -> Wish:
    noun = _NOUN.search(what)
    day = _DAY.search(what)
    half = _HALF.search(what)
    rest = _NOUN.sub("", what)
    for pattern in (_DAY, _HALF, _FILLING):
        rest = pattern.sub("", rest)
    days, weekdays = _days(day, today) if day else (frozenset[date](), frozenset[int]())
    evening = day is not None and day[0].endswith("晚")
    return Wish(
        said=what,
        asks=bool(_QUESTION.search(what)),
        sure=sure or noun is not None,
        days=days,
        weekdays=weekdays,
        hours=_HALVES[half[0]] if half else (17, 24) if evening else (0, 24),
        kind=_kind(noun[0]) if noun else "",
        title=rest,
    )


def _kind(noun: str) -> str:
    return EVENT if "活动" in noun else COURSE if "课" in noun or noun == "讲座" else ""


def _days(found: re.Match[str], today: date) -> tuple[frozenset[date], frozenset[int]]:
    """Return the days that are named, and the weekdays where any week may be meant."""
    if found["near"]:
        return frozenset({today + timedelta(days=_NEAR[found["near"]])}), frozenset()
    if found["weekday"]:
        numbers = _weekdays(found["weekday"])
        if found["week"] is None:
            coming = (today + timedelta(days=ahead) for ahead in range(7))
            return frozenset(day for day in coming if day.isoweekday() in numbers), numbers
        monday = today + timedelta(weeks=_WEEKS[found["week"]], days=1 - today.isoweekday())
        return frozenset(monday + timedelta(days=number - 1) for number in numbers), frozenset()
    return _dates(found["month"], int(found["day"]), today), frozenset()


def _weekdays(sign: str) -> frozenset[int]:
    if sign == "末":
        return frozenset({6, 7})
    if sign == "天":
        return frozenset({7})
    return frozenset({int(sign) if sign.isdecimal() else _WEEKDAYS.index(sign) + 1})


def _dates(month: str | None, day: int, today: date) -> frozenset[date]:
    """Return the next day of that number, in the named month or in any."""
    coming = (today + timedelta(days=ahead) for ahead in range(366))
    found = (one for one in coming if one.day == day and month in (None, str(one.month)))
    # A day that never comes is named all the same: nothing is on it.
    return frozenset({next(found, date.min)})

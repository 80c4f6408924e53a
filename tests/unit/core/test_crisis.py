"""Every cell of the crisis matrix against every point a first reply has to meet."""

import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from importlib.resources import files
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.crisis import (
    DUTIES,
    FAMILIES,
    LEVELS,
    SPEAKERS,
    CrisisBook,
    CrisisReply,
    Duty,
    Family,
    Level,
    Speaker,
    compose,
    compose_again,
    family_of,
    load_crisis,
    speaker_of,
)
from bot.core.hotlines import Hotline, load_hotlines
from bot.core.phrases import BYTE_LIMIT, PhraseBook, PhraseError, load_phrases, parse_phrases

SHANGHAI = ZoneInfo("Asia/Shanghai")
LINES = load_hotlines()
NOON = datetime(2026, 11, 23, 12, tzinfo=SHANGHAI)
MOMENTS = {
    "noon": NOON,
    "night": NOON.replace(hour=3),
    "sunday evening": datetime(2026, 11, 22, 20, 30, tzinfo=SHANGHAI),
}
PAIRS = tuple(product(FAMILIES, SPEAKERS))
CELLS = tuple(product(FAMILIES, SPEAKERS, LEVELS, DUTIES))
SITUATIONS = tuple(product(LEVELS, DUTIES, MOMENTS))
ONE_SCREEN = 1300
CARERS = ("parent_about_child", "other_adult")
MEANS = re.compile("药|刀|绳|高处|窗|楼|农药|河|吞|割|跳|武器|包装")
BLAME = re.compile("都怪|怪你|你怎么|谁让你|你应该早|没教好|不负责任")
EMPTY_COMFORT = re.compile("一定会没事|不会有事|放心吧|没什么大不了|坚强点|会好起来的")
DRUGS_OR_DIAGNOSIS = re.compile("抑郁症|双相|精神分裂|剂量|停药|减药|换药|确诊")


def first(
    family: Family, speaker: Speaker, level: Level = "3", duty: Duty = "on", moment: datetime = NOON
) -> CrisisReply:
    return compose(family, speaker, level, duty, LINES, moment)


every_pair = pytest.mark.parametrize(("family", "speaker"), PAIRS)


@every_pair
@pytest.mark.parametrize(("level", "duty"), tuple(product(LEVELS, DUTIES)))
def test_a_cell_meets_all_seven_points(
    family: Family, speaker: Speaker, level: Level, duty: Duty
) -> None:
    for moment in MOMENTS.values():
        text = first(family, speaker, level, duty, moment).text
        lines = text.split("\n")
        # 1. I heard you, calm, without blame
        assert "收到了" in lines[0]
        assert "谢谢你" in lines[0]
        # 2. what to do now, before anything else that is long
        steps = [line for line in lines if re.match(r"[1-4]\. ", line)]
        assert 3 <= len(steps) <= 4
        assert lines.index(steps[0]) <= 3
        # 3. numbers with their hours
        assert re.search("现在开通的电话.*120急救（24小时）", text)
        assert re.search("现在开通的电话.*110报警（24小时）", text)
        # 4. the truth about people
        assert ("正在通知值班心理老师" in text) is (duty == "on")
        assert ("现在没有值班老师" in text) is (duty == "off")
        assert "电话" in next(line for line in lines if "值班" in line)
        # 5. one question
        assert text.count("？") == 1
        assert re.search("回我一句：.*在哪里？", text)
        # 6. what is shared with whom and why
        assert re.search("这段话会给值班心理老师.*看.*安全", text)
        # 7. the label
        assert lines[-1] == "（心晴·AI自动回复·内容待专业复核）"


@every_pair
def test_a_cell_prints_only_registered_numbers_that_are_open(
    family: Family, speaker: Speaker
) -> None:
    for level, duty, moment in SITUATIONS:
        reply = first(family, speaker, level, duty, MOMENTS[moment])
        printed = set(re.findall(r"\d{3,}", reply.text))
        assert printed == set(reply.numbers), reply.key
        assert {"110", "120"} <= printed, reply.key
        assert all(LINES.get(number).open_at(MOMENTS[moment]) for number in printed), reply.key
        assert ("12356" in printed) is (moment != "night"), reply.key


@every_pair
def test_a_cell_fits_one_screen_and_says_nothing_forbidden(
    family: Family, speaker: Speaker
) -> None:
    for level, duty, moment in SITUATIONS:
        reply = first(family, speaker, level, duty, MOMENTS[moment])
        text = reply.text
        assert len(text.encode()) <= ONE_SCREEN, reply.key
        assert not any(word in text for word in load_phrases().forbidden), reply.key
        assert not EMPTY_COMFORT.search(text), reply.key
        assert not DRUGS_OR_DIAGNOSIS.search(text), reply.key
        assert not BLAME.search(re.sub("我们?不怪你", "", text)), reply.key
        assert not re.search(r"[{}]|\n\n", text), reply.key


@pytest.mark.parametrize(("family", "speaker"), tuple(product(FAMILIES, CARERS)))
def test_a_carer_is_told_what_to_say_and_what_not_to(family: Family, speaker: Speaker) -> None:
    text = first(family, speaker).text
    assert re.search("可以(说|发给孩子|发给TA|对家人说|对身边的人说)：“", text)
    assert re.search("先不|不要|不反复|不去|不在|不争", text)


@pytest.mark.parametrize(("family", "level"), tuple(product(FAMILIES, LEVELS)))
def test_an_unknown_speaker_hears_of_no_means(family: Family, level: Level) -> None:
    reply = first(family, "unknown", level)
    assert not MEANS.search(reply.text)
    assert not MEANS.search(
        compose_again(family, "unknown", level, "on", LINES, NOON).text.replace("不便出声", "")
    )


@pytest.mark.parametrize(("level", "speaker"), tuple(product(LEVELS, ["about_self", "minor"])))
def test_somebody_in_danger_hears_of_no_means_either(level: Level, speaker: Speaker) -> None:
    for family in ("self_harm", "exhausted_parent", "abuse", "other"):
        assert not MEANS.search(first(family, speaker, level).text)


@pytest.mark.parametrize(("speaker", "level"), tuple(product(SPEAKERS, LEVELS)))
def test_for_a_missing_child_the_search_and_the_police_come_first(
    speaker: Speaker, level: Level
) -> None:
    text = first("missing", speaker, level).text
    steps = next(line for line in text.split("\n") if line.startswith("1. "))
    assert re.search("现在就拨110", steps)
    assert "不用等24小时" in steps
    assert re.search("找", text)
    assert not re.search("陪在孩子身边|陪在身边|独处", text)
    assert text.index("110") < text.index("120")


@pytest.mark.parametrize(("speaker", "level"), tuple(product(SPEAKERS, LEVELS)))
def test_abuse_is_nobodys_fault_neutral_and_without_questions(
    speaker: Speaker, level: Level
) -> None:
    text = first("abuse", speaker, level).text
    preview = text.split("\n")[0]
    assert re.fullmatch("消息收到了，谢谢你(愿意)?(说|说出来)。", preview)
    assert re.search("不是你的错|孩子没有错", text)
    assert re.search("不(用说|追问).*细节", text)
    assert re.search("对质|讲道理", text)
    assert re.search(r"发短信到12110加区号", text)
    assert "不会发给" in text
    if speaker != "other_adult":
        assert "看完就删掉这条" in text
    assert not re.search("和好|原谅|家和|忍一忍|为了家", text)


@pytest.mark.parametrize(("family", "level"), tuple(product(FAMILIES, LEVELS)))
def test_a_minor_is_led_to_an_adult_and_not_blamed(family: Family, level: Level) -> None:
    text = first(family, "minor", level).text
    assert re.search("信任的大人|可靠的大人|身边的大人|有大人", text)
    assert "谢谢你愿意" in text or family in ("medical", "violence")
    assert not re.search("你的孩子|孩子现在", text)
    assert "保护你的" in text or "告诉能保护你的大人" in text


@pytest.mark.parametrize(("speaker", "duty"), tuple(product(SPEAKERS, DUTIES)))
def test_joint_death_gets_both_numbers_and_a_safe_adult_first(speaker: Speaker, duty: Duty) -> None:
    text = first("exhausted_parent", speaker, "3!", duty).text
    urgent = text.split("\n")[1]
    assert "可靠的大人" in urgent
    assert "110" in urgent
    assert "120" in urgent


@every_pair
def test_the_most_urgent_level_opens_with_a_number(family: Family, speaker: Speaker) -> None:
    before_steps = first(family, speaker, "3!").text.split("\n1. ")[0]
    assert re.search("110|120", before_steps)
    assert first(family, speaker, "3").text.split("\n1. ")[0] in before_steps


def test_a_parent_of_a_child_in_danger_is_told_to_stay() -> None:
    for level in LEVELS:
        text = first("self_harm", "parent_about_child", level).text
        for needed in (
            "陪在孩子身边",
            "不要让孩子独处",
            "收好药品、刀具",
            "谢谢你告诉我，我会陪着你",
        ):
            assert needed in text


def test_poisoning_puts_the_ambulance_first() -> None:
    text = first("medical", "parent_about_child", "3!").text
    assert text.split("\n")[1].startswith("请现在就拨120")
    assert "不要自行催吐" in text


def test_an_adults_own_danger_is_not_passed_to_the_class() -> None:
    assert "不会自动转给班主任" in first("self_harm", "about_self").text


@every_pair
@pytest.mark.parametrize("accepted", [False, True])
def test_a_further_reply_is_short_and_still_true(
    family: Family, speaker: Speaker, accepted: bool
) -> None:
    for level, duty in product(LEVELS, DUTIES):
        reply = compose_again(family, speaker, level, duty, LINES, NOON, accepted=accepted)
        whole = first(family, speaker, level, duty).text
        assert len(reply.text) < 0.75 * len(whole), reply.key
        assert {"110", "120"} <= set(reply.numbers), reply.key
        assert set(re.findall(r"\d{3,}", reply.text)) == set(reply.numbers), reply.key
        assert ("正在通知" in reply.text) is (duty == "on" and not accepted), reply.key
        assert ("没有值班老师" in reply.text) is (duty == "off" and not accepted), reply.key
        assert ("值班老师已收到" in reply.text) is accepted, reply.key
        assert reply.text.count("？") == 1, reply.key
        assert "AI自动回复" in reply.text, reply.key
        assert not any(word in reply.text for word in load_phrases().forbidden), reply.key


def test_further_replies_go_round() -> None:
    texts = [
        compose_again("self_harm", "minor", "3", "on", LINES, NOON, turn=turn).text
        for turn in range(1, 5)
    ]
    assert len(set(texts)) == 3
    assert texts[0] == texts[3]


@every_pair
def test_the_safety_question_stands_alone_too(family: Family, speaker: Speaker) -> None:
    question = load_crisis().question(family, speaker).text
    assert question.count("？") == 1
    assert question in first(family, speaker).text


@pytest.mark.parametrize(
    ("categories", "family"),
    [
        (["SI-P"], "self_harm"), (["SI-A"], "self_harm"), (["SI-PL"], "self_harm"),
        (["SI-AT"], "self_harm"), (["SI-H"], "self_harm"), (["NSSI"], "self_harm"),
        (["ABU"], "abuse"), (["DV"], "abuse"), (["SA"], "abuse"), (["TCH"], "abuse"),
        (["ONL"], "abuse"), (["BUL"], "bullying"), (["RUN"], "missing"), (["OD"], "medical"),
        (["ACC"], "medical"), (["SUB"], "medical"), (["ED"], "medical"), (["VIO"], "violence"),
        (["CGB"], "exhausted_parent"), (["PND"], "exhausted_parent"), (["PSY"], "other"),
        (["REF"], "other"), (["GAM"], "other"), (["GRIEF"], "other"), (["ANX"], "other"),
        (["DIS"], "other"), (["ATT"], "other"), (["MED"], "other"), (["REFU"], "other"),
        (["TEST"], "self_harm"), ([], "other"), (["?"], "other"),
        (["BUL", "SI-A"], "self_harm"), (["SI-A", "OD"], "medical"), (["SI-PL", "RUN"], "missing"),
        (["SI-A", "CGB"], "exhausted_parent"), (["SI-A", "DV"], "abuse"),
        (["SI-PL", "DV"], "self_harm"), (["SUB", "SI-P"], "self_harm"),
        (["GAM", "VIO"], "violence"), (["DIS", "BUL"], "bullying"),
    ],
)  # fmt: skip
def test_the_most_dangerous_category_names_the_family(categories: list[str], family: str) -> None:
    assert family_of(categories) == family
    assert family_of(categories[::-1]) == family


@pytest.mark.parametrize(
    ("who", "speaker"),
    [
        ("PS", "about_self"), ("PC", "parent_about_child"), ("G", "parent_about_child"),
        ("PO", "other_adult"), ("T", "other_adult"), ("S", "minor"), ("Q", "unknown"),
        ("X", "unknown"), (None, "unknown"), ("", "unknown"),
    ],
)  # fmt: skip
def test_who_becomes_a_speaker(who: str | None, speaker: str) -> None:
    assert speaker_of(who) == speaker


def own(number: str, name: str = "区心理中心") -> Hotline:
    return Hotline(
        number, name, "", "", "24h", ("own",), date(2026, 11, 22), "test", known_hours=True
    )


def test_a_tenants_own_line_is_listed_day_and_night() -> None:
    lines = LINES.with_lines([own("0512-55550000")])
    reply = compose("self_harm", "minor", "3", "off", lines, MOMENTS["night"])
    assert "0512-55550000区心理中心（24小时）" in reply.text
    assert "0512-55550000" in reply.numbers


def test_local_hours_hold_in_their_region() -> None:
    night = MOMENTS["night"]
    assert "12356" in compose("other", "minor", "2", "off", LINES, night, "320506").numbers
    assert "12356" not in compose("other", "minor", "2", "off", LINES, night, "3301").numbers


@every_pair
def test_many_lines_never_push_a_reply_over_the_limit(family: Family, speaker: Speaker) -> None:
    lines = LINES.with_lines([own(f"0512-5555000{n}", "心" * 20) for n in range(9)])
    for level, duty in product(LEVELS, DUTIES):
        reply = compose(family, speaker, level, duty, lines, NOON)
        assert len(reply.text.encode()) <= BYTE_LIMIT, reply.key
        assert {"110", "120"} <= set(reply.numbers), reply.key
        assert sum("-" in number for number in reply.numbers) <= 4, reply.key


@given(
    st.sampled_from(CELLS),
    st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001
    st.integers(-12, 14),
)
def test_at_any_moment_a_closed_line_is_not_printed(
    cell: tuple[Family, Speaker, Level, Duty], wall: datetime, offset: int
) -> None:
    moment = wall.replace(tzinfo=SHANGHAI).astimezone(ZoneInfo("UTC")) + timedelta(hours=offset)
    reply = compose(*cell, LINES, moment)
    assert ("12356" in reply.text) is LINES.get("12356").open_at(moment)
    assert {"110", "120"} <= set(reply.numbers)


def test_a_reply_names_its_cell_and_its_parts() -> None:
    reply = first("abuse", "minor", "3!", "off")
    assert reply.source == "crisis:abuse.minor.3!.off@1"
    assert reply.parts[0] == "opening.abuse.minor@1"
    assert "steps.abuse.minor@1" in reply.parts
    assert reply.reviewers == ()


def shipped() -> PhraseBook:
    text = files("bot.core").joinpath("crisis.toml").read_text(encoding="utf-8")
    return parse_phrases(text, load_phrases().forbidden)


def test_nobody_has_signed_and_the_book_says_so() -> None:
    assert load_crisis().unsigned() == tuple(sorted(part.key for part in shipped()))


def test_the_unreviewed_label_goes_when_every_part_is_signed() -> None:
    signed = [replace(part, reviewers=("甲", "乙"), version=2) for part in shipped()]
    book = CrisisBook(PhraseBook(signed), load_phrases())
    reply = book.compose("self_harm", "minor", "3", "on", LINES, NOON)
    assert reply.text.endswith("（心晴·AI自动回复）")
    assert (reply.reviewers, reply.version) == (("甲", "乙"), 2)
    one_missing = [
        replace(p, reviewers=()) if p.key == "steps.self_harm.minor" else p for p in signed
    ]
    half = CrisisBook(PhraseBook(one_missing), load_phrases())
    reply = half.compose("self_harm", "minor", "3", "on", LINES, NOON)
    assert "待专业复核" in reply.text
    assert reply.reviewers == ()
    assert half.unsigned() == ("steps.self_harm.minor",)


def test_a_book_with_a_hole_is_refused() -> None:
    for gone in ("steps.abuse.minor", "status.off.urgent", "label.any.signed", "sharing.any.minor"):
        parts = [part for part in shipped() if part.key != gone]
        with pytest.raises(PhraseError):
            CrisisBook(PhraseBook(parts), load_phrases())


@pytest.mark.parametrize(
    ("key", "text", "fields"),
    [("opening.abus.minor", "好", frozenset()), ("steps.abuse.minor", "{who}", frozenset({"who"}))],
)
def test_a_part_that_nothing_uses_or_fills_is_refused(
    key: str, text: str, fields: frozenset[str]
) -> None:
    parts = list(shipped())
    parts.append(replace(parts[0], key=key, text=text, fields=fields))
    with pytest.raises(PhraseError, match=key.split(".")[0]):
        CrisisBook(PhraseBook(parts), load_phrases())

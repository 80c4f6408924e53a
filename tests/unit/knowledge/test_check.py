"""The handbook check: each rule, and the entry that breaks none."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from knowledge.check import check_handbook, visible_length
from knowledge.entry import Entry
from knowledge.loader import Handbook, load_handbook, parse_entry
from knowledge.problems import Problem, entry_format

TODAY = date(2026, 11, 23)
NUMBERS = {"110", "120", "12356"}
HANDBOOK = Path(__file__).parents[3] / "knowledge" / "handbook"


def read(text: str, name: str = "T06-01.md") -> Entry:
    entry, problems = parse_entry(text, Path(name))
    assert entry is not None, [str(p) for p in problems]
    return entry


def check(*texts: str) -> list[Problem]:
    entries = [read(text) for text in texts]
    return check_handbook(Handbook({e.id: e for e in entries}), NUMBERS, TODAY)


def test_good_entry_has_no_problem(entry_text: str) -> None:
    assert check(entry_text) == []


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("先停下催促，", "先停下催促，" * 8, "一句话回答"),
        ("拖延常常不是懒，", "拖延常常不是懒，" * 16, "为什么会这样"),
        ("娃写得慢，", "娃写得慢，" * 14, "祖辈版"),
        ("## 学校能做什么\n可以请老师看看作业量，先减一点再慢慢加回来。\n", "", "学校能做什么"),
        ("可以请老师看看作业量，先减一点再慢慢加回来。", "", "学校能做什么"),
        ("3. 到点就收", "到点就收", "现在可以做的3步"),
        ("〔2〕", "〔4〕", "红旗:出现这些请马上找人"),
        ("〔2〕连续两周夜里睡不着，一写作业就哭 →", "连续两周", "红旗:出现这些请马上找人"),
        ("- 《中华", "《中华", "依据"),
        ("不要站在背后", "孩子患有多动，不要站在背后", "不要这样做"),
        ("拨打{12356}", "拨打12356", "红旗:出现这些请马上找人"),
        ("拨打{12356}", "拨打{99999}", "红旗:出现这些请马上找人"),
        ("先停十分钟", "打 13800138000，先停", "现在可以做的3步"),
        ("先停十分钟", "打 0571-88888888，先停", "现在可以做的3步"),
        ("先停十分钟", "<script>alert(1)</script>", "现在可以做的3步"),
        ("先停十分钟", "![图](http://x.cn/a.png)", "现在可以做的3步"),
        ("related: []", "related: [T99-01]", "related"),
        ("related: []", "related: [T06-01]", "related"),
        ("  - 一页口算写俩小时\n", "", "aliases"),
        ("  - 一页口算写俩小时\n", "".join(f"  - 第{n}种问法\n" for n in range(9)), "aliases"),
        ("courses: []", "courses: [K99]", "courses"),
        ("- 〔2〕", "〔2〕", "红旗:出现这些请马上找人"),
        ("- 〔3〕", "〔3〕", "红旗:出现这些请马上找人"),
        ("- 不要站", "不要站", "不要这样做"),
        ("(2021年)第十七条", "第十七条", "依据"),
        ("(2021年)第十七条", "(2021年)", "依据"),
        ("(2021年)第十七条", "(2021年)第五十六条", "依据"),
        ("《中华人民共和国家庭教育促进法》(2021年)第十七条", "某大学的研究", "依据"),
        ("歇五分钟再写下一段。", "小学生每天要睡8小时。", "现在可以做的3步"),
        ("歇五分钟再写下一段。", "小学生每天要睡10小时。", "现在可以做的3步"),
        ("reviewers: []", "reviewers: [张三]", "reviewers"),
        ("next_review: 2027-11-22", "next_review: 2026-11-23", "next_review"),
    ],
)
def test_broken_rule_is_reported_at_its_field(
    entry_text: str, old: str, new: str, field: str
) -> None:
    assert old in entry_text
    problems = check(entry_text.replace(old, new, 1))
    assert field in [p.field for p in problems if p.severity == "error"]


def test_units_after_a_number_are_no_phone_number(entry_text: str) -> None:
    assert check(entry_text.replace("歇五分钟再写", "歇120秒再写")) == []


def test_denied_promise_is_allowed(entry_text: str) -> None:
    assert check(entry_text.replace("我不催了，", "不能保证不催，")) == []


def test_sections_must_keep_their_order(entry_text: str) -> None:
    steps = entry_text.index("## 现在可以做的3步")
    reason = entry_text.index("## 为什么会这样")
    scripts = entry_text.index("## 可以直接说的话")
    swapped = (
        entry_text[:reason]
        + entry_text[steps:scripts]
        + entry_text[reason:steps]
        + entry_text[scripts:]
    )
    assert [p.severity for p in check(swapped)] == ["error"]


def test_body_may_be_neither_short_nor_long(entry_text: str) -> None:
    line = "作业多的日子先问老师哪些可以明天补，别一口气全做完。"
    assert check(entry_text.replace(line, "")) != []
    assert check(entry_text.replace(line, line * 4)) != []


def test_review_soon_due_is_a_warning(entry_text: str) -> None:
    soon = (TODAY + timedelta(days=10)).isoformat()
    problems = check(entry_text.replace("next_review: 2027-11-22", f"next_review: {soon}"))
    assert [p.severity for p in problems] == ["warning"]


def test_same_alias_in_two_entries_is_an_error_and_a_near_one_a_warning(entry_text: str) -> None:
    other = entry_text.replace("id: T06-01", "id: T06-02").replace("磨到半夜十一点", "别的孩子")
    severities = {p.severity for p in check(entry_text, other)}
    assert severities == {"error"}
    long_alias = "娃写个作业能磨到半夜十一点，我一开口他就跟我急，急得要摔门"
    first = entry_text.replace("磨到半夜十一点还没写完", long_alias)
    aliases = "\n".join(f"  - 完全不同的问法第{n}种{'甲乙丙丁戊己'[n]}" for n in range(6))
    start, end = entry_text.index("  - 磨到"), entry_text.index("related:")
    second = entry_text[:start] + f"  - {long_alias}了\n{aliases}\n" + entry_text[end:]
    second = second.replace("id: T06-01", "id: T06-02").replace("title: 写", "title: 另一个题目,")
    assert "warning" in {p.severity for p in check(first, second)}


def test_an_entry_covers_only_what_is_in_the_question_list(entry_text: str) -> None:
    problems = check(entry_text.replace("covers: [Q026]", "covers: [Q026, Q999]"))
    assert [p.field for p in problems] == ["covers"]


def test_the_whole_handbook_leaves_no_question_open(entry_text: str) -> None:
    handbook = Handbook({"T06-01": read(entry_text)})
    open_ones = check_handbook(handbook, NUMBERS, TODAY, whole=True)
    assert len(open_ones) == 117
    assert not any("Q026" in p.text for p in open_ones)


def test_signature_record_lets_a_reviewer_stand(entry_text: str) -> None:
    entry = read(entry_text.replace("reviewers: []", "reviewers: [张三]"))
    handbook = Handbook({entry.id: entry})
    assert check_handbook(handbook, NUMBERS, TODAY, signed=lambda _: True) == []


def test_length_counts_what_is_seen() -> None:
    assert visible_length("1. 一二\n- 三 四") == 4


def test_every_problem_sentence_is_chinese_and_names_its_place() -> None:
    for sentence in entry_format()["problems"].values():
        assert any("\u4e00" <= char <= "\u9fff" for char in sentence)
    problem = Problem("error", Path("T06-01.md"), 3, "title", "缺少")
    assert str(problem) == "T06-01.md:3: title: 缺少"


def test_shipped_handbook_can_be_read() -> None:
    handbook = load_handbook(HANDBOOK)
    assert [str(p) for p in handbook.problems] == []
    assert handbook.entries


def test_a_topic_that_is_not_in_the_list_is_reported(entry_text: str) -> None:
    text = entry_text.replace("id: T06-01", "id: T99-01").replace("topic: T06", "topic: T99")
    found = check_handbook(Handbook({"T99-01": read(text, "T99-01.md")}), NUMBERS, TODAY)
    assert [problem.field for problem in found] == ["topic"]


def test_near_aliases_are_found_across_blocks(
    entry_text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = entry_text.replace("id: T06-01", "id: T06-02").replace("天天写", "日日写")
    monkeypatch.setattr("knowledge.check.NEAR_ALIAS", 70)
    whole = [str(problem) for problem in check(entry_text, other)]
    monkeypatch.setattr("knowledge.check.BLOCK", 2)
    assert [str(problem) for problem in check(entry_text, other)] == whole
    assert any("太像" in text for text in whole)

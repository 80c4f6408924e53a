"""The count of a simulated day, on days made by hand."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.simulator.day.ledger import Delivery, Ledger, Message
from bot.simulator.day.plan import Kind, Mark, Planned, Way
from bot.simulator.day.tally import Day, Seen, tally
from bot.simulator.platform import Sent

NOW = datetime(2026, 11, 23, tzinfo=UTC)
MESSAGE = Message(1, "n1", 7, True, "done", "questions", 1, None)
REPLY = Delivery(
    id=1,
    message=1,
    case=None,
    route="api",
    kind="answer",
    state="accepted",
    receipt="ok",
    reason="",
    words="答复",
    group="",
    to="u1",
    made_at=NOW,
    ended_at=NOW + timedelta(minutes=5),
)
ALERT = replace(REPLY, id=9, message=None, case=3, route="alert", kind="alert", words="提醒", to="")


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def sent(seconds: float, *, to: str = "u1", words: str = "答复", kind: str = "") -> Sent:
    return Sent(kind or "dingtalk-session", to, words, later(seconds), {})


def seen(**more: Any) -> Seen:
    planned = Planned("n1", Way.DINGTALK, "u1", Kind.QUESTION, "问", 0.0)
    return Seen(replace(planned, **more), begun=NOW, tries=1, taken=True)


def count(
    one: Seen,
    messages: Sequence[Message] = (MESSAGE,),
    deliveries: Sequence[Delivery] = (REPLY,),
    arrived: Sequence[Sent] = (),
    *,
    unheard: Sequence[int] = (),
    unmarked: Collection[int] = (),
) -> dict[str, Any]:
    ledger = Ledger(messages, deliveries, 0, 0, {}, Counter())
    lost = [arrived[number] for number in unheard]
    return tally(Day([one], ledger, arrived, lost, unmarked))


def figures(counts: dict[str, Any]) -> dict[str, Any]:
    (found,) = counts["channels"].values()
    return dict(found)


def test_a_day_on_which_all_went_well() -> None:
    counts = count(seen(), arrived=[sent(2)])
    assert counts["broken"] == {}
    assert figures(counts)["visible"] == {"0": 0, "1": 1, "more": 0}
    assert figures(counts)["late"] == {"over_5_s": 0, "over_60_s": 0, "p50_s": 2.0, "p99_s": 2.0}


def test_what_was_taken_and_not_stored_is_lost() -> None:
    assert count(seen(), messages=[], deliveries=[])["broken"] == {"message_lost": 1}


def test_what_the_platform_gave_up_is_not_our_loss() -> None:
    one = seen()
    one.taken, one.given_up = False, True
    counts = count(one, messages=[], deliveries=[])
    assert (counts["broken"], counts["given_up_by_platform"]) == ({}, 1)


def test_a_message_stored_twice_and_one_without_assessment() -> None:
    twice = [MESSAGE, replace(MESSAGE, id=2, screened=0)]
    counts = count(seen(), messages=twice, arrived=[sent(0)])
    assert counts["broken"] == {"message_doubled": 1, "not_screened": 1}


def test_a_reply_that_the_table_takes_for_sent_and_nobody_saw() -> None:
    assert count(seen())["broken"] == {"answer_lost": 1}


def test_a_reply_that_was_given_up_is_known() -> None:
    counts = count(seen(), deliveries=[replace(REPLY, state="failed")])
    assert counts["broken"] == {}
    assert figures(counts)["given_up_and_known"] == 1


def test_an_answer_in_the_callback_counts_as_seen() -> None:
    one = seen()
    one.words["答复"] = later(0)
    counts = count(one, deliveries=[replace(REPLY, route="passive")])
    assert figures(counts)["visible"]["1"] == 1


def test_doubles_are_explained_or_not() -> None:
    twice = [sent(1), sent(2)]
    assert figures(count(seen(), arrived=twice))["doubled_unexplained"] == 1
    assert figures(count(seen(), arrived=twice, unheard=[0]))["doubled_unexplained"] == 0
    assert figures(count(seen(), arrived=twice, unmarked={1}))["doubled_unexplained"] == 0


def test_equal_words_go_to_the_delivery_that_was_under_way() -> None:
    failed = replace(REPLY, state="failed", ended_at=later(60))
    second = replace(REPLY, id=2, message=2, made_at=later(100), ended_at=later(101))
    other = replace(MESSAGE, id=2, number="n2")
    ledger = Ledger([MESSAGE, other], [failed, second], 0, 0, {}, Counter())
    people = [seen(), seen(number="n2")]
    people[1].begun = later(100)
    counts = tally(Day(people, ledger, [sent(101)], [], ()))
    assert counts["broken"] == {}
    assert figures(counts)["visible"] == {"0": 1, "1": 1, "more": 0}
    assert figures(counts)["given_up_and_known"] == 1


def test_a_stale_message_that_got_words() -> None:
    stale = replace(MESSAGE, answerable=False)
    counts = count(seen(mark=Mark.STALE), messages=[stale], arrived=[sent(1)])
    assert counts["broken"] == {"stale_answered": 1}


def test_a_danger_needs_a_case_and_an_alert_that_the_group_got() -> None:
    cry = seen(kind=Kind.DANGER)
    cased = [replace(MESSAGE, case=3)]
    posted = sent(1, to="duty", words="提醒", kind="wecom")
    assert count(cry, cased, [REPLY, ALERT], [sent(1), posted])["broken"] == {}
    assert count(cry, cased, [REPLY, ALERT], [sent(1)])["broken"] == {"danger_without_alert": 1}
    assert count(cry, arrived=[sent(1)])["broken"] == {
        "danger_without_case": 1,
        "danger_without_alert": 1,
    }


def test_a_group_gets_one_line_and_no_crisis_reply() -> None:
    cry = seen(kind=Kind.DANGER, group="class")
    cased = [replace(MESSAGE, case=3)]
    line = replace(REPLY, group="class", to="class", kind="service")
    posted = sent(1, to="duty", words="提醒", kind="wecom")
    one = sent(1, to="class", kind="dingtalk-group")
    assert count(cry, cased, [line, ALERT], [one, posted])["broken"] == {}
    assert count(cry, cased, [line, ALERT], [one, one, posted])["broken"] == {
        "group_lines_wrong": 1
    }
    loud = replace(line, kind="risk")
    assert count(cry, cased, [loud, ALERT], [one, posted])["broken"] == {"crisis_in_group": 1}


def test_who_is_with_a_counselor_gets_no_automatic_answer() -> None:
    counts = count(seen(), [replace(MESSAGE, handler="held")], [])
    assert (counts["broken"], figures(counts)["left_to_a_person"]) == ({}, 1)
    assert count(seen(), deliveries=[])["broken"] == {"answer_lost": 1}

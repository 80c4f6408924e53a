"""The loss test's counting: what is lost, doubled or out of order must show."""

import random
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from bot.bench.ledger import Ledger, StoredDelivery, StoredMessage
from bot.bench.loss import make_plan
from bot.bench.tally import Planned, Seen, count
from bot.simulator.platform import Sent

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def message(id_: int, number: str, *, contact: int = 1, answerable: bool = True) -> StoredMessage:
    return StoredMessage(id_, number, contact, "done", answerable)


def reply(id_: int, message_id: int, *, route: str = "passive", words: str = "w") -> StoredDelivery:
    key = f"message:{message_id}:0"
    return StoredDelivery(id_, key, message_id, route, "answer", "accepted", "ok", words, None, "o")


def alert(id_: int, *, state: str = "accepted", receipt: str = "ok") -> StoredDelivery:
    return StoredDelivery(id_, "alert:1", None, "alert", "alert", state, receipt, "a", 1, None)


def seen(number: str, *words: str, taken: bool = True, **more: bool) -> Seen:
    return Seen(Planned(number, "o", "t", 0.0, **more), 1, taken, set(words))


def sent(text: str, recipient: str = "o", kind: str = "custom") -> Sent:
    return Sent(kind, recipient, text, NOW, {})


def tally(
    seen_: list[Seen],
    messages: list[StoredMessage],
    deliveries: list[StoredDelivery],
    arrived: list[Sent] | None = None,
    cased: frozenset[int] = frozenset(),
) -> dict[str, Any]:
    screened = Counter(row.id for row in messages)
    ledger = Ledger(messages, deliveries, screened, cased)
    return count(seen_, ledger, arrived or [], robot="duty")


def test_one_message_one_answer() -> None:
    found = tally([seen("a", "w")], [message(1, "a")], [reply(1, 1)])
    assert found["handled"] == {"0": 0, "1": 1, "more": 0}
    assert found["visible_answers"] == {"0": 0, "1": 1, "more": 0}
    assert found["taken_but_not_stored"] == found["given_up_by_platform"] == 0


def test_a_message_that_was_taken_and_is_nowhere_is_lost() -> None:
    found = tally([seen("a", taken=True), seen("b", taken=False)], [], [])
    assert found["handled"]["0"] == 2
    assert found["taken_but_not_stored"] == 1
    assert found["given_up_by_platform"] == 1


def test_a_second_outcome_shows() -> None:
    found = tally([seen("a", "w")], [message(1, "a")], [reply(1, 1), reply(2, 1)])
    assert found["handled"]["more"] == 1


def test_a_second_row_of_one_platform_id_shows() -> None:
    rows = [message(1, "a"), message(2, "a")]
    assert tally([seen("a", "w")], rows, [reply(1, 1), reply(2, 2)])["handled"]["more"] == 1


def test_an_answer_that_also_went_through_the_api_is_seen_twice() -> None:
    found = tally([seen("a", "w")], [message(1, "a")], [reply(1, 1, route="api")], [sent("w")])
    assert found["visible_answers"]["more"] == 1


def test_equal_words_are_shared_out_among_their_messages() -> None:
    rows = [message(1, "a"), message(2, "b")]
    replies = [reply(1, 1, route="api"), reply(2, 2, route="api")]
    both = [seen("a"), seen("b")]
    assert tally(both, rows, replies, [sent("w")] * 2)["visible_answers"]["1"] == 2
    assert tally(both, rows, replies, [sent("w")] * 3)["visible_answers"]["more"] == 1
    assert tally(both, rows, replies, [sent("w")])["visible_answers"]["0"] == 1


def test_a_stale_message_is_screened_once_and_not_answered() -> None:
    rows = [message(1, "a", answerable=False)]
    found = tally([seen("a", stale=True)], rows, [])
    assert found["handled"]["1"] == 1
    assert found["stale"] == {"messages": 1, "answered": 0}
    assert tally([seen("a", "w", stale=True)], rows, [])["stale"]["answered"] == 1


def test_a_cry_for_help_needs_a_case() -> None:
    cry, rows = [seen("a", "w", risk=True)], [message(1, "a")]
    assert tally(cry, rows, [reply(1, 1)])["risk"] == {"messages": 1, "without_case": 1}
    found = tally(cry, rows, [reply(1, 1)], cased=frozenset({1}))
    assert found["risk"]["without_case"] == 0


def test_alerts_need_receipts() -> None:
    alerts = [alert(1), alert(2, state="queued"), alert(3, receipt="")]
    found = tally([], [], alerts, [sent("a", "duty", "wecom")])
    assert found["alerts"] == {"stored": 3, "without_receipt": 2, "posted": 1}


def test_the_order_of_one_parent_is_watched() -> None:
    later_first = [message(1, "b"), message(2, "a")]
    found = tally([seen("a", "w"), seen("b", "w")], later_first, [reply(1, 2), reply(2, 1)])
    assert found["order"] == {"parents": 1, "stored_out_of_order": 1, "answered_out_of_order": 1}


def test_a_plan_has_bursts_risk_copies_and_stale_ones() -> None:
    plan = make_plan(90, rate=50, rng=random.Random(1))
    assert len({planned.number for planned in plan}) == len(plan) == 90
    assert [planned.after for planned in plan] == sorted(planned.after for planned in plan)
    assert 1 <= sum(planned.risk for planned in plan) <= 12
    assert any(planned.copies > 1 for planned in plan)
    assert any(planned.stale for planned in plan)
    assert plan == make_plan(90, rate=50, rng=random.Random(1))

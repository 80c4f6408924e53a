"""Counts for `bench loss` and `bench stream`: what the platform saw against what the database says.

A message is *handled* once per outcome (a stale one, which gets no answer, once per assessment).
An answer is *visible* once when the platform got it in time in a callback's answer, and once each
time it was sent through the platform's API.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from bot.bench.ledger import Ledger, StoredDelivery, StoredMessage
from bot.bench.processes import ROBOT
from bot.db.models.delivery import ACCEPTED, ALERT
from bot.simulator.platform import Sent

# What the fake platforms call a reply that came through their API.
REPLIES = frozenset({"custom", "dingtalk-session", "dingtalk-person"})


@dataclass(frozen=True, slots=True)
class Planned:
    """One message of the plan.

    Args:
        after: seconds from the start until it is sent.
        copies: how many times it comes at once.
    """

    number: str
    openid: str
    text: str
    after: float
    risk: bool = False
    stale: bool = False
    copies: int = 1


@dataclass(slots=True)
class Seen:
    """What the platform saw of one message: posted how often, taken or not, the words it got."""

    planned: Planned
    posted: int = 0
    taken: bool = False
    words: set[str] = field(default_factory=set)


def count(
    seen: Sequence[Seen], ledger: Ledger, sent: Iterable[Sent], robot: str = ROBOT
) -> dict[str, object]:
    """Compare the plan, the platform's side and the database.

    Args:
        sent: what the platform's API took.
    """
    rows, replies = ledger.by_number(), ledger.replies()
    through_api = _through_api(ledger, sent)
    handled: Counter[str] = Counter()
    visible: Counter[str] = Counter()
    stale_answered = without_case = lost_after_taken = never_arrived = 0
    for one in seen:
        found = rows.get(one.planned.number, [])
        times = sum(
            len(replies.get(row.id, [])) if row.answerable else ledger.screened[row.id]
            for row in found
        )
        handled[_bucket(times)] += 1
        lost_after_taken += one.taken and not found
        never_arrived += not one.taken and not found
        shown = len(one.words) + sum(through_api[row.id] for row in found)
        if one.planned.stale:
            stale_answered += shown > 0
        else:
            visible[_bucket(shown)] += 1
        without_case += one.planned.risk and not any(row.id in ledger.cased for row in found)
    return {
        "messages": len(seen),
        "callbacks_posted": sum(one.posted for one in seen),
        "given_up_by_platform": sum(not one.taken for one in seen),
        "taken_but_not_stored": lost_after_taken,
        # Every try of the platform fell into a time when the service was down.
        "never_arrived": never_arrived,
        "handled": _three(handled),
        "visible_answers": _three(visible),
        "stale": {
            "messages": sum(one.planned.stale for one in seen),
            "answered": stale_answered,
        },
        "risk": {
            "messages": sum(one.planned.risk for one in seen),
            "without_case": without_case,
        },
        "alerts": _alerts(ledger, sent, robot),
        "order": _order(seen, ledger, rows, replies),
    }


def _bucket(times: int) -> str:
    return str(times) if times < 2 else "more"


def _three(counts: Mapping[str, int]) -> dict[str, int]:
    return {bucket: counts.get(bucket, 0) for bucket in ("0", "1", "more")}


def _through_api(ledger: Ledger, sent: Iterable[Sent]) -> Counter[int]:
    """Return how often the platform was sent the first reply of each message.

    The platform sees words only, so equal words to one person are shared out among the deliveries
    that say them; what is left over was sent twice.
    """
    arrived = Counter((one.recipient, one.text) for one in sent if one.kind in REPLIES)
    same: defaultdict[tuple[str, str], list[StoredDelivery]] = defaultdict(list)
    for delivery in ledger.deliveries:
        if delivery.route == "api" and delivery.openid is not None:
            same[delivery.openid, delivery.words].append(delivery)
    times: Counter[int] = Counter()
    for key, deliveries in same.items():
        for place in range(arrived[key]):
            delivery = deliveries[min(place, len(deliveries) - 1)]
            if delivery.first and delivery.message is not None:
                times[delivery.message] += 1
    return times


def _alerts(ledger: Ledger, sent: Iterable[Sent], robot: str) -> dict[str, int]:
    alerts = [delivery for delivery in ledger.deliveries if delivery.route == ALERT]
    return {
        "stored": len(alerts),
        "without_receipt": sum(not (a.state == ACCEPTED and a.receipt) for a in alerts),
        "posted": sum(one.recipient == robot for one in sent),
    }


def _order(
    seen: Sequence[Seen],
    ledger: Ledger,
    rows: Mapping[str, Sequence[StoredMessage]],
    replies: Mapping[int, Sequence[StoredDelivery]],
) -> dict[str, int]:
    """Count neighbours in the wrong order, parent by parent: stored as sent, answered as stored."""
    sent_to: defaultdict[str, list[int]] = defaultdict(list)
    for one in seen:
        sent_to[one.planned.openid] += [row.id for row in rows.get(one.planned.number, [])[:1]]
    answered: defaultdict[int, list[int]] = defaultdict(list)
    for message in ledger.messages:
        answered[message.contact] += [reply.id for reply in replies.get(message.id, [])[:1]]
    return {
        "parents": len(sent_to),
        "stored_out_of_order": sum(map(_inversions, sent_to.values())),
        "answered_out_of_order": sum(map(_inversions, answered.values())),
    }


def _inversions(ids: Sequence[int]) -> int:
    return sum(first > second for first, second in pairwise(ids))

"""The count of a simulated day: the plan against what the platforms saw and what was stored.

An answer is *visible* once when the platform got it in a callback's answer, and once each time it
was sent through the platform's API. One that came twice is *explained* when nobody could know that
it had arrived: the platform's answer to the sending was lost, or the process died right behind it.
Called by `bot.cli.simulated.day`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from bot.bench.measure import percentile
from bot.simulator.day.ledger import ACCEPTED, ALERT, Delivery, Ledger, Message
from bot.simulator.day.plan import Kind, Mark, Planned, Way
from bot.simulator.platform import Sent

LATE_SECONDS = (5.0, 60.0)
# Kinds of what the fake platforms take that is said to people, not to the people on duty.
TO_PEOPLE = frozenset(
    {"custom", "dingtalk-session", "dingtalk-person", "dingtalk-group", "dingtalk-work"}
)
TO_DUTY = frozenset({"wecom", "dingtalk"})
GIVEN_UP = ("failed", "unreachable")
CRISIS = "risk"
# The handler that keeps still while a counselor has the conversation.
HELD = "held"
CHANNEL_OF = {Way.WECHAT: "wechat", Way.DINGTALK: "dingtalk", Way.STREAM: "dingtalk_stream"}


@dataclass(slots=True)
class Seen:
    """What the platform saw of one message: tries, whether one was taken, words that came back."""

    planned: Planned
    begun: datetime | None = None
    tries: int = 0
    taken: bool = False
    given_up: bool = False
    words: dict[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arrival:
    """When the words of one delivery arrived through the API; `unheard`: nobody could know."""

    at: datetime
    unheard: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """Everything there is to count.

    Args:
        unheard: those of `sent` of which the caller never learnt.
        unmarked: ids of replies whose process died before it had noted that they left.
    """

    seen: Sequence[Seen]
    ledger: Ledger
    sent: Sequence[Sent]
    unheard: Collection[Sent]
    unmarked: Collection[int]


def tally(day: Day) -> dict[str, Any]:
    """Count a day."""
    rows = _rows(day.ledger)
    visible = _Visible(day, rows)
    one_row = [(seen, rows.get(seen.planned.number, [])) for seen in day.seen]
    counts: dict[str, Any] = {
        "messages": len(day.seen),
        "by_kind": dict(sorted(Counter(seen.planned.kind.value for seen in day.seen).items())),
        "posted": sum(seen.tries for seen in day.seen),
        "given_up_by_platform": sum(seen.given_up for seen in day.seen),
        "stored": _three(Counter(_bucket(len(found)) for _, found in one_row)),
        "taken_but_not_stored": sum(seen.taken and not found for seen, found in one_row),
        "not_screened": sum(row.screened != 1 for row in day.ledger.messages),
        "not_routed": sum(row.answerable and row.state == "stored" for row in day.ledger.messages),
        "channels": {
            CHANNEL_OF[way]: visible.channel(way)
            for way in Way
            if any(seen.planned.way is way for seen in day.seen)
        },
        "stale_answered": visible.stale_answered(),
        "replies_out_of_order": visible.out_of_order(),
        **_dangers(day, rows, visible),
        "alarms": day.ledger.alarms,
        "cases": day.ledger.cases,
        "left_to_phone": day.ledger.phone_now,
        "given_up": dict(sorted(day.ledger.given_up.items())),
        "waiting": day.ledger.waiting(),
    }
    counts["broken"] = broken(counts)
    return counts


def broken(counts: Mapping[str, Any]) -> dict[str, int]:
    """Return the promises that were not kept, with how often; empty when all were."""
    channels: Iterable[Mapping[str, Any]] = counts["channels"].values()
    promises = {
        "message_lost": counts["taken_but_not_stored"],
        "message_doubled": counts["stored"]["more"],
        "not_screened": counts["not_screened"],
        "not_routed": counts["not_routed"],
        "answer_lost": sum(one["lost_without_a_word"] for one in channels),
        "stale_answered": counts["stale_answered"],
        "danger_without_case": counts["danger"]["without_case"],
        "danger_without_alert": counts["danger"]["without_alert"],
        "crisis_in_group": counts["crisis_in_group"],
        "group_lines_wrong": counts["danger"]["group_lines_unexplained"],
    }
    return {name: times for name, times in promises.items() if times}


def _rows(ledger: Ledger) -> dict[str, list[Message]]:
    found: defaultdict[str, list[Message]] = defaultdict(list)
    for message in ledger.messages:
        found[message.number].append(message)
    return found


def _bucket(times: int) -> str:
    return str(times) if times < 2 else "more"


def _three(counts: Mapping[str, int]) -> dict[str, int]:
    return {bucket: counts.get(bucket, 0) for bucket in ("0", "1", "more")}


class _Visible:
    """What people saw of each stored message's first reply, and when."""

    def __init__(self, day: Day, rows: Mapping[str, Sequence[Message]]) -> None:
        self._day = day
        self._rows = rows
        self._firsts = _first_replies(day.ledger)
        self._arrivals = _arrivals(day)

    def moments(self, seen: Seen) -> list[datetime]:
        """Return when a message's first reply became visible, each time."""
        found = list(seen.words.values())
        for delivery in self._replies(seen):
            found += [arrival.at for arrival in self._arrivals.get(delivery.id, ())]
        return sorted(found)

    def _replies(self, seen: Seen) -> list[Delivery]:
        rows = self._rows.get(seen.planned.number, [])
        return [self._firsts[row.id] for row in rows if row.id in self._firsts]

    def channel(self, way: Way) -> dict[str, Any]:
        """Count one way in."""
        times: Counter[str] = Counter()
        waits: list[float] = []
        explained = lost = given_up = quiet = most = 0
        for seen in self._day.seen:
            if seen.planned.way is not way or not self._is_answerable(seen):
                continue
            replies, moments = self._replies(seen), self.moments(seen)
            if not replies:
                if self._is_left_to_person(seen):
                    quiet += 1
                else:
                    times["0"] += 1
                    lost += 1
                continue
            times[_bucket(len(moments))] += 1
            most = max(most, len(moments))
            if len(moments) > 1:
                explained += self._is_explained(seen, replies)
            if not moments:
                known = replies[0].state in GIVEN_UP
                given_up += known
                lost += not known
            elif seen.begun is not None:
                waits.append((moments[0] - seen.begun).total_seconds())
        return {
            "messages": sum(seen.planned.way is way for seen in self._day.seen),
            "visible": _three(times),
            "seen_most_often": most,
            "doubled_unexplained": times["more"] - explained,
            "given_up_and_known": given_up,
            "lost_without_a_word": lost,
            "left_to_a_person": quiet,
            "late": {
                "over_5_s": sum(wait > LATE_SECONDS[0] for wait in waits),
                "over_60_s": sum(wait > LATE_SECONDS[1] for wait in waits),
                "p50_s": round(percentile(waits, 0.5), 1) if waits else None,
                "p99_s": round(percentile(waits, 0.99), 1) if waits else None,
            },
        }

    def _is_answerable(self, seen: Seen) -> bool:
        rows = self._rows.get(seen.planned.number, [])
        return bool(rows) and rows[0].answerable

    def _is_left_to_person(self, seen: Seen) -> bool:
        return all(row.handler == HELD for row in self._rows.get(seen.planned.number, []))

    def _is_explained(self, seen: Seen, replies: Sequence[Delivery]) -> bool:
        return any(
            delivery.id in self._day.unmarked
            or any(one.unheard for one in self._arrivals.get(delivery.id, ()))
            for delivery in replies
        )

    def stale_answered(self) -> int:
        """Count stale messages that got words all the same."""
        stale = [seen for seen in self._day.seen if seen.planned.mark is Mark.STALE]
        return sum(bool(self.moments(seen)) for seen in stale)

    def out_of_order(self) -> int:
        """Count neighbours whose first replies became visible the other way round, by person."""
        order: defaultdict[int, list[tuple[int, datetime]]] = defaultdict(list)
        for seen in self._day.seen:
            moments = self.moments(seen)
            for row in self._rows.get(seen.planned.number, [])[:1]:
                if moments:
                    order[row.contact].append((row.id, moments[0]))
        return sum(
            later[1] < earlier[1]
            for replies in order.values()
            for earlier, later in pairwise(sorted(replies))
        )

    def group_lines(self, seen: Seen, *, all_: bool = True) -> int:
        """Count the lines that a message got in its group.

        Args:
            all_: False leaves out those of which the service could not know, and counts one that
                was given up and is known as failed.
        """
        ids = {row.id for row in self._rows.get(seen.planned.number, [])}
        lines = [
            delivery
            for delivery in self._day.ledger.deliveries
            if delivery.message in ids and delivery.group
        ]
        arrivals = [one for line in lines for one in self._arrivals.get(line.id, ())]
        if all_:
            return len(arrivals)
        heard = sum(not one.unheard for one in arrivals)
        return heard or sum(line.state in GIVEN_UP for line in lines)


def _first_replies(ledger: Ledger) -> dict[int, Delivery]:
    found: dict[int, Delivery] = {}
    for delivery in ledger.deliveries:
        if delivery.message is not None and delivery.route != ALERT:
            found.setdefault(delivery.message, delivery)
    return found


def _arrivals(day: Day) -> dict[int, list[Arrival]]:
    """Share out what the platforms were sent among the deliveries that say it.

    A platform sees words only, so equal words to one person go to the oldest delivery under way
    that has not surely arrived; where all have, the newest one was sent again.
    """
    same: defaultdict[tuple[str, str], list[Delivery]] = defaultdict(list)
    for delivery in day.ledger.deliveries:
        if delivery.route == "api":
            same[delivery.to, delivery.words].append(delivery)
    unheard = {id(one) for one in day.unheard}
    arrived: set[int] = set()
    found: defaultdict[int, list[Arrival]] = defaultdict(list)
    for sent in day.sent:
        made = [one for one in same[sent.recipient, sent.text] if one.made_at <= sent.at]
        if sent.kind not in TO_PEOPLE or not made:
            continue
        under_way = [one for one in made if one.ended_at is None or sent.at <= one.ended_at] or made
        left = [one for one in under_way if one.id not in arrived]
        # The clock stands still meanwhile, so a receipt is noted in the moment of its arrival.
        noted = [one for one in left if one.ended_at == sent.at]
        delivery = (noted or left or under_way[-1:])[0]
        doubtful = id(sent) in unheard
        found[delivery.id].append(Arrival(sent.at, doubtful))
        if not doubtful:
            arrived.add(delivery.id)
    return found


def _dangers(day: Day, rows: Mapping[str, Sequence[Message]], visible: _Visible) -> dict[str, Any]:
    alerts = [delivery for delivery in day.ledger.deliveries if delivery.route == ALERT]
    posted = {sent.text for sent in day.sent if sent.kind in TO_DUTY}
    arrived = {
        alert.case
        for alert in alerts
        if alert.state == ACCEPTED and alert.receipt and alert.words in posted
    }
    cries = [seen for seen in day.seen if seen.planned.kind is Kind.DANGER]
    stored = [(seen, row) for seen in cries for row in rows.get(seen.planned.number, [])[:1]]
    in_group = [seen for seen, row in stored if seen.planned.group and row.answerable]
    return {
        "danger": {
            "messages": len(cries),
            "without_case": sum(row.case is None for _, row in stored),
            "without_alert": sum(row.case not in arrived for _, row in stored),
            "in_group": len(in_group),
            "group_lines_not_one": sum(visible.group_lines(seen) != 1 for seen in in_group),
            "group_lines_unexplained": sum(
                visible.group_lines(seen, all_=False) != 1 for seen in in_group
            ),
        },
        "alerts": {
            "stored": len(alerts),
            "without_receipt": sum(
                not (alert.state == ACCEPTED and alert.receipt) for alert in alerts
            ),
        },
        "crisis_in_group": _crisis_in_group(day),
    }


def _crisis_in_group(day: Day) -> int:
    """Count crisis replies that a group was sent, by their words and not by what the table says."""
    groups = {seen.planned.group for seen in day.seen if seen.planned.group}
    words = {one.words for one in day.ledger.deliveries if one.kind == CRISIS}
    return sum(sent.recipient in groups and sent.text in words for sent in day.sent)

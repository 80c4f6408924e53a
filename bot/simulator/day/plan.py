"""The plan of a simulated day: messages and troubles, all from one seed.

Called by `bot.cli.simulated.day` and by `tally`. Nothing here waits or calls anything.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import accumulate
from random import Random

from bot.simulator.day.platform import DINGTALK_PATHS, WEBHOOK_PATHS, WECHAT_PATHS
from bot.simulator.day.words import Words
from bot.simulator.platform import Fault

DAY_SECONDS = 24 * 3600.0
# How busy each hour is: parents write in the evening and before school.
HOURS = (1, 1, 1, 1, 1, 2, 6, 8, 6, 4, 4, 5, 7, 5, 4, 4, 6, 8, 9, 12, 14, 12, 8, 3)
MESSAGES_PER_PERSON = 12
WORRIED = 0.25
BURSTS, BURST = 0.08, 3
DANGERS, CHATS, MEDIA = 0.09, 0.12, 0.08
IN_GROUP = 0.35
# From this moment on the month's quota is used up: no API call is taken any more, and some of the
# incoming messages arrive without their words.
QUOTA_FROM, QUOTA_SHARE = 22.75 * 3600.0, 0.4
STALE_BY, SKEW = 3600.0, 600.0
OUTAGES = (
    Fault.DOWN,
    Fault.HTML,
    Fault.TOKEN_INVALID,
    Fault.TOO_MANY,
    Fault.SLOW,
    Fault.TRUNCATED,
    Fault.NOT_JSON,
)
OUTAGE_SECONDS, WEBHOOK_SECONDS = (40.0, 240.0), (120.0, 600.0)
# Platforms give a message up 15 s after its first try: what is down for longer loses on their side.
DOWN_SECONDS = (4.0, 13.0)


class Way(StrEnum):
    """How a message reaches the service."""

    WECHAT = "wechat"
    DINGTALK = "dingtalk"
    STREAM = "stream"


CHANNELS = {"wechat": (Way.WECHAT,), "dingtalk": (Way.DINGTALK, Way.STREAM), "all": tuple(Way)}


class Mark(StrEnum):
    """What is out of the ordinary about one message."""

    NONE = ""
    UNHEARD = "answer_lost"
    COPIES = "copies"
    STALE = "stale"
    SKEWED = "skewed"
    SWAPPED = "swapped"
    SLOW = "slow_search"
    KILL_FIRST = "kill_before_routing"
    KILL_AFTER = "kill_after_answer"


class Kind(StrEnum):
    """What a message is."""

    QUESTION = "question"
    CHAT = "chat"
    MEDIA = "media"
    DANGER = "danger"
    QUOTA = "quota"


@dataclass(frozen=True, slots=True)
class Planned:
    """One message.

    Args:
        at: seconds from the day's start until the platform hands it over.
        shift: what the platform's time of it is off by, in seconds.
        copies: how many times it comes at once.
    """

    number: str
    way: Way
    person: str
    kind: Kind
    text: str
    at: float
    group: str = ""
    mark: Mark = Mark.NONE
    shift: float = 0.0
    copies: int = 1


class Breakage(StrEnum):
    """What breaks for everybody."""

    OUTAGE = "outage"
    WEBHOOK = "webhook"
    BUSY = "busy"
    QUOTA = "quota_exhausted"
    DATABASE = "database"
    RESTART = "restart"
    ASKED = "stream_asked_to_move"
    HUNG_UP = "stream_hung_up"
    DROPPED = "stream_dropped"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One breakage, with its length in seconds where it has one."""

    kind: Breakage
    at: float
    seconds: float = 0.0
    paths: tuple[str, ...] = ()
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A day, in order of time."""

    seed: int
    messages: Sequence[Planned]
    troubles: Sequence[Trouble] = field(default=())


def make_plan(seed: int, *, messages: int, channel: str) -> Plan:
    """Make a day of so many messages over `wechat`, `dingtalk` or `all`; same seed, same day."""
    rng = Random(seed)
    written = _write(messages, CHANNELS[channel], rng)
    marked = _mark(written, rng)
    return Plan(
        seed,
        sorted(marked, key=lambda one: one.at),
        sorted(_break(marked, CHANNELS[channel], rng), key=lambda one: one.at),
    )


# Who writes what ----------------------------------------------------------------------------------


def _write(count: int, ways: Sequence[Way], rng: Random) -> list[Planned]:
    words, people = Words(rng), max(4, count // MESSAGES_PER_PERSON // len(ways))
    sizes = _sizes(count, rng)
    moments = sorted(_moment(rng) for _ in sizes)
    found: list[Planned] = []
    for moment, size in zip(moments, sizes, strict=True):
        way, kind = rng.choice(ways), _kind(rng)
        person, group = _person(way, people, kind, rng)
        for place in range(size):
            at = moment + place * rng.uniform(0.5, 2.0)
            found.append(_message(len(found), way, person, group, kind, at, words, rng))
            kind = Kind.QUESTION
    return found


def _sizes(count: int, rng: Random) -> list[int]:
    """Say how many messages come in one go, each time; so many in all."""
    sizes: list[int] = []
    while (left := count - sum(sizes)) > 0:
        sizes.append(min(left, BURST if _often(rng, BURSTS) else 1))
    return sizes


def _moment(rng: Random) -> float:
    (hour,) = rng.choices(range(24), cum_weights=list(accumulate(HOURS)))
    return hour * 3600.0 + rng.random() * 3600.0


def _kind(rng: Random) -> Kind:
    shares = (DANGERS, CHATS, MEDIA)
    kinds = (Kind.DANGER, Kind.CHAT, Kind.MEDIA, Kind.QUESTION)
    return rng.choices(kinds, weights=(*shares, 1 - sum(shares)))[0]


def _person(way: Way, people: int, kind: Kind, rng: Random) -> tuple[str, str]:
    """Choose who writes and where; only some ever meet a danger, the others stay with questions."""
    worried = max(2, round(people * WORRIED))
    number = rng.randrange(worried) if kind is Kind.DANGER else rng.randrange(people)
    group = f"cidDayClass{number % 2}==" if way is not Way.WECHAT and _often(rng, IN_GROUP) else ""
    return f"{'oDay' if way is Way.WECHAT else way[0] + 'Day'}{number:03}", group


def _message(
    index: int,
    way: Way,
    person: str,
    group: str,
    kind: Kind,
    at: float,
    words: Words,
    rng: Random,
) -> Planned:
    if way is not Way.WECHAT and at >= QUOTA_FROM and _often(rng, QUOTA_SHARE):
        kind = Kind.QUOTA
    texts = {Kind.QUESTION: words.question, Kind.CHAT: words.chat, Kind.DANGER: words.danger}
    text = texts[kind]() if kind in texts else ""
    return Planned(str(3 * 10**15 + index), way, person, kind, text, at, group)


def _often(rng: Random, share: float) -> bool:
    return rng.random() < share


# What happens to single messages ------------------------------------------------------------------


def _mark(written: Sequence[Planned], rng: Random) -> list[Planned]:
    return [_marked(one, rng) for one in written]


def _marked(one: Planned, rng: Random) -> Planned:
    draw = rng.random()
    hurt = rng.choice((-SKEW, SKEW))
    copies = rng.randint(2, 4)
    match _draw(_shares(one), draw):
        case Mark.NONE:
            return one
        case Mark.STALE:
            return replace(one, mark=Mark.STALE, shift=-STALE_BY)
        case Mark.SKEWED:
            return replace(one, mark=Mark.SKEWED, shift=hurt)
        case Mark.SWAPPED:
            # Written before the message that came just before it.
            return replace(one, mark=Mark.SWAPPED, shift=-3.0)
        case Mark.COPIES:
            return replace(one, mark=Mark.COPIES, copies=copies)
        case mark:
            return replace(one, mark=mark)


def _draw(shares: Sequence[tuple[Mark, float]], draw: float) -> Mark:
    for mark, share in shares:
        if draw < share:
            return mark
        draw -= share
    return Mark.NONE


def _shares(one: Planned) -> Sequence[tuple[Mark, float]]:
    """Return what may happen to a message of this kind and way, with how often it does."""
    if one.kind is Kind.QUOTA:
        return ()
    if one.way is Way.STREAM:
        return ((Mark.COPIES, 0.08),)
    found = [
        (Mark.UNHEARD, 0.05),
        (Mark.COPIES, 0.06),
        (Mark.STALE, 0.03),
        (Mark.SKEWED, 0.03),
        (Mark.SWAPPED, 0.03),
    ]
    if one.kind is Kind.QUESTION:
        found.append((Mark.KILL_FIRST, 0.006))
        if one.way is Way.WECHAT:
            found += [(Mark.SLOW, 0.08), (Mark.KILL_AFTER, 0.01)]
    return found


# What breaks for everybody ------------------------------------------------------------------------


def _break(written: Sequence[Planned], ways: Collection[Way], rng: Random) -> list[Trouble]:
    """Let things break just before somebody writes, or nobody would notice."""
    troubles = _outages(written, ways, rng)
    for _ in range(2):
        database = _before(written, rng)
        seconds = rng.uniform(*DOWN_SECONDS)
        troubles.append(Trouble(Breakage.DATABASE, database, seconds))
        troubles.append(
            Trouble(Breakage.RESTART, _before(written, rng), rng.uniform(*DOWN_SECONDS))
        )
        if Way.STREAM in ways:
            # The gateway sends again what was not acknowledged, on the next connection.
            troubles.append(Trouble(Breakage.DROPPED, database + seconds + 15.0))
    if Way.STREAM in ways:
        troubles.append(Trouble(Breakage.QUOTA, QUOTA_FROM))
        streamed = [one for one in written if one.way is Way.STREAM] or written
        troubles += [
            Trouble(kind, _before(streamed, rng))
            for kind in (Breakage.ASKED, Breakage.HUNG_UP, Breakage.DROPPED)
            for _ in range(2)
        ]
    return troubles


def _outages(written: Sequence[Planned], ways: Collection[Way], rng: Random) -> list[Trouble]:
    troubles: list[Trouble] = []
    sides: list[tuple[tuple[str, ...], set[Way]]] = []
    sides += [(WECHAT_PATHS, {Way.WECHAT})] if Way.WECHAT in ways else []
    sides += [(DINGTALK_PATHS, {Way.DINGTALK, Way.STREAM})] if Way.STREAM in ways else []
    for paths, mine in sides:
        answered = [one for one in written if one.way in mine]
        late = [one for one in answered if one.mark is Mark.SLOW or one.way is not Way.WECHAT]
        for fault in OUTAGES:
            at, seconds = _before(late or answered, rng), rng.uniform(*OUTAGE_SECONDS)
            troubles.append(Trouble(Breakage.OUTAGE, at, seconds, paths, fault))
        troubles.append(Trouble(Breakage.BUSY, _before(late or answered, rng), 0.0, paths[:1]))
    cries = [one for one in written if one.kind is Kind.DANGER] or written
    for fault in (Fault.DOWN, Fault.TOO_MANY):
        at, seconds = _before(cries, rng), rng.uniform(*WEBHOOK_SECONDS)
        troubles.append(Trouble(Breakage.WEBHOOK, at, seconds, WEBHOOK_PATHS, fault))
    return troubles


def _before(written: Sequence[Planned], rng: Random) -> float:
    return max(0.0, rng.choice(written).at - rng.uniform(0.2, 2.0))

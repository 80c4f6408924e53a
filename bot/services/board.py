"""How the queue is laid out for people: at most so many rows, and floods folded into groups.

A prank, or a rumour in a class, may write the same dangerous words five hundred times in a minute.
Each is a case, none is dropped and none is closed by the machine; rows of the same place, level and
kind whose fired words are the same within a few minutes stand as one group that says how many they
are and opens to all of them. Called by the queue's pages; nothing here touches the database.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from bot.services.desk import Queue, QueueRow, urgency

# Three of the same words in five minutes may be three children; four and more are read together.
GROUP_FROM = 4
GROUP_WITHIN = timedelta(minutes=5)
# More than a screen; the next ones are a click away and counted.
SHOWN = 60
KEYS = 5
MOST_SHOWN = 2_000


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are read together; the first is the most urgent and lends its words to the head."""

    rows: tuple[QueueRow, ...]
    opened: bool

    @property
    def first(self) -> QueueRow:
        """Return the most urgent of the group."""
        return self.rows[0]

    @property
    def case_ids(self) -> tuple[int, ...]:
        """Return the cases of the group, the most urgent first."""
        return tuple(row.case_id for row in self.rows)

    @property
    def keys(self) -> tuple[int, ...]:
        """Return a few of its cases, by any of which the page asks for it to be opened.

        One of them may be accepted by the next look; the group stays open by the others.
        """
        return self.case_ids[:: max(1, len(self.rows) // KEYS)][:KEYS]

    @property
    def overdue(self) -> int:
        """Return how many of the group are overdue."""
        return sum(row.overdue for row in self.rows)


@dataclass(frozen=True, slots=True)
class Window:
    """What a person wants to see: so many entries, and which groups opened."""

    shown: int = SHOWN
    opened: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Lane:
    """One part of the page: open or accepted cases.

    Args:
        total: all cases, shown or not.
        rest: what the window leaves out, by level: counted, and one click away.
    """

    entries: tuple[QueueRow | Group, ...]
    total: int
    rest: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> list[QueueRow]:
        """Return the rows whose words the page shows: single ones, heads, and opened groups."""
        found: list[QueueRow] = []
        for entry in self.entries:
            if isinstance(entry, QueueRow):
                found.append(entry)
            else:
                found.extend(entry.rows if entry.opened else entry.rows[:1])
        return found


def lay_out(rows: Sequence[QueueRow], window: Window) -> Lane:
    """Fold rows that belong together and keep as many entries as the window has room for."""
    entries = sorted(fold(rows, window.opened), key=lambda entry: urgency(_head(entry)))
    room = max(1, min(window.shown, MOST_SHOWN))
    left: Counter[str] = Counter()
    for entry in entries[room:]:
        left[_head(entry).level_text] += 1 if isinstance(entry, QueueRow) else len(entry.rows)
    return Lane(tuple(entries[:room]), len(rows), left)


def fold(rows: Sequence[QueueRow], opened: frozenset[int]) -> list[QueueRow | Group]:
    """Put rows with the same words at the same place within a few minutes into groups.

    A row without words, with something of its own to be seen at once (phone now, a running offer)
    or of a drill is never folded in with others.
    """
    alike: dict[object, list[QueueRow]] = {}
    entries: list[QueueRow | Group] = []
    for row in rows:
        if row.words and not (row.phone_now or row.drill or row.offer):
            alike.setdefault(_kind(row), []).append(row)
        else:
            entries.append(row)
    for same in alike.values():
        for close in _by_time(same):
            if len(close) < GROUP_FROM:
                entries.extend(close)
            else:
                entries.append(_group(close, opened))
    return entries


def _kind(row: QueueRow) -> object:
    """Return what the rows of one group have in common."""
    said = row.place_id, row.words, row.speaker, row.subject, row.family, row.reasons
    return row.state, row.level, row.people, *said


def _by_time(rows: Iterable[QueueRow]) -> list[list[QueueRow]]:
    """Cut rows where more than a few minutes have passed since the first of a group."""
    found: list[list[QueueRow]] = []
    for row in sorted(rows, key=lambda row: (row.since, row.case_id)):
        if found and row.since - found[-1][0].since <= GROUP_WITHIN:
            found[-1].append(row)
        else:
            found.append([row])
    return found


def _group(rows: Sequence[QueueRow], opened: frozenset[int]) -> Group:
    return Group(tuple(sorted(rows, key=urgency)), any(row.case_id in opened for row in rows))


def _head(entry: QueueRow | Group) -> QueueRow:
    return entry if isinstance(entry, QueueRow) else entry.first


def newest_open(queue: Queue) -> int:
    """Return the highest number of an open case, by which the page knows that one is new."""
    return max((row.case_id for row in queue.open), default=0)

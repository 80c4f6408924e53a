"""What the sink of `xinqing bench jobs` saw: lost and doubled sends, lateness, limits, shares.

Pure. Keys say what a job was: `<lane>:<number>` and, for a timer, `timer:<due in ms>:<number>`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from bot.bench.job_worker import UP

TIMER = "timer"


@dataclass(frozen=True, slots=True)
class Line:
    """One send; `at` in seconds since the epoch."""

    key: str
    at: float

    @property
    def lane(self) -> str:
        """Return what stands before the number."""
        return self.key.rpartition(":")[0]


@dataclass(frozen=True, slots=True)
class Sink:
    """The sends in order of their times, and when each worker came up, with its seconds of CPU."""

    sends: Sequence[Line]
    ups: Sequence[float]
    cpu_at_start: float

    @classmethod
    def parse(cls, content: str) -> "Sink":
        """Read the file; a line that a kill cut off is no send."""
        sends: list[Line] = []
        ups: list[float] = []
        spent = 0.0
        for row in content.splitlines(keepends=True):
            key, _, stamp = row.partition(" ")
            if not stamp.endswith("\n"):
                continue
            at = int(stamp) / 1e9
            if key.startswith(f"{UP}:"):
                ups.append(at)
                spent += int(key.rpartition(":")[2]) / 1000
            else:
                sends.append(Line(key, at))
        return cls(sorted(sends, key=lambda line: line.at), ups, spent)

    @property
    def seconds(self) -> float:
        """Return the time from the first send to the last."""
        return self.sends[-1].at - self.sends[0].at if self.sends else 0.0

    @property
    def per_second(self) -> float:
        """Return how many were sent in a second."""
        return round(len(self.sends) / self.seconds, 1) if self.seconds else 0.0

    def by_lane(self) -> dict[str, list[float]]:
        """Return the times of each lane's sends."""
        found: defaultdict[str, list[float]] = defaultdict(list)
        for line in self.sends:
            found[line.lane].append(line.at)
        return dict(found)

    def late(self) -> list[float]:
        """Return how late each timer was sent, in seconds; of one sent twice the first."""
        first: dict[str, float] = {}
        for line in self.sends:
            if line.key.startswith(f"{TIMER}:"):
                first.setdefault(line.key, line.at - int(line.key.split(":")[1]) / 1000)
        return list(first.values())


def losses(sends: Iterable[Line], keys: Collection[str]) -> dict[str, int]:
    """Count the jobs that were never sent, and the sends that were one too many."""
    seen = Counter(line.key for line in sends)
    return {
        "lost": sum(key not in seen for key in keys),
        "doubled": sum(times - 1 for times in seen.values()),
    }


def most_within(times: Sequence[float], seconds: float) -> int:
    """Return the most of these ascending times that lie within any stretch so long."""
    most = start = 0
    for end, moment in enumerate(times):
        while moment - times[start] >= seconds:
            start += 1
        most = max(most, end - start + 1)
    return most


def evenness(counts: Collection[int]) -> float:
    """Return Jain's index: 1 when all are equal, 1/n when one has everything.

    Source: Jain, Chiu, Hawe, DEC-TR-301, 1984.
    """
    squares = sum(count * count for count in counts)
    return round(sum(counts) ** 2 / (len(counts) * squares), 4) if squares else 0.0


def at_half(sends: Sequence[Line], lanes: Collection[str]) -> dict[str, float]:
    """Compare the lanes when half of everything was sent: an equal share is even."""
    seen = Counter(line.lane for line in islice(sends, len(sends) // 2))
    counts = [seen[lane] for lane in lanes]
    return {"least": min(counts), "most": max(counts), "evenness": evenness(counts)}

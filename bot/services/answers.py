"""Answers: search the handbook, decide, and put a reviewed entry into one message.

The very same decision is used live, in the test box and by the batch command. In live mode an
entry that nobody has signed is never given as an answer.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from bot.core.hotlines import HotlineBook
from bot.core.phrases import BYTE_LIMIT, PhraseBook
from bot.services.wording import fill_numbers
from knowledge.decision import Decision, Thresholds, decide, is_smalltalk
from knowledge.entry import Entry, heading
from knowledge.loader import Handbook
from knowledge.problems import entry_format
from knowledge.retrieval import Hit, Retriever

FRAME_RESERVE = 420
LONG_QUESTION = 20_000
PRIVATE_TOPICS = frozenset({"T03", "T09", "T10", "T13", "T18", "T20", "T26"})


@dataclass(frozen=True, slots=True)
class Part:
    """One heading of an entry with its text, as it is sent."""

    heading: str
    text: str
    can_wait: bool = False

    def __str__(self) -> str:
        return f"〔{self.heading}〕\n{self.text}" if self.heading else self.text


@dataclass(frozen=True, slots=True)
class Book:
    """A handbook and what finds in it; they change together."""

    handbook: Handbook
    retriever: Retriever


class Answers:
    """Find and word answers.

    A handbook published while the service runs takes the place of the one before in one
    assignment; what has begun goes on with the one it began with (`hold`).

    Args:
        unsigned_allowed: True in demo mode, where unsigned entries are answered with their state.
    """

    def __init__(
        self,
        handbook: Handbook,
        retriever: Retriever,
        thresholds: Thresholds,
        *,
        unsigned_allowed: bool,
    ) -> None:
        self.thresholds = thresholds
        self._book = Book(handbook, retriever)
        self._unsigned_allowed = unsigned_allowed

    @property
    def book(self) -> Book:
        """Return the handbook in force, or the one that this task holds on to."""
        held = _held.get()
        return held[1] if held is not None and held[0] is self else self._book

    @property
    def handbook(self) -> Handbook:
        """Return the entries."""
        return self.book.handbook

    @property
    def retriever(self) -> Retriever:
        """Return the search over them."""
        return self.book.retriever

    def take(self, book: Book) -> None:
        """Answer by another handbook from now on."""
        self._book = book

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep to one handbook in here, whatever is published meanwhile."""
        token = _held.set((self, self.book))
        try:
            yield
        finally:
            _held.reset(token)

    def entry(self, entry_id: str) -> Entry | None:
        """Return an entry that may be shown."""
        entry = self.handbook.entries.get(entry_id)
        return entry if entry is not None and self._may_show(entry) else None

    def _may_show(self, entry: Entry) -> bool:
        return self._unsigned_allowed or bool(entry.reviewers)

    async def ask(self, question: str) -> Decision:
        """Search and decide, in a thread: the encoder works for some milliseconds."""
        return await asyncio.to_thread(self.decide, question)

    def decide(self, question: str) -> Decision:
        """Search and decide."""
        with self.hold():
            return self._decide(question)

    def _decide(self, question: str) -> Decision:
        hits = self.retriever.search(question[:LONG_QUESTION], top_k=5)
        return decide([hit for hit in hits if self._known(hit)], self.thresholds)

    def _known(self, hit: Hit) -> bool:
        return self.entry(hit.entry) is not None

    def is_private(self, decision: Decision) -> bool:
        """Say whether a question's topic is not talked about in a group (DESIGN §3)."""
        return any(
            self.handbook.entries[hit.entry].topic in PRIVATE_TOPICS for hit in decision.candidates
        )

    def smalltalk(self, text: str) -> bool:
        """Say whether a text is a greeting, thanks or the like, and no question."""
        return is_smalltalk(text)


# Which handbook a task keeps to, and whose; a thread that it starts keeps to it too.
_held: ContextVar[tuple[Answers, Book] | None] = ContextVar("held_book", default=None)


def word_answer(
    entry: Entry,
    phrases: PhraseBook,
    book: HotlineBook,
    *,
    region: str = "",
    link: str = "",
    frame: str = "answer.frame",
    leave_out: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    """Put an entry into messages of at most 2,048 bytes, the first one complete in itself.

    Args:
        frame: the phrase around the first message.
        leave_out: sections that are not shown.

    Returns:
        The first message with the short answer, the steps, the words to say and the red flags;
        then what did not fit, for those who ask for more.
    """
    parts = [
        replace(part, text=fill_numbers(part.text, phrases, book, region))
        for part in _with_whom_to_ask(_parts(entry, leave_out), phrases)
    ]
    label = phrases.format("label.auto" if entry.reviewers else "label.auto_unreviewed")
    source = phrases.format(
        "answer.source",
        sources="；".join(entry.sources[:2]),
        entry=entry.id,
        version=entry.version,
    )
    first, rest = _fill_first(parts, BYTE_LIMIT - FRAME_RESERVE - len(source.encode()))
    if link:
        first = [*first, Part("", phrases.format("answer.page", link=link))]
    head = phrases.format(frame, title=entry.title, body=_join(first), source=source, label=label)
    more: list[str] = []
    while rest:
        body, rest = _fill(rest, BYTE_LIMIT - FRAME_RESERVE)
        more.append(phrases.format("answer.more", body=_join(body), label=label))
    return (head, *more)


# The order of reading; where not all fit, the danger signs go before the words to say.
_NOW = frozenset({"steps", "red_flags"})
_ORDER = ("steps", "scripts", "red_flags", "avoid", "reason", "school", "grandparents")


def _parts(entry: Entry, leave_out: frozenset[str]) -> list[Part]:
    shown = [key for key in _ORDER if key not in leave_out]
    texts = {key: entry.section(key).strip() for key in shown} | {"red_flags": entry.told_flags}
    sections = [Part(heading(key).split(":")[0], texts[key], key not in _NOW) for key in shown]
    return [Part("", entry.one_sentence), *(part for part in sections if part.text)]


def _with_whom_to_ask(parts: list[Part], phrases: PhraseBook) -> list[Part]:
    """Say after the red flags who is asked where a school has no counselor: many have none."""
    counselor, flags = str(entry_format()["counselor"]), heading("red_flags").split(":")[0]
    found: list[Part] = []
    for part in parts:
        found.append(part)
        if part.heading == flags and any(counselor in one.text for one in parts):
            found.append(Part("", phrases.format("answer.no_counselor", number="{12356}")))
    return found


def _fill_first(parts: Sequence[Part], room: int) -> tuple[list[Part], list[Part]]:
    """Choose what can't wait first, and keep the order of reading."""
    taken, rest = _fill(sorted(parts, key=lambda part: part.can_wait), room)
    return [part for part in parts if part in taken], [part for part in parts if part in rest]


def _fill(parts: Sequence[Part], room: int) -> tuple[list[Part], list[Part]]:
    """Take parts in order as long as they fit; at least one."""
    taken: list[Part] = []
    for number, part in enumerate(parts):
        size = len(str(part).encode()) + 2
        if taken and size > room:
            return taken, list(parts[number:])
        taken.append(part)
        room -= size
    return taken, []


def _join(parts: Sequence[Part]) -> str:
    return "\n".join(str(part) for part in parts)

"""Answers: search the handbook, decide, and put a reviewed entry into one message.

The very same decision is used live, in the test box and by the batch command. In live mode an
entry that nobody has signed is never given as an answer. What fits the child's stage and the asker
ranks a little higher, and a message that goes on with the one before is searched together with it.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from bot.core.hotlines import HotlineBook
from bot.core.phrases import BYTE_LIMIT, PhraseBook
from bot.services.wording import fill_numbers
from knowledge.decision import (
    MOST_CANDIDATES,
    Decision,
    Thresholds,
    decide,
    is_smalltalk,
    of_a_word,
    topics_named,
)
from knowledge.entry import Entry, heading
from knowledge.follow_up import mixed, stage_asked
from knowledge.loader import Handbook
from knowledge.preference import NOBODY, Asker, prefer, stages_said, without_stages
from knowledge.problems import entry_format
from knowledge.retrieval import Hit, Retriever

FRAME_RESERVE = 420
PRIVATE_TOPICS = frozenset({"T03", "T09", "T10", "T13", "T18", "T20", "T26"})
# More than are offered, so that what fits the child's stage can come forward.
SEARCHED = 10
# A message whose best scores come to less has a meaning of its own that the handbook does not have
# (the canteen, the weather); it does not go on with anything.
FOREIGN = 0.004
# So many are ranked where only those of one topic and stage are looked for among them.
RANKED = 200
# A longer question is a story, and its entry's title says better what it was about.
SHORT_QUESTION = 60


@dataclass(frozen=True, slots=True)
class Part:
    """One heading of an entry with its text, as it is sent."""

    heading: str
    text: str
    can_wait: bool = False

    def __str__(self) -> str:
        return f"〔{self.heading}〕\n{self.text}" if self.heading else self.text


@dataclass(frozen=True, slots=True)
class Before:
    """What a message may go on with.

    Args:
        entry: the entry that was given, empty after mere choices.
        question: what was asked, empty where it may not be carried over.
    """

    entry: str = ""
    question: str = ""


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

    async def ask(
        self, question: str, asker: Asker = NOBODY, before: Before | None = None
    ) -> Decision:
        """Search and decide, in a thread: the encoder works for some milliseconds.

        Args:
            asker: what is known of the person.
            before: what the message goes on with; None: it stands on its own.
        """
        return await asyncio.to_thread(self.decide, question, asker, before)

    def decide(
        self, question: str, asker: Asker = NOBODY, before: Before | None = None
    ) -> Decision:
        """Search and decide; the arguments are those of `ask`."""
        with self.hold():
            hits = self._found(question)
            if before is not None and hits and not is_foreign(hits):
                return self._go_on(question, hits, asker, before)
            found = decide(prefer(hits, self.handbook.entries, asker, question), self.thresholds)
            found = of_a_word(found, question)
            named = topics_named(question) if found.kind == "abstain" else frozenset()
            near = self._of_topics(named, question) if named else ()
            return Decision("choices", None, near) if near else found

    def _found(self, question: str, most: int = SEARCHED) -> list[Hit]:
        hits = self.retriever.search(question, top_k=most)
        return [hit for hit in hits if self._known(hit)]

    def _of_topics(self, named: frozenset[str], question: str) -> tuple[Hit, ...]:
        """Return what comes nearest among the entries of some topics."""
        entries = self.handbook.entries
        found = [one for one in self._found(question, RANKED) if entries[one.entry].topic in named]
        return tuple(found[:MOST_CANDIDATES])

    def _go_on(self, question: str, alone: Sequence[Hit], asker: Asker, before: Before) -> Decision:
        """Decide with the scores of the message alone and of both together, the latter for less."""
        entry = self.entry(before.entry)
        whole = before.question
        if entry is not None and not 0 < len(whole) <= SHORT_QUESTION:
            whole = entry.title
        whole = whole[-SHORT_QUESTION:]
        if entry is not None and (stages := stage_asked(question)):
            fitting = self._at_stage(entry, f"{without_stages(whole)} {question}", stages)
            if fitting:
                return Decision("choices", None, fitting)
        together = self._found(f"{whole} {question}")
        ranked = mixed(alone, together, self._near(entry), answered=entry is not None)
        if not stages_said(question) and (said := stages_said(before.question)):
            asker = replace(asker, stage="".join(sorted(said)))
        found = decide(prefer(ranked, self.handbook.entries, asker, question), self.thresholds)
        if entry is None or found.kind == "abstain" or found.entry not in (None, entry.id):
            return found
        # The same entry again would say nothing new: it is offered with what is related to it.
        more = [Hit(id_, 0.0, ("related",), "") for id_ in entry.related if self.entry(id_)]
        offered = [hit for hit in found.candidates if hit.score >= self.thresholds.candidate]
        more = [hit for hit in more if hit.entry not in {one.entry for one in offered}]
        return Decision("choices", None, (*offered, *more)[:MOST_CANDIDATES])

    def _at_stage(self, entry: Entry, question: str, stages: frozenset[str]) -> tuple[Hit, ...]:
        """Return what is near an entry and fits the stage that is asked for, best first."""
        near, entries = self._near(entry), self.handbook.entries
        found = self._found(question, RANKED)
        fitting = [
            hit for hit in found if hit.entry in near and stages & set(entries[hit.entry].stages)
        ]
        return tuple(fitting[:MOST_CANDIDATES])

    def _near(self, entry: Entry | None) -> frozenset[str]:
        """Return the entries of the same topic, and those that an entry names as related."""
        if entry is None:
            return frozenset()
        same = (one.id for one in self.handbook.entries.values() if one.topic == entry.topic)
        return frozenset((*same, *entry.related))

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


def is_foreign(hits: Sequence[Hit]) -> bool:
    """Say whether a message is like nothing in the handbook, by its hits, best first.

    Where nothing at all was found the search had nothing to search in, and nobody knows.
    """
    return bool(hits) and sum(hit.score for hit in hits[:MOST_CANDIDATES]) < FOREIGN


def word_answer(
    entry: Entry,
    phrases: PhraseBook,
    book: HotlineBook,
    *,
    region: str = "",
    link: str = "",
    frame: str = "answer.frame",
    leave_out: frozenset[str] = frozenset(),
    after: str = "",
) -> tuple[str, ...]:
    """Put an entry into messages of at most 2,048 bytes, the first one complete in itself.

    Args:
        frame: the phrase around the first message.
        leave_out: sections that are not shown.
        after: what stands below the first message, for which less of the entry is said in it.

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
    below = f"\n\n{after}" if after else ""
    taken = FRAME_RESERVE + len(source.encode()) + len(below.encode())
    first, rest = _fill_first(parts, BYTE_LIMIT - taken)
    if link:
        first = [*first, Part("", phrases.format("answer.page", link=link))]
    head = phrases.format(frame, title=entry.title, body=_join(first), source=source, label=label)
    more: list[str] = []
    while rest:
        body, rest = _fill(rest, BYTE_LIMIT - FRAME_RESERVE)
        more.append(phrases.format("answer.more", body=_join(body), label=label))
    return (head + below, *more)


def word_section(
    entry: Entry, key: str, phrases: PhraseBook, book: HotlineBook, *, region: str = ""
) -> str:
    """Put one section of an entry into a message; empty where the entry has none.

    Args:
        key: of `format.toml`.
    """
    text = entry.told_flags if key == "red_flags" else entry.section(key).strip()
    if not text:
        return ""
    part = Part(_heading(key), fill_numbers(text, phrases, book, region))
    return phrases.format(
        "answer.frame",
        title=entry.title,
        body=str(part),
        source=_source(entry, phrases),
        label=_label(entry, phrases),
    )


def word_short(
    entry: Entry, number: int, room: int, phrases: PhraseBook, book: HotlineBook, region: str = ""
) -> str:
    """Put an entry into a few lines with a number before them: the sentence, then what fits.

    Args:
        room: bytes; the sentence, the most urgent red flag and the source stand in any case.
    """
    steps = Part(_heading("steps"), entry.section("steps").strip())
    every = Part(_heading("red_flags"), entry.told_flags)
    urgent = Part(_heading("red_flags"), _most_urgent(entry))
    for shown in ((steps, every), (steps, urgent), (urgent,)):
        parts = [Part("", entry.one_sentence), *(part for part in shown if part.text)]
        text = phrases.format(
            "answer.one_of_several",
            number=number,
            title=entry.title,
            body=fill_numbers(_join(parts), phrases, book, region),
            source=_source(entry, phrases),
        )
        if len(text.encode()) <= room:
            break
    return text


def _most_urgent(entry: Entry) -> str:
    """Return the line of the most urgent red flag, empty without any."""
    levels = [flag.level for flag in entry.red_flags]
    first = min(
        levels, key=lambda one: URGENCY.index(one) if one in URGENCY else len(URGENCY), default=""
    )
    return entry.told_flags.splitlines()[levels.index(first)] if levels else ""


def _heading(key: str) -> str:
    """Return a section's heading as a parent reads it."""
    return heading(key).split(":")[0]


def _source(entry: Entry, phrases: PhraseBook) -> str:
    return phrases.format(
        "answer.source",
        sources="；".join(entry.sources[:1]),
        entry=entry.id,
        version=entry.version,
    )


def _label(entry: Entry, phrases: PhraseBook) -> str:
    return phrases.format("label.auto" if entry.reviewers else "label.auto_unreviewed")


# The order of reading; where not all fit, the danger signs go before the words to say.
_NOW = frozenset({"steps", "red_flags"})
# Levels of red flags, the most urgent first.
URGENCY = ("3!", "3", "2", "1")
_ORDER = ("steps", "scripts", "red_flags", "avoid", "reason", "school", "grandparents")


def _parts(entry: Entry, leave_out: frozenset[str]) -> list[Part]:
    shown = [key for key in _ORDER if key not in leave_out]
    texts = {key: entry.section(key).strip() for key in shown} | {"red_flags": entry.told_flags}
    sections = [Part(_heading(key), texts[key], key not in _NOW) for key in shown]
    return [Part("", entry.one_sentence), *(part for part in sections if part.text)]


def _with_whom_to_ask(parts: list[Part], phrases: PhraseBook) -> list[Part]:
    """Say after the red flags who is asked where a school has no counselor: many have none."""
    counselor, flags = str(entry_format()["counselor"]), _heading("red_flags")
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

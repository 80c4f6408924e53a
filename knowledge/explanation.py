"""Why an entry was found: what editors see of a search, as plain values.

Made by `knowledge.explaining` for `Retriever.explain`; shown by `xinqing why` and by the editors'
trial page. Nothing here reads or writes anything. Text of background messages and of known
questions without an entry never appears: of them only their likeness is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PassageKind = Literal["title", "alias", "phrasing", "term", "text"]
PartName = Literal["near", "topic", "words"]
Verdict = Literal["answer", "choices", "abstain"]
Cut = Literal[
    "markup",
    "invisible",
    "log",
    "mention",
    "quote",
    "sticker",
    "emoji",
    "link",
    "courtesy",
    "length",
]
Means = Literal["synonym", "pinyin", "typo"]
Candidate = Literal["offered", "answered", "below", "outside"]


@dataclass(frozen=True)
class Removed:
    """
    Something that the search leaves aside.

    Args:
        kind: What it is: HTML, invisible characters, the labels of a pasted chat, a mention by
            name, a quotation's frame, a sticker, emoji, a link, a courtesy, or what was too long.
        text: What stood there, at most 40 characters of it.
    """

    kind: Cut
    text: str


@dataclass(frozen=True)
class Rewriting:
    """
    A word that counts beside the one that was written.

    Args:
        means: `synonym` (another word for the same), `pinyin` (sounds alike, or was written in
            letters), `typo` (one character wrong, missing or doubled).
        said: As it was written, normalised.
        read: The words it also counts as; synonyms may be several.
    """

    means: Means
    said: str
    read: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """
    How a message was read.

    Args:
        forms: The normalised message; of a story also the sentences that are compared one by one.
        removed: What was left aside, in the order of reading.
        rewritings: Synonyms and corrections; they never replace what was said.
    """

    forms: tuple[str, ...]
    removed: tuple[Removed, ...] = ()
    rewritings: tuple[Rewriting, ...] = ()


@dataclass(frozen=True)
class NearPassage:
    """
    A passage of an entry that is like the question.

    Args:
        kind: title, alias, phrasing (searched, never shown to parents), term (a search word) or
            text (a sentence of the answer).
        text: The passage as the entry has it.
        cosine: -1 to 1, of the whole message with the passage; None without an encoder, and then
            the order is by shared characters.
    """

    kind: PassageKind
    text: str
    cosine: float | None


@dataclass(frozen=True)
class SharedPiece:
    """
    A character, a pair of characters or a word that question and entry have in common.

    Args:
        text: The piece; for synonyms the word that was said.
        weight: How much it tells entries apart: 0 for what all have, about 6 for what one has.
    """

    text: str
    weight: float


@dataclass(frozen=True)
class ScorePart:
    """
    One part of the ranking score.

    Args:
        name: `near` (nearest passages), `topic` (the topic classifier), `words` (shared words).
        value: The likeness itself.
        standing: How far above the mean of all entries it is, in standard deviations.
        weight: What the calibration gives this part.
        share: standing × weight: what it adds to the ranking score.
    """

    name: PartName
    value: float
    standing: float
    weight: float
    share: float


@dataclass(frozen=True)
class HitExplanation:
    """
    Why one entry stands where it stands.

    Args:
        entry: Its id.
        title: Its title.
        rank: 1 for the best.
        score: The calibrated chance, 0 to 1, as in `Hit`.
        why: The short codes of `Hit`.
        fused: The ranking score: the sum of the parts' shares.
        parts: What the ranking score is made of; empty for an empty question.
        passages: The three nearest of its own passages, nearest first.
        shared: What it has in common with the question, heaviest first, at most twelve.
        verdict: `answered`, `offered` as one of the choices, `below` the thresholds, `outside`
            of the three that are looked at.
    """

    entry: str
    title: str
    rank: int
    score: float
    why: tuple[str, ...]
    fused: float
    parts: tuple[ScorePart, ...]
    passages: tuple[NearPassage, ...]
    shared: tuple[SharedPiece, ...]
    verdict: Candidate


@dataclass(frozen=True)
class Explanation:
    """
    A whole search, explained.

    Args:
        question: As it was given.
        reading: How it was read.
        verdict: What the thresholds make of it: answer, choices or abstain.
        answer: The threshold of the first score for an answer.
        choices: The threshold of the sum of the first three for choices.
        candidate: The score below which an entry is not offered.
        total: The sum of the first three scores.
        anything: The chance, 0 to 1, that any entry answers.
        outsider: `gap` when a known question without an entry is nearer than every entry,
            `background` when a message that no entry answers is, else None. Its text is not told.
        smalltalk: The message only greets, thanks, confirms or carries a sticker: live it is not
            searched at all.
        hits: Best first; the entry that was asked about comes last if it is not among them.
        degraded: Why the search went on without vectors, or None.
    """

    question: str
    reading: Reading
    verdict: Verdict
    answer: float
    choices: float
    candidate: float
    total: float
    anything: float
    outsider: Literal["gap", "background"] | None
    smalltalk: bool
    hits: tuple[HitExplanation, ...]
    degraded: str | None = None

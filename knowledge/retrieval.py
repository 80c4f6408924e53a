"""Find the entries that answer a question, each with one calibrated score.

Called by the services for every question, by the editor's trial search and by the evaluation.
Order of work: normalise, exact and alias match, shared characters and vectors, fuse, calibrate.
Without an encoder the search goes on with shared characters alone, and says so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowledge.encoder.port import Encoder, Vectors
from knowledge.errors import EncoderError
from knowledge.index import Kind, VectorIndex
from knowledge.lexical import LexicalIndex
from knowledge.scoring import (
    Calibration,
    Likeness,
    Row,
    TopicClassifier,
    default_calibration,
    score_documents,
)
from knowledge.text import fold, normalise, views, without_courtesies
from knowledge.vector_store import VectorStore

log = logging.getLogger(__name__)

NEAREST = 3  # passages of one document that count together
WHOLE_LIMIT = 20_000  # up to here every passage is compared, above only the nearest
CANDIDATES = 400
FEWEST_PASSAGES = 3  # per document, for the topic classifier
MOST_TOPICS = 2_000
STAGE_PENALTY = 0.6


@dataclass(frozen=True)
class Document:
    """
    What can be found: an entry of the handbook, or any text.

    Args:
        questions: Ways of asking, the title first; a message equal to one of them scores 1.
        texts: What it says.
        examples: More ways of asking that are only searched, never matched or shown.
        terms: Search words: a message equal to one of them scores 1, and they are never shown.
        stages: Empty means all.
        hidden: A known question without an answer. It is never found; what is nearer to it than
            to any document scores low, so that its askers are not sent to a neighbour.
    """

    id: str
    questions: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    hidden: bool = False


@dataclass(frozen=True)
class Hit:
    """
    One document found.

    Args:
        entry: The id of the document.
        score: The chance, 0 to 1, that it is the right one.
        why: Any of exact, alias, vector, words.
        matched: The passage that is most like the question.
    """

    entry: str
    score: float
    why: tuple[str, ...]
    matched: str


@dataclass(frozen=True)
class _Passages:
    texts: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    asked: list[bool] = field(default_factory=list)

    def add(
        self, owner: int, texts: Iterable[str], *, asked: bool, shown: str | None = None
    ) -> None:
        """Add the texts that have anything to compare."""
        for text in texts:
            plain = without_courtesies(normalise(text))
            if plain:
                self.texts.append(plain)
                self.shown.append(text if shown is None else shown)
                self.owners.append(owner)
                self.asked.append(asked)

    def add_blank(self, owner: int) -> None:
        """Give a document without any text its place."""
        self.texts.append("")
        self.shown.append("")
        self.owners.append(owner)
        self.asked.append(False)


class Retriever:
    """Search a fixed list of documents. Build it once; `search` is safe from several threads."""

    def __init__(
        self,
        documents: Sequence[Document],
        encoder: Encoder | None,
        *,
        cache_dir: VectorStore | Path | None = None,
        background: Sequence[str] = (),
        kind: Kind = "flat",
        calibration: Calibration | None = None,
    ) -> None:
        self.documents = tuple(document for document in documents if not document.hidden)
        hidden = [document for document in documents if document.hidden]
        self.degraded: str | None = None
        self.rebuilt: str | None = None
        self._calibration = calibration or default_calibration()
        self._exact = _exact_matches(self.documents)
        self._passages = _Passages()
        for owner, document in enumerate((*self.documents, *hidden)):
            self._passages.add(owner, document.questions, asked=True)
            title = next(iter(document.questions), "")
            unshown = (*document.examples, *document.terms)
            self._passages.add(owner, unshown, asked=True, shown=title)
            self._passages.add(owner, document.texts, asked=False)
            if owner not in self._passages.owners[-1:]:
                self._passages.add_blank(owner)
        self._count = len(self.documents) + len(hidden)
        if background:
            self._passages.add(self._count, background, asked=True)
            self._count += 1
        self._owners = np.array(self._passages.owners, np.int64)
        self._starts = np.searchsorted(self._owners, np.arange(self._count))
        self._others = len(hidden), bool(background)
        self._lexical = LexicalIndex(self._joined())
        self._encoder = encoder
        self._vectors: VectorIndex | None = None
        self._topics: TopicClassifier | None = None
        if encoder is None:
            self.degraded = "no encoder"
        elif self._passages.texts:
            self._build_vectors(encoder, cache_dir, kind)

    @classmethod
    def build(
        cls,
        documents: Sequence[Document],
        encoder: Encoder | None,
        cache_dir: VectorStore | Path | None = None,
        *,
        background: Sequence[str] = (),
        kind: Kind = "flat",
        calibration: Calibration | None = None,
    ) -> Retriever:
        """
        Index the documents, taking vectors from the cache folder when they are current.

        Args:
            encoder: None searches by shared characters only; `degraded` says so.
            background: Messages that no document answers; see `offtopic_messages`.
        """
        return cls(
            documents,
            encoder,
            cache_dir=cache_dir,
            background=background,
            kind=kind,
            calibration=calibration,
        )

    def search(self, question: str, stage: str | None = None, top_k: int = 5) -> list[Hit]:
        """
        Return the documents most likely to answer, best first.

        Args:
            question: As it was written; it is normalised here.
            stage: A to F of the child, if known; documents for other stages rank lower.
        """
        if not self.documents or top_k < 1:
            return []
        forms = views(question)
        if not forms[0]:
            return []
        likeness, cosines = self._likeness(forms)
        ranked, scores = score_documents(likeness, self._calibration)
        ranked, scores = self._prefer_stage(ranked, scores, stage)
        exact = self._exact.get(fold(question)) or self._exact.get(fold(forms[0]))
        order = [int(i) for i in np.argsort(-ranked, kind="stable")]
        if exact is not None:
            order = [exact, *(i for i in order if i != exact)]
        return [self._hit(i, scores, likeness, cosines, exact) for i in order[:top_k]]

    def likeness(self, question: str) -> Likeness:
        """Return the raw likenesses of a question; the calibration learns from them."""
        return self._likeness(views(question))[0]

    def _joined(self) -> list[str]:
        texts: list[list[str]] = [[] for _ in range(self._count)]
        for owner, text in zip(self._passages.owners, self._passages.texts, strict=True):
            texts[owner].append(text)
        return ["\n".join(parts) for parts in texts]

    def _build_vectors(
        self, encoder: Encoder, cache: VectorStore | Path | None, kind: Kind
    ) -> None:
        store = VectorStore.of(cache)
        try:
            encoded = store.encode(self._passages.texts, self._passages.asked, encoder)
        except Exception as error:  # any encoder may be set; the search must go on
            self._degrade(error)
            if isinstance(error, EncoderError):
                self.degraded = str(error)
            return
        self._vectors = store.index(encoded, kind)
        self.rebuilt = store.rebuilt
        self._topics = self._learn_topics(encoded.vectors)

    def _learn_topics(self, vectors: Vectors) -> TopicClassifier | None:
        """Learn the documents and the background apart; hidden ones have too few passages."""
        visible, (hidden, background) = len(self.documents), self._others
        kept = (self._owners < visible) | (self._owners >= visible + hidden)
        count = visible + background
        if count > MOST_TOPICS or kept.sum() < FEWEST_PASSAGES * count:
            return None
        owners = np.minimum(self._owners[kept], visible)
        return TopicClassifier(vectors[kept], owners, count)

    def _degrade(self, error: Exception) -> None:
        self.degraded = f"the encoder failed: {type(error).__name__}"
        log.warning("search goes on without vectors: %s", type(error).__name__)

    def _likeness(self, forms: Sequence[str]) -> tuple[Likeness, Row | None]:
        """Return the mean over the forms of a message, and the cosines of all passages."""
        words = np.mean(
            [self._lexical.scores(form) / self._lexical.ceiling(form) for form in forms], axis=0
        ).astype(np.float32)
        if self._encoder is None or self._vectors is None:
            return Likeness(words, len(self.documents)), None
        try:
            query = self._encoder.encode_queries(forms)
        except Exception as error:  # as above
            self._degrade(error)
            return Likeness(words, len(self.documents)), None
        self.degraded = None
        near, cosines = self._nearest(query)
        topic = None if self._topics is None else self._topics.scores(query).mean(axis=0)
        return Likeness(words, len(self.documents), near, topic), cosines

    def _nearest(self, query: Vectors) -> tuple[Row, Row]:
        """Return each document's mean of its nearest passages, and the first form's cosines."""
        assert self._vectors is not None
        size = len(self._vectors)
        count = size if size <= WHOLE_LIMIT else CANDIDATES
        scores, rows = self._vectors.search(query, count)
        # A passage that did not come back is at most as near as the last that did.
        cosines = np.repeat(scores[:, -1:], size, axis=1)
        np.put_along_axis(cosines, np.maximum(rows, 0), scores, axis=1)
        near = [_mean_of_best(form, self._owners, self._starts) for form in cosines]
        return np.mean(near, axis=0, dtype=np.float32), cosines[0]

    def _prefer_stage(self, ranked: Row, scores: Row, stage: str | None) -> tuple[Row, Row]:
        if stage is None:
            return ranked, scores
        other = np.array([bool(d.stages) and stage not in d.stages for d in self.documents])
        factors = np.where(other, STAGE_PENALTY, 1.0).astype(np.float32)
        return ranked - other.astype(np.float32), scores * factors

    def _hit(
        self,
        document: int,
        scores: Row,
        likeness: Likeness,
        cosines: Row | None,
        exact: int | None,
    ) -> Hit:
        found = self.documents[document]
        if document == exact:
            return Hit(found.id, 1.0, ("exact",), found.questions[0])
        why = []
        near = likeness.near
        if near is not None and near[document] >= np.sort(near[: likeness.visible])[-3:][0]:
            why.append("vector")
        if likeness.words[document] > 0:
            why.append("words")
        matched = (*found.questions, *found.texts, "")[0]
        if cosines is not None:
            first = int(self._starts[document])
            last = int(np.searchsorted(self._owners, document, side="right"))
            matched = self._passages.shown[first + int(np.argmax(cosines[first:last]))]
        return Hit(found.id, min(float(scores[document]), 0.999), tuple(why), matched)


def _exact_matches(documents: Sequence[Document]) -> dict[str, int]:
    found: dict[str, int] = {}
    for owner, document in enumerate(documents):
        for question in (*document.questions, *document.terms):
            for form in (fold(question), fold(without_courtesies(normalise(question)))):
                if form:
                    found.setdefault(form, owner)
    return found


def _mean_of_best(scores: Row, owners: NDArray[np.int64], starts: NDArray[np.int64]) -> Row:
    """Return per document the mean of its best scores; each document's passages lie together."""
    left = scores.copy()
    total = np.zeros(len(starts), np.float32)
    taken = np.zeros(len(starts), np.float32)
    for _ in range(NEAREST):
        best = np.maximum.reduceat(left, starts)
        found = best > -np.inf
        total[found] += best[found]
        taken += found
        left[left >= best[owners]] = -np.inf
    return total / taken

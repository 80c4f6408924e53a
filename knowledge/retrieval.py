"""Find the entries that answer a question, each with one calibrated score.

Called by the services for every question, by the editor's trial search and by the evaluation.
Order of work: normalise, exact and alias match, shared characters and vectors, fuse, calibrate.
Without an encoder the search goes on with shared characters alone, and says so.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowledge.decision import Thresholds
from knowledge.encoder.port import Encoder, TokenEncoder, Tokens, Vectors
from knowledge.errors import EncoderError
from knowledge.exact import ExactMatches, Match
from knowledge.explaining import Sight, explain
from knowledge.explanation import Explanation
from knowledge.index import Kind, VectorIndex
from knowledge.lexical import B_ASKED, B_TOLD
from knowledge.passages import Document, Hit, Passages
from knowledge.rerank import MOST_PASSAGES, LateInteraction, Reader, candidates
from knowledge.scoring import (
    Calibration,
    Likeness,
    Row,
    TopicClassifier,
    default_calibration,
    score_documents,
)
from knowledge.shared_words import SharedWords, Wording
from knowledge.spelling import Speller
from knowledge.synonyms import Synonyms
from knowledge.text import Read, normalise, read
from knowledge.vector_store import VectorStore

__all__ = ["Document", "Hit", "Retriever"]

log = logging.getLogger(__name__)

# Of a story the sentence at its end, where people ask, and the most telling others. A fourth costs
# two to four milliseconds and brings no more stories first (docs/benchmarks.md).
MOST_ENCODED = 3
NEAREST = 3  # passages of one document that count together
WHOLE_LIMIT = 20_000  # up to here every passage is compared, above only the nearest
CANDIDATES = 400
FEWEST_ASKED = 3  # ways of asking a document, for the topic classifier
MOST_TOPICS = 2_000
STAGE_PENALTY = 0.6


@dataclass(frozen=True)
class _Found:
    """Everything that one search came to; the order holds all documents, best first."""

    read: Read
    wording: Wording
    likeness: Likeness
    cosines: Row | None
    ranked: Row
    scores: Row
    order: list[int]
    match: Match | None


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
        synonyms: Synonyms | None = None,
    ) -> None:
        self.documents = tuple(document for document in documents if not document.hidden)
        hidden = [document for document in documents if document.hidden]
        self.degraded: str | None = None
        self.rebuilt: str | None = None
        self._calibration = calibration or default_calibration()
        self._exact = ExactMatches(self.documents)
        self._passages = Passages()
        for owner, document in enumerate((*self.documents, *hidden)):
            self._passages.add_document(owner, document)
        self._count = len(self.documents) + len(hidden)
        if background:
            self._passages.add(self._count, background, "phrasing")
            self._count += 1
        self._owners = np.array(self._passages.owners, np.int64)
        self._starts = np.searchsorted(self._owners, np.arange(self._count))
        self._others = len(hidden), bool(background)
        self.synonyms = Synonyms.load() if synonyms is None else synonyms
        self._plain = not self._tells_topics()
        b = B_TOLD if self._plain else B_ASKED
        self._words = SharedWords(self._joined(), self.synonyms, self._speller(), b)
        self._encoder = encoder
        self._vectors: VectorIndex | None = None
        self._topics: TopicClassifier | None = None
        self._pieces: LateInteraction | None = None
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
        synonyms: Synonyms | None = None,
    ) -> Retriever:
        """
        Index the documents, taking vectors from the cache folder when they are current.

        Args:
            encoder: None searches by shared characters only; `degraded` says so.
            background: Messages that no document answers; see `offtopic_messages`.
            synonyms: The shipped ones by default; `Synonyms.load` adds a school's own.
        """
        return cls(
            documents,
            encoder,
            cache_dir=cache_dir,
            background=background,
            kind=kind,
            calibration=calibration,
            synonyms=synonyms,
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
        found = self._find(question, stage)
        return [] if found is None else [self._hit(i, found) for i in found.order[:top_k]]

    def explain(
        self,
        question: str,
        stage: str | None = None,
        top_k: int = 5,
        *,
        thresholds: Thresholds | None = None,
        entry: str | None = None,
    ) -> Explanation:
        """
        Search, and tell how the question was read and why each document stands where it stands.

        Args:
            question: As for `search`; so are `stage` and `top_k`.
            thresholds: What the verdict is told by; the shipped ones by default.
            entry: One more document to explain, however far down it is.
        """
        found = self._find(question, stage) if self.documents else None
        if found is None:
            return explain(question, read(question), None, (), thresholds or Thresholds())
        places = found.order[: max(top_k, 0)]
        places += [i for i in found.order if self.documents[i].id == entry and i not in places]
        sight = Sight(
            documents=self.documents,
            passages=self._passages,
            words=self._words,
            calibration=self._calibration,
            wording=found.wording,
            likeness=found.likeness,
            cosines=found.cosines,
            ranked=found.ranked,
            gaps=self._others[0],
            degraded=self.degraded,
        )
        hits = tuple((i, found.order.index(i) + 1, self._hit(i, found)) for i in places)
        return explain(question, found.read, sight, hits, thresholds or Thresholds())

    def likeness(self, question: str) -> Likeness:
        """Return the raw likenesses of a question; the calibration learns from them."""
        return self._likeness(self._words.wording(self._forms(read(question))))[0]

    def _find(self, question: str, stage: str | None) -> _Found | None:
        """Search; None for a question without a word."""
        asked = read(question)
        if not asked.forms[0]:
            return None
        wording = self._words.wording(self._forms(asked))
        likeness, cosines = self._likeness(wording)
        ranked, scores = score_documents(likeness, self._calibration)
        ranked, scores = self._prefer_stage(ranked, scores, stage)
        match = self._exact.find((question, asked.forms[0]), wording.meant[0], wording.means)
        order = [int(i) for i in np.argsort(-ranked, kind="stable")]
        if match is not None:
            order = [match.document, *(i for i in order if i != match.document)]
        return _Found(asked, wording, likeness, cosines, ranked, scores, order, match)

    def _speller(self) -> Speller | None:
        """Learn the words of the questions; texts without questions have none to learn from."""
        visible = [d for d in self.documents if d.questions]
        if not visible:
            return None
        terms = [normalise(text) for d in visible for text in d.terms]
        phrases = [*(normalise(text) for d in visible for text in d.questions), *terms]
        return Speller(phrases, self._passages.texts, [*terms, *self.synonyms.words])

    def _joined(self) -> list[str]:
        texts: list[list[str]] = [[] for _ in range(self._count)]
        for owner, text in zip(self._passages.owners, self._passages.texts, strict=True):
            texts[owner].append(text)
        return ["\n".join(parts) for parts in texts]

    def _build_vectors(
        self, encoder: Encoder, cache: VectorStore | Path | None, kind: Kind
    ) -> None:
        store = VectorStore.of(cache)
        reader = self._reader(encoder)
        try:
            encoded = store.encode(self._passages.texts, self._passages.asked, reader or encoder)
            self._pieces = None if reader is None else self._read_pieces(reader)
        except Exception as error:  # any encoder may be set; the search must go on
            self._degrade(error)
            if isinstance(error, EncoderError):
                self.degraded = str(error)
            return
        self._vectors = store.index(encoded, kind)
        self.rebuilt = store.rebuilt
        self._topics = None if self._plain else self._learn_topics(encoded.vectors)

    def _tells_topics(self) -> bool:
        """Say whether there are enough ways of asking to learn what each document is about."""
        kept, count = self._taught()
        asked = int(np.array(self._passages.asked, bool)[kept].sum())
        return 0 < count <= MOST_TOPICS and asked >= FEWEST_ASKED * count

    def _taught(self) -> tuple[NDArray[np.bool_], int]:
        """Return the passages of documents and background: hidden ones have too few."""
        visible, (hidden, background) = len(self.documents), self._others
        kept = (self._owners < visible) | (self._owners >= visible + hidden)
        return kept, visible + background

    def _learn_topics(self, vectors: Vectors) -> TopicClassifier:
        kept, count = self._taught()
        owners = np.minimum(self._owners[kept], len(self.documents))
        return TopicClassifier(vectors[kept], owners, count)

    def _reader(self, encoder: Encoder) -> Reader | None:
        """Return what reads piece by piece, where no topic tells like documents apart."""
        few = len(self._passages.texts) <= MOST_PASSAGES
        if self._plain and few and isinstance(encoder, TokenEncoder) and encoder.token_width:
            return Reader(encoder)
        return None

    def _read_pieces(self, reader: Reader) -> LateInteraction:
        visible = int(np.searchsorted(self._owners, len(self.documents)))
        texts, asked = self._passages.texts[:visible], self._passages.asked[:visible]
        tokens = reader.tokens(texts, asked)
        return LateInteraction(tokens, self._owners[:visible], len(self.documents))

    def _forms(self, asked: Read) -> tuple[str, ...]:
        """A story's sentences count beside the whole only where topics tell which matter."""
        return asked.forms[:1] if self._plain else asked.forms

    def _degrade(self, error: Exception) -> None:
        self.degraded = f"the encoder failed: {type(error).__name__}"
        log.warning("search goes on without vectors: %s", type(error).__name__)

    def _likeness(self, wording: Wording) -> tuple[Likeness, Row | None]:
        """Return the mean over the forms of a message, and the cosines of all passages."""
        words, known = self._words.scores(wording)
        if self._encoder is None or self._vectors is None:
            return Likeness(words, len(self.documents)), None
        try:
            query, tokens = self._encode(self._encoder, _scenes(wording.compared, known))
        except Exception as error:  # as above
            self._degrade(error)
            return Likeness(words, len(self.documents)), None
        self.degraded = None
        near, cosines = self._nearest(query)
        topic = None if self._topics is None else self._topics.scores(query).mean(axis=0)
        likeness = Likeness(words, len(self.documents), near, topic)
        if self._pieces is not None and tokens:
            best = candidates(likeness.fused(self._calibration))
            likeness = replace(likeness, close=self._pieces.closeness(tokens[0], best))
        return likeness, cosines

    def _encode(self, encoder: Encoder, forms: Sequence[str]) -> tuple[Vectors, list[Tokens]]:
        if self._pieces is not None and isinstance(encoder, TokenEncoder):
            return encoder.encode_tokens(forms, asked=True)
        return encoder.encode_queries(forms), []

    def _nearest(self, query: Vectors) -> tuple[Row, Row]:
        """Return each document's mean of its nearest passages, and the forms' mean cosines."""
        assert self._vectors is not None
        size = len(self._vectors)
        cosines = self._vectors.compare(query) if size <= WHOLE_LIMIT else None
        if cosines is None:
            scores, rows = self._vectors.search(query, min(size, CANDIDATES))
            # A passage that did not come back is at most as near as the last that did.
            cosines = np.repeat(scores[:, -1:], size, axis=1)
            np.put_along_axis(cosines, np.maximum(rows, 0), scores, axis=1)
        nearest = 1 if self._plain else NEAREST
        near = [_mean_of_best(form, self._owners, self._starts, nearest) for form in cosines]
        return np.mean(near, axis=0, dtype=np.float32), cosines.mean(axis=0)

    def _prefer_stage(self, ranked: Row, scores: Row, stage: str | None) -> tuple[Row, Row]:
        if stage is None:
            return ranked, scores
        other = np.array([bool(d.stages) and stage not in d.stages for d in self.documents])
        factors = np.where(other, STAGE_PENALTY, 1.0).astype(np.float32)
        return ranked - other.astype(np.float32), scores * factors

    def _hit(self, document: int, found: _Found) -> Hit:
        here = self.documents[document]
        matched = (*here.questions, *here.texts, "")[0]
        why: list[str] = []
        if found.match is not None and document == found.match.document:
            if found.match.score == 1.0:
                return Hit(here.id, 1.0, found.match.why, matched)
            why += found.match.why
        near = found.likeness.near
        if near is not None and near[document] >= np.sort(near[: len(self.documents)])[-3:][0]:
            why.append("vector")
        if found.likeness.words[document] > 0:
            why.append("words")
        why += self._words.reasons(found.wording, document)
        if found.cosines is not None:
            first = int(self._starts[document])
            last = int(np.searchsorted(self._owners, document, side="right"))
            matched = self._passages.shown[first + int(np.argmax(found.cosines[first:last]))]
        score = min(float(found.scores[document]), 0.999)
        if found.match is not None and document == found.match.document:
            score = max(score, found.match.score)
        return Hit(here.id, score, tuple(dict.fromkeys(why)), matched)


def _scenes(forms: tuple[str, ...], known: Sequence[float]) -> tuple[str, ...]:
    """
    Return what of a message is encoded: of a story the last sentence and the most telling ones.

    The whole costs as much time as its sentences together, and finds no story more: of 98 held-out
    ones as many came first with it as without. A sentence that shares little with any document
    (我家情况是这样的) costs as much as the one that asks, and tells nothing (docs/exam.md).

    Args:
        known: How much of each form the documents know; see `SharedWords.scores`.
    """
    if len(forms) == 1:
        return forms
    *others, last = range(1, len(forms))
    telling = sorted(others, key=lambda place: -known[place])[: MOST_ENCODED - 1]
    return tuple(forms[place] for place in sorted([*telling, last]))


def _mean_of_best(
    scores: Row, owners: NDArray[np.int64], starts: NDArray[np.int64], nearest: int
) -> Row:
    """Return per document the mean of its best scores; each document's passages lie together."""
    left = scores.copy()
    total = np.zeros(len(starts), np.float32)
    taken = np.zeros(len(starts), np.float32)
    for _ in range(nearest):
        best = np.maximum.reduceat(left, starts)
        found = best > -np.inf
        total[found] += best[found]
        taken += found
        left[left >= best[owners]] = -np.inf
    return total / taken

"""What is searched and what is found: documents, their passages, hits.

Called by `knowledge.retrieval`, which compares the passages, and by whoever reads its hits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from knowledge.explanation import PassageKind
from knowledge.rerank import pieces
from knowledge.text import normalise, without_courtesies


@dataclass(frozen=True)
class Document:
    """
    What can be found: an entry of the handbook, or any text.

    Args:
        questions: Ways of asking, the title first; a message equal to one of them scores 1.
        texts: What it says.
        examples: More ways of asking that are only searched, never matched or shown to parents.
        terms: Search words: a message equal to one of them scores 1, and parents never see them.
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
        why: `exact`, and `alias` with it where it was not the title; `pinyin` (sounds the same as
            one of its ways of asking, or was written in letters), `typo`, `synonym` where these
            added something; `vector`, `words`.
        matched: The passage that is most like the question.
    """

    entry: str
    score: float
    why: tuple[str, ...]
    matched: str


@dataclass(frozen=True)
class Passages:
    """
    The passages of all documents, those of one document together.

    Args:
        texts: Normalised; what is compared.
        shown: What a parent may see of each.
        owners: The number of the document of each.
        asked: Whether each is a way of asking, and no text of the answer.
        kinds: What each is.
        own: Each as the document has it.
    """

    texts: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    asked: list[bool] = field(default_factory=list)
    kinds: list[PassageKind] = field(default_factory=list)
    own: list[str] = field(default_factory=list)

    def add_document(self, owner: int, document: Document) -> None:
        """Add all passages of a document; one without any text still gets its place."""
        title = next(iter(document.questions), "")
        self.add(owner, document.questions[:1], "title")
        self.add(owner, document.questions[1:], "alias")
        self.add(owner, document.examples, "phrasing", shown=title)
        self.add(owner, document.terms, "term", shown=title)
        self.add(owner, document.texts, "text")
        if owner not in self.owners[-1:]:
            self._append(owner, "", "", "text", "")

    def add(
        self, owner: int, texts: Iterable[str], kind: PassageKind, shown: str | None = None
    ) -> None:
        """Add the texts that have anything to compare."""
        for text in texts:
            plain = without_courtesies(normalise(text))
            for piece in pieces(plain) if kind == "text" else (plain,):
                if piece:
                    self._append(owner, piece, text if shown is None else shown, kind, text)

    def _append(self, owner: int, plain: str, shown: str, kind: PassageKind, own: str) -> None:
        self.texts.append(plain)
        self.shown.append(shown)
        self.owners.append(owner)
        self.asked.append(kind != "text")
        self.kinds.append(kind)
        self.own.append(own)

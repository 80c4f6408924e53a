"""What one row of the table searches in and what it is asked, handed over as a file.

Standard library only: the processes that measure memory import nothing else before the library
that they measure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Found:
    """
    One document that can be found.

    Args:
        asked: Ways of asking, the title first; none for a text of other sort.
        terms: Search words.
        texts: What it says.
    """

    id: str
    asked: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def pieces(self) -> tuple[str, ...]:
        """Return all that belongs to it, the title first."""
        return (*self.asked, *self.examples, *self.terms, *self.texts)

    @property
    def flat(self) -> str:
        """Return all that belongs to it as one text."""
        return "\n".join(self.pieces)


@dataclass(frozen=True)
class Asked:
    """
    A question and the documents that answer it; any of them is right.

    Args:
        exam: Whether nobody looked at it who worked on the search; it is not handed over.
    """

    text: str
    right: tuple[str, ...]
    exam: bool = False


@dataclass(frozen=True)
class Corpus:
    """
    The documents and the questions of one size.

    Args:
        background: Messages that nothing answers, which only the live search knows of.
    """

    documents: Sequence[Found]
    queries: Sequence[Asked]
    background: Sequence[str] = ()


def write_corpus(corpus: Corpus, path: Path) -> None:
    """Write a corpus as JSON."""
    rows = {
        "documents": [vars(document) for document in corpus.documents],
        "queries": [{"text": query.text, "right": query.right} for query in corpus.queries],
        "background": list(corpus.background),
    }
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def read_corpus(path: Path) -> Corpus:
    """Read what `write_corpus` wrote."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    documents = [
        Found(row.pop("id"), **{name: tuple(texts) for name, texts in row.items()})
        for row in rows["documents"]
    ]
    queries = [Asked(row["text"], tuple(row["right"])) for row in rows["queries"]]
    return Corpus(documents, queries, rows["background"])

"""Turn entries into what the search indexes. Called by the services, the command line and tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from knowledge.entry import Entry
from knowledge.retrieval import Document

OFFTOPIC = Path(__file__).with_name("offtopic.txt")


def entry_documents(
    entries: Iterable[Entry], examples: Mapping[str, tuple[str, ...]] | None = None
) -> list[Document]:
    """
    Make one document of each entry, and a hidden one of each known question without an entry.

    Args:
        examples: Further ways of asking by question id; the shipped ones by default.
    """
    known = shipped_examples() if examples is None else examples
    entries = list(entries)
    covered = {question for entry in entries for question in entry.covers}
    gaps = [
        Document(id=question, examples=texts, hidden=True)
        for question, texts in known.items()
        if question not in covered
    ]
    return gaps + [
        Document(
            id=entry.id,
            questions=(entry.title, *entry.aliases),
            texts=_texts(entry),
            examples=tuple(text for question in entry.covers for text in known.get(question, ())),
            stages=entry.stages,
        )
        for entry in entries
    ]


def _texts(entry: Entry) -> tuple[str, ...]:
    single = (entry.one_sentence, entry.section("reason"), entry.section("grandparents"))
    return tuple(text for text in (*single, *entry.steps, *entry.scripts) if text)


@cache
def shipped_examples() -> Mapping[str, tuple[str, ...]]:
    """Return the phrasings of `phrasings.tsv` by question id."""
    found: dict[str, list[str]] = {}
    path = Path(__file__).with_name("phrasings.tsv")
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        question, _, text = line.partition("\t")
        found.setdefault(question, []).append(text)
    return {question: tuple(texts) for question, texts in found.items()}


@cache
def offtopic_messages() -> tuple[str, ...]:
    """Return the messages of `offtopic.txt`, which no entry answers."""
    path = OFFTOPIC
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))

"""Turn entries into what the search indexes. Called by the services, the command line and tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from knowledge.entry import Entry
from knowledge.retrieval import Document

OFFTOPIC = Path(__file__).with_name("offtopic.txt")
EVERYDAY = Path(__file__).with_name("everyday.txt")


def entry_documents(
    entries: Iterable[Entry], examples: Mapping[str, tuple[str, ...]] | None = None
) -> list[Document]:
    """
    Make one document of each entry, and a hidden one of each known question without an entry.

    Args:
        examples: Further ways of asking by the id of a question of the list or of an entry; the
            shipped ones by default.
    """
    known = shipped_examples() if examples is None else examples
    entries = list(entries)
    answered = {name for entry in entries for name in (entry.id, *entry.covers)}
    gaps = [
        Document(id=question, examples=texts, hidden=True)
        for question, texts in known.items()
        if question not in answered
    ]
    return gaps + [
        Document(
            id=entry.id,
            questions=(entry.title, *entry.aliases),
            texts=_texts(entry),
            examples=tuple(
                text for name in (entry.id, *entry.covers) for text in known.get(name, ())
            ),
            terms=shipped_terms().get(entry.id, ()),
            stages=entry.stages,
        )
        for entry in entries
    ]


def _texts(entry: Entry) -> tuple[str, ...]:
    single = (entry.one_sentence, entry.section("reason"), entry.section("grandparents"))
    return tuple(text for text in (*single, *entry.steps, *entry.scripts) if text)


@cache
def shipped_examples() -> Mapping[str, tuple[str, ...]]:
    """Return the phrasings of `phrasings.tsv` by the id of the question or entry they ask for."""
    return _by_id("phrasings.tsv")


@cache
def shipped_terms() -> Mapping[str, tuple[str, ...]]:
    """Return the search words of `terms.tsv` by entry; each belongs to one entry alone."""
    return _by_id("terms.tsv")


def _by_id(name: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    path = Path(__file__).with_name(name)
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        asked_for, _, text = line.partition("\t")
        found.setdefault(asked_for, []).append(text)
    return {asked_for: tuple(texts) for asked_for, texts in found.items()}


@cache
def offtopic_messages() -> tuple[str, ...]:
    """Return the messages of `offtopic.txt` and `everyday.txt`, which no entry answers."""
    lines = [
        line.strip()
        for path in (OFFTOPIC, EVERYDAY)
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))

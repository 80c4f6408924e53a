"""The texts of the comparison: the handbook's entries among ever more texts of this repository.

Called by `bot.bench.peers.run`. Nothing is downloaded and nothing is drawn without the seed, so
that the same commit gives the same texts.
"""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path

import knowledge
from bot.bench.peers.corpus import Asked, Corpus, Found
from bot.core.errors import InputInvalid
from knowledge.documents import entry_documents, offtopic_messages
from knowledge.entry import Entry
from knowledge.loader import load_handbook
from knowledge.retrieval import Document
from knowledge.text import fold

HANDBOOK = Path(knowledge.__file__).parent / "handbook"
MESSAGES = HANDBOOK.parent / "risk" / "examples"
NAMES = ("asked_for", "id", "ids", "entry")
SHORTEST = 6
SENTENCE = range(6, 61)
TURN = "⏎"
# What the search does not index of an entry: on its subject, and no answer by itself.
UNSEARCHED = ("avoid", "school")
_ENDS = re.compile(r"[。！？!?；;\n]+")


def make_corpus(size: int, questions: Path, *, sample: int = 0, seed: int = 1) -> Corpus:
    """
    Put the entries of the handbook among so many texts that there are `size` documents.

    Args:
        size: At least the number of entries, else no text is added.
        questions: A TSV with the column `text` and one of `NAMES`: the ids of entries or of
            questions that entries cover. None of these texts stays in any document.
        sample: How many of the questions are asked; 0 for all.

    Raises:
        InputInvalid: the questions can't be read, or none belongs to an entry.
    """
    entries = list(load_handbook(HANDBOOK).entries.values())
    queries = read_questions(questions, entries)
    asked = {fold(query.text) for query in queries}
    documents = [_found(document, asked) for document in entry_documents(entries)]
    documents = [document for document in documents if document.pieces]
    random.Random(seed).shuffle(queries)
    known = asked | {fold(text) for document in documents for text in document.pieces}
    wanted = max(0, size - len(documents))
    others = other_texts(entries, known, wanted, seed)
    documents += [Found(f"other-{i}", texts=(text,)) for i, text in enumerate(others)]
    return Corpus(documents, queries[: sample or None], offtopic_messages())


def read_questions(path: Path, entries: Iterable[Entry]) -> list[Asked]:
    """
    Read the questions with the entries that answer them; lines that no entry answers are left out.

    Even lines are the exam, odd ones are for development, as `knowledge/heldout/README.md` says.

    Raises:
        InputInvalid: the file can't be read, or no line is left.
    """
    covering: dict[str, list[str]] = {}
    for entry in entries:
        for name in (entry.id, *entry.covers):
            covering.setdefault(name, []).append(entry.id)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        found = [
            Asked(row["text"], _right(row, covering), number % 2 == 0)
            for number, row in enumerate(rows, 1)
        ]
    except (OSError, UnicodeDecodeError, KeyError) as error:
        raise InputInvalid(f"{path}: no questions ({type(error).__name__})") from None
    kept = [query for query in found if query.right]
    if not kept:
        raise InputInvalid(f"{path}: no question belongs to an entry")
    return kept


def _right(row: Mapping[str, str], covering: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Return the entries of all ids of a line, each once."""
    column = next((name for name in NAMES if name in row), NAMES[0])
    names = row[column].replace(",", " ").split()
    return tuple(dict.fromkeys(entry for name in names for entry in covering.get(name, ())))


def other_texts(entries: Iterable[Entry], known: set[str], wanted: int, seed: int) -> list[str]:
    """
    Return so many different texts that are none of the known ones, as they are folded.

    First those that stand in the repository; when they are used up, two sentences of different
    ones put together. What is known is passed over at the end, so that other questions leave the
    rest as it was.
    """
    pool = list(_new(_written(entries), set()))
    chance = random.Random(seed)
    chance.shuffle(pool)
    fresh = _new(chain(pool, _pairs(pool, chance)), set(known))
    return list(islice(fresh, wanted))


def _pairs(pool: Iterable[str], chance: random.Random) -> Iterator[str]:
    parts = sorted({part.strip() for text in pool for part in _ENDS.split(text)})
    parts = [part for part in parts if len(part) in SENTENCE]
    while True:
        first, second = chance.sample(parts, 2)
        yield f"{first}。{second}"


def _new(texts: Iterable[str], seen: set[str]) -> Iterator[str]:
    for text in texts:
        key = fold(text)
        if len(key) >= SHORTEST and key not in seen:
            seen.add(key)
            yield text


def _written(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        for name in UNSEARCHED:
            yield from (part.strip(" -") for part in entry.section(name).splitlines())
    for path in sorted(MESSAGES.glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            yield from (turn.strip() for turn in line.partition("\t")[0].split(TURN))


def _found(document: Document, asked: set[str]) -> Found:
    """Return a document without the questions that will be asked."""

    def kept(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(text for text in texts if fold(text) not in asked)

    if document.hidden:
        return Found(document.id)
    return Found(
        document.id,
        asked=kept(document.questions),
        examples=kept(document.examples),
        terms=kept(document.terms),
        texts=document.texts,
    )

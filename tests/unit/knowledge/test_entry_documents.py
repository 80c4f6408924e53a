"""The ways of asking that ship with the handbook: each belongs to something, and only once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from knowledge.documents import entry_documents, offtopic_messages, shipped_examples, shipped_terms
from knowledge.loader import load_handbook
from knowledge.outline import questions
from knowledge.text import fold

HANDBOOK = load_handbook(Path(__file__).parents[3] / "knowledge" / "handbook").entries


def test_ways_of_asking_belong_to_an_entry_or_a_question() -> None:
    assert shipped_examples().keys() <= {*HANDBOOK, *questions()}
    assert shipped_terms().keys() == HANDBOOK.keys()


def test_a_search_word_leads_to_one_entry() -> None:
    words = Counter(fold(word) for words in shipped_terms().values() for word in words)
    assert [word for word, count in words.items() if count > 1] == []
    titles = {fold(e.title): e.id for e in HANDBOOK.values()}
    for entry, found in shipped_terms().items():
        assert all(titles.get(fold(word), entry) == entry for word in found)


def test_no_message_is_both_answered_and_left_alone() -> None:
    asked = {fold(text) for texts in shipped_examples().values() for text in texts}
    asked |= {fold(text) for e in HANDBOOK.values() for text in (e.title, *e.aliases)}
    assert [text for text in offtopic_messages() if fold(text) in asked] == []


def test_every_entry_becomes_one_document_and_no_question_is_left_hidden() -> None:
    documents = entry_documents(HANDBOOK.values())
    assert [document.id for document in documents] == list(HANDBOOK)
    assert all(len(document.examples) >= 4 and document.terms for document in documents)


def test_a_question_without_an_entry_is_known_but_never_found() -> None:
    rest = [entry for entry in HANDBOOK.values() if "Q026" not in entry.covers]
    hidden = [document for document in entry_documents(rest) if document.hidden]
    assert "Q026" in {document.id for document in hidden}

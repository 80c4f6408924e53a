"""Check that entries agree: sources by one name, figures alike everywhere, sentences short.

Called by `knowledge.check`. The figures stand in `facts.toml`, the sources in `sources.toml`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from knowledge.entry import Entry, heading
from knowledge.outline import course_themes, questions
from knowledge.problems import Problem, Severity, entry_format, problem
from knowledge.sources import register

_SENTENCE_END = re.compile(r"[。！？!?；;\n]|(?<=[」”])")
_MARK = re.compile(r"^\s*(?:[-*•]|\d+[.、．)）])\s*|〔[^〕]*〕|[「」“”]")


@dataclass(frozen=True)
class Fact:
    """A figure, where it is found, and what it may be."""

    wording: str
    pattern: re.Pattern[str]
    values: tuple[str, ...]
    beside: str = ""
    source: str = ""

    def found(self, sentence: str) -> Iterator[str]:
        """Yield the figure as often as a sentence tells it."""
        if self.beside in sentence:
            for match in self.pattern.finditer(sentence):
                yield "-".join(match.groups())


@cache
def facts() -> tuple[Fact, ...]:
    """Return the figures of `facts.toml`, read once."""
    found = tomllib.loads(Path(__file__).with_name("facts.toml").read_text(encoding="utf-8"))
    return tuple(
        Fact(
            row["wording"],
            re.compile(row["pattern"]),
            tuple(row["values"]),
            row.get("with", ""),
            row.get("source", ""),
        )
        for row in found["fact"]
    )


def check_agreement(entry: Entry) -> Iterator[Problem]:
    """Yield what of an entry disagrees with the registers or is hard to read."""
    yield from _check_sources(entry)
    yield from _check_courses(entry)
    yield from _check_facts(entry)
    yield from _check_sentences(entry)


def uncovered(entries: Mapping[str, Entry]) -> list[str]:
    """Return the ids of the questions that no entry answers."""
    covered = {question for entry in entries.values() for question in entry.covers}
    return [question for question in questions() if question not in covered]


def sentences(text: str) -> list[str]:
    """Split a section into sentences, without list marks and brackets."""
    parts = (_MARK.sub("", part).strip() for part in _SENTENCE_END.split(text))
    return [part for part in parts if part]


def _check_sources(entry: Entry) -> Iterator[Problem]:
    for line in entry.sources:
        fault = register().fault(line)
        if fault:
            yield _at(entry, heading("sources"), fault, source=line)


def _check_courses(entry: Entry) -> Iterator[Problem]:
    for course in entry.courses:
        theme = course_themes().get(course)
        if theme is None:
            yield _at(entry, "courses", "course_missing", id=course)
        elif not set(theme.stages) & set(entry.stages):
            yield _at(entry, "courses", "course_other_stage", severity="warning", id=course)


def _check_facts(entry: Entry) -> Iterator[Problem]:
    cited = "\n".join(entry.sources)
    for name, text in entry.sections.items():
        if name == heading("sources"):
            continue
        for sentence in sentences(text):
            for fact in facts():
                for value in fact.found(sentence):
                    if value not in fact.values:
                        yield _at(entry, name, "contradiction", found=value, wording=fact.wording)
                    elif fact.source not in cited:
                        yield _at(entry, name, "fact_without_source", wording=fact.wording)


def _check_sentences(entry: Entry) -> Iterator[Problem]:
    longest = entry_format()["body"]["sentence_longest"]
    for name, text in entry.sections.items():
        if name in (heading("sources"), heading("red_flags")):
            continue
        for sentence in sentences(text):
            if len(sentence) > longest:
                yield _at(
                    entry, name, "long_sentence", length=len(sentence), longest=longest,
                    start=sentence[:10],
                )  # fmt: skip


def _at(
    entry: Entry, field: str, name: str, *, severity: Severity = "error", **values: object
) -> Problem:
    line = entry.lines.get(field, 1)
    return problem(name, entry.path, line, field, severity=severity, **values)

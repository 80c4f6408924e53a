"""The whole handbook as one Markdown file: the entries' own texts, one after the other."""

import re
from collections.abc import Iterator, Sequence

from bot.core.privacy import clean
from bot.services.excel import FILE_BYTES
from bot.services.handbook_files.rows import MOST_ROWS, Read, row_of
from bot.services.handbook_files.words import said, words
from knowledge.entry import Entry
from knowledge.outline import topics
from knowledge.writer import write_entry

_MARK = re.compile(r"^<!-- entry [^>\n]*-->[ \t]*$", re.M)
# The head of an entry: a line of dashes and a first pair. The line that closes it has text below.
_HEAD = re.compile(r"^---[ \t]*\n(?=[a-z_]+[ \t]*:)", re.M)


def export(entries: Sequence[Entry], *, when: str) -> str:
    """Return the entries as one text.

    Args:
        when: the moment of the export, as people read it.
    """
    unsigned = sum(not entry.reviewers for entry in entries)
    counts = said(
        "print",
        "counts",
        entries=len(entries),
        unsigned=unsigned,
        signed=len(entries) - unsigned,
    )
    head = [
        f"# {words()['title']}",
        "",
        said("print", "made", when=when),
        "",
        f"{counts}{said('print', 'honest')}",
        "",
        f"## {said('print', 'contents')}",
        "",
        *_contents(entries),
    ]
    parts = [f"<!-- entry {entry.id} -->\n{write_entry(entry)}" for entry in entries]
    return "\n".join((*head, "", *parts))


def _contents(entries: Sequence[Entry]) -> Iterator[str]:
    topic = ""
    for entry in entries:
        if entry.topic != topic:
            topic = entry.topic
            yield f"- {topic} {topics().get(topic, '')}"
        yield f"  - {entry.id} {entry.title}（{entry.state}）"


def read(content: bytes) -> Read:
    """Return the entries of a Markdown file, of one or of many."""
    if not content.strip():
        return Read(problem=said("file", "empty"))
    if len(content) > FILE_BYTES:
        return Read(problem=said("file", "too_big"))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Read(problem=said("file", "not_text"))
    text = clean(text).replace("\r\n", "\n").replace("\r", "\n")
    parts = split(text)
    if not parts:
        return Read(problem=said("file", "no_entries"))
    if len(parts) > MOST_ROWS:
        return Read(problem=said("file", "too_many", most=MOST_ROWS))
    rows = tuple(row_of(number, part) for number, part in enumerate(parts, 1))
    stray = not _MARK.search(text) and not text.lstrip().startswith("---")
    return Read(rows, notes=(said("row", "text_before"),) if stray else ())


def split(text: str) -> list[str]:
    """Return the texts of the entries: by their marks, or by the heads that begin them."""
    marks = list(_MARK.finditer(text))
    before = marks[0].start() if marks else len(text)
    # Below the first mark a line of dashes is an entry's own; above it somebody added an entry.
    heads = [match.start() for match in _HEAD.finditer(text, 0, before)]
    starts = [*heads, *(mark.end() + 1 for mark in marks)]
    ends = [*heads, *(mark.start() for mark in marks), len(text)][1:]
    return [text[start:end].lstrip("\n") for start, end in zip(starts, ends, strict=True)]

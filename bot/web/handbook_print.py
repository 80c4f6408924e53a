"""The printed handbook: contents with page numbers, every entry with its state and its sources.

Called by `xinqing handbook export --pdf`. The PDF carries the entries' own texts along, so that it
can be read back without loss.
"""

from collections.abc import Sequence
from itertools import groupby

from bot.services.handbook_files import markdown
from bot.services.handbook_files.pdf import ATTACHMENT
from bot.services.handbook_files.words import said, words
from bot.web.pdf import pdf
from bot.web.render import Renderer, label
from knowledge.entry import Entry, heading
from knowledge.outline import course_themes, topics
from knowledge.sources import register

_STYLES = ("print.css", "book.css")


def handbook_pdf(entries: Sequence[Entry], *, when: str) -> bytes:
    """Return the entries as a book; takes about a third of a second an entry.

    Args:
        entries: in the order of their ids.
        when: the moment of the export, as people read it.

    Raises:
        PdfUnavailable: the library or a Chinese font is missing.
    """
    attached = {ATTACHMENT: markdown.export(entries, when=when)}
    return pdf(handbook_html(entries, when=when), styles=_STYLES, attached=attached)


def handbook_html(entries: Sequence[Entry], *, when: str) -> str:
    """Return the page that the PDF is made of."""
    unsigned = sum(not entry.reviewers for entry in entries)
    parts = [
        (topic, topics().get(topic, ""), list(part))
        for topic, part in groupby(entries, key=lambda entry: entry.topic)
    ]
    counts = {"entries": len(entries), "unsigned": unsigned, "signed": len(entries) - unsigned}
    return Renderer().text(
        "handbook_print.html",
        {
            "title": words()["title"],
            "words": words()["print"],
            "made": said("print", "made", when=when),
            "counts": said("print", "counts", **counts),
            "unsigned": unsigned,
            "parts": parts,
            "titles": {entry.id: entry.title for entry in entries},
            "themes": course_themes(),
            "cited": _cited(entries),
            "heading": heading,
            "stages": _stages,
        },
    )


def _cited(entries: Sequence[Entry]) -> list[tuple[str, list[str]]]:
    """Return each source of the register with the entries that cite it, in the register's order."""
    found: dict[str, list[str]] = {name: [] for name in register().sources}
    for entry in entries:
        named = (register().named(line) for line in entry.sources)
        for name in dict.fromkeys(source.name for source in named if source):
            found[name].append(entry.id)
    return [(name, ids) for name, ids in found.items() if ids]


def _stages(entry: Entry) -> str:
    return "、".join(label("stage", stage) for stage in entry.stages)

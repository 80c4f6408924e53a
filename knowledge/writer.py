"""Write an entry as the Markdown file it is read from: the way back of `knowledge.loader`.

Called by the exports and the import, and by `xinqing handbook new`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import yaml

from knowledge.entry import Entry
from knowledge.problems import entry_format

YEAR = timedelta(days=365)
# YAML takes some of these for the end of a line and refuses the others, in quotes too.
_UNPRINTED = re.compile(r"[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
# Lists that stand on one line, and the order of the front matter.
INLINE = ("stages", "audience", "covers", "related", "courses", "reviewers")
FIELDS = (
    "id", "title", "topic", "stages", "audience", "covers", "aliases", "related", "courses",
    "author", "reviewers", "version", "written", "next_review",
)  # fmt: skip


def write_entry(entry: Entry) -> str:
    """Return the text of an entry's file; reading it gives the same entry."""
    fields = {key: getattr(entry, key) for key in FIELDS}
    return write_fields(
        {
            key: list(value) if isinstance(value, tuple) else str(value)
            for key, value in fields.items()
        },
        dict(_in_order(entry)),
    )


def write_fields(fields: Mapping[str, str | Sequence[str]], sections: Mapping[str, str]) -> str:
    """Return the text of a file from texts and lists of texts, whether or not they make an entry.

    Args:
        fields: by the keys of the front matter; what is missing is not written.
        sections: text under each heading, in their order.
    """
    lines = ["---"]
    for key in FIELDS:
        value = fields.get(key)
        if value is None:
            continue
        if isinstance(value, str):
            lines.append(f"{key}: {_scalar(value)}")
        elif key in INLINE:
            lines.append(f"{key}: [{', '.join(_scalar(item, inline=True) for item in value)}]")
        else:
            lines += [f"{key}:", *(f"  - {_scalar(item)}" for item in value)]
    lines.append("---")
    for name, text in sections.items():
        lines += [f"## {name}", text, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def skeleton(entry_id: str, topic: str, title: str, today: date) -> str:
    """Return the text of an entry that is still to be written, every section in its place."""
    fields: dict[str, str | Sequence[str]] = dict.fromkeys(FIELDS, "")
    lists = entry_format()["fields"]["lists"]
    fields |= {key: [] for key in lists}
    fields |= {"id": entry_id, "topic": topic, "title": " ".join(title.split())}
    review = (today + YEAR).isoformat()
    fields |= {"version": "1", "written": today.isoformat(), "next_review": review}
    return write_fields(fields, {row["heading"]: "" for row in entry_format()["sections"]})


def _in_order(entry: Entry) -> Iterable[tuple[str, str]]:
    """Yield the sections as the format orders them, unknown ones last."""
    known = [section["heading"] for section in entry_format()["sections"]]
    for name in (*known, *(name for name in entry.sections if name not in known)):
        if name in entry.sections:
            yield name, entry.sections[name]


def _scalar(text: str, *, inline: bool = False) -> str:
    """Return a text as YAML reads it back; in quotes where it would read something else."""
    line = f"k: [{text}]" if inline else f"k: {text}"
    wanted = {"k": [text]} if inline else {"k": text}
    try:
        plain = yaml.load(line, Loader=yaml.BaseLoader) == wanted
    except yaml.YAMLError:
        plain = False
    if plain:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTED.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)

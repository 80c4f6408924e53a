"""Read the handbook's Markdown files into entries.

Called when the database is seeded, by `xinqing handbook check | import`, and by the editor's pages
(one text at a time). A broken file becomes a problem with its place; the others still load.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from knowledge.entry import Entry
from knowledge.problems import Problem, entry_format, problem

LARGEST_FILE = 256 * 1024
_TextLoader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
# No two repeats that could share a run of blanks: a long one would keep the search busy for hours.
_KEY = re.compile(r"^([^\s:#\-][^:]*):(?:\s|$)")
_ID = re.compile(r"^(T[0-9]{2})-[0-9]{2,3}$")
_DATE = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
_VERSION = re.compile(r"^[0-9]{1,6}$")
_HEADING = re.compile(r"^##\s+(\S.*)$")
# Lists inside lists; the front matter has one. Some thousand end the process in the C library.
_DEEPEST = 10


@dataclass(frozen=True)
class Handbook:
    """The entries that could be read, by id, and what was wrong with the files."""

    entries: Mapping[str, Entry]
    problems: Sequence[Problem] = ()


@dataclass
class _Draft:
    """The raw front matter of one file while it is checked."""

    file: Path
    values: dict[str, Any]
    lines: dict[str, int]
    problems: list[Problem] = field(default_factory=list)

    def report(self, name: str, key: str, /, **values: object) -> None:
        line = self.lines.get(key, 1)
        self.problems.append(problem(name, self.file, line, key, severity="error", **values))

    def text(self, key: str) -> str:
        value = self.values.get(key, "")
        if not isinstance(value, str) or "\n" in value.strip():
            self.report("not_a_text", key, key=key)
            return ""
        if not value.strip():
            self.report("missing_key", key, key=key)
        return value.strip()

    def items(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        if value == "":
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.report("not_a_list", key, key=key)
            return ()
        if any("\n" in item.strip() for item in value):
            self.report("not_a_list", key, key=key)
        if any(not item.strip() for item in value):
            self.report("empty_item", key, key=key)
        return tuple(item.strip() for item in value if item.strip())

    def choices(self, key: str) -> tuple[str, ...]:
        allowed = entry_format()["fields"][key]
        items = self.items(key)
        for item in items:
            if item not in allowed:
                self.report("bad_choice", key, value=item, choices=" ".join(allowed))
        return items

    def day(self, key: str) -> date:
        value = self.text(key)
        try:
            if value and not _DATE.match(value):
                raise ValueError(value)
            return date.fromisoformat(value) if value else date.min
        except ValueError:
            self.report("bad_date", key, value=value)
            return date.min

    def number(self, key: str) -> int:
        value = self.text(key)
        if value and not (_VERSION.match(value) and int(value) > 0):
            self.report("bad_version", key, value=value)
            return 0
        return int(value or 0)


def load_handbook(folder: Path) -> Handbook:
    """
    Read every `*.md` file under a folder.

    Returns:
        The entries by id, in the order of their ids; of two files with one id the first counts.
    """
    if not folder.is_dir():
        return Handbook({}, [problem("no_folder", folder)])
    entries: dict[str, Entry] = {}
    problems: list[Problem] = []
    for path in sorted(folder.rglob("*.md")):
        entry, found = load_file(path)
        problems += found
        if entry is None:
            continue
        if entry.id in entries:
            other = entries[entry.id].path.name
            line = entry.lines.get("id", 1)
            problems.append(problem("duplicate_id", path, line, "id", id=entry.id, other=other))
            continue
        entries[entry.id] = entry
    return Handbook(dict(sorted(entries.items())), problems)


def load_file(path: Path) -> tuple[Entry | None, list[Problem]]:
    """Read one file; the name of the file must be the entry's id."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            return None, [problem("too_large", path, size=path.stat().st_size)]
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None, [problem("not_text", path)]
    entry, problems = parse_entry(text, path)
    if entry and path.stem != entry.id:
        line = entry.lines.get("id", 1)
        problems.append(problem("bad_id", path, line, "id", severity="warning", value=entry.id))
    return entry, problems


def parse_entry(text: str, path: Path) -> tuple[Entry | None, list[Problem]]:
    """
    Read one entry from its text.

    Returns:
        The entry, or nothing when a field that everything hangs on is missing or wrong; and what
        is wrong in either case.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    lines = text.split("\n")
    closing = _closing_line(lines)
    if closing is None:
        return None, [problem("no_front_matter", path)]
    draft, problems = _read_front_matter(text, lines[:closing], path)
    if draft is None:
        return None, problems
    sections, section_lines, section_problems = _read_sections(lines, closing + 1, path)
    entry = _make_entry(draft, sections, {**draft.lines, **section_lines})
    return (None if draft.problems else entry), problems + draft.problems + section_problems


def _closing_line(lines: list[str]) -> int | None:
    """Return the index of the line that closes the front matter."""
    if lines[0].rstrip() != "---":
        return None
    return next((i for i, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)


def _read_front_matter(
    text: str, head: list[str], path: Path
) -> tuple[_Draft | None, list[Problem]]:
    problems: list[Problem] = []
    key_lines: dict[str, int] = {}
    for number, line in enumerate(head, 1):
        found = _KEY.match(line)
        if not found:
            continue
        key = found[1].rstrip()
        if key in key_lines:
            problems.append(problem("repeated_key", path, number, key, key=key))
        key_lines[key] = number
    try:
        # Every value stays text: YAML 1.1 would turn `on` into a truth value and 010 into 8.
        values = _read_yaml("\n".join(head[1:]))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line_number = min(len(head), mark.line + 2) if mark else 1
        return None, [*problems, problem("bad_front_matter", path, line_number)]
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        return None, [*problems, problem("not_pairs", path, 2)]
    rules = entry_format()["fields"]
    for key in values:
        if key not in rules["required"] and key not in rules["optional"]:
            place = key_lines.get(key, 1)
            problems.append(problem("unknown_key", path, place, key, severity="warning", key=key))
    draft = _Draft(path, values, key_lines)
    for key in rules["required"]:
        if key not in values:
            draft.report("missing_key", key, key=key)
            values[key] = [] if key in rules["lists"] else ""
    return draft, problems


def _read_yaml(text: str) -> Any:
    """Read a text whose parts are not too deep inside each other; raises `ValueError` if so."""
    depth = 0
    for event in yaml.parse(text, Loader=_TextLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise ValueError(depth)
    return yaml.load(text, Loader=_TextLoader)


def _read_sections(
    lines: list[str], start: int, path: Path
) -> tuple[dict[str, str], dict[str, int], list[Problem]]:
    sections: dict[str, list[str]] = {}
    places: dict[str, int] = {}
    problems: list[Problem] = []
    current: list[str] | None = None
    for number, line in enumerate(lines[start:], start + 1):
        found = _HEADING.match(line)
        if found:
            name = found[1].rstrip()
            if name in sections:
                problems.append(problem("repeated_section", path, number, name, heading=name))
            places.setdefault(name, number)
            current = sections.setdefault(name, [])
        elif current is not None:
            current.append(line)
        elif line.strip():
            problems.append(problem("text_before_sections", path, number, severity="warning"))
    texts = {name: "\n".join(body).strip() for name, body in sections.items()}
    return texts, places, problems


def _make_entry(draft: _Draft, sections: dict[str, str], lines: dict[str, int]) -> Entry:
    entry_id, topic = draft.text("id"), draft.text("topic")
    shape = _ID.match(entry_id)
    if entry_id and not shape:
        draft.report("bad_id", "id", value=entry_id)
    elif shape and topic and shape[1] != topic:
        draft.report("bad_topic", "topic", id=entry_id, topic=topic)
    return Entry(
        id=entry_id,
        title=draft.text("title"),
        topic=topic,
        stages=draft.choices("stages"),
        audience=draft.choices("audience"),
        covers=draft.items("covers"),
        aliases=draft.items("aliases"),
        related=draft.items("related"),
        courses=draft.items("courses"),
        author=draft.text("author"),
        reviewers=draft.items("reviewers"),
        version=draft.number("version"),
        written=draft.day("written"),
        next_review=draft.day("next_review"),
        sections=sections,
        path=draft.file,
        lines=lines,
    )

"""Rule files as people edit them: cut into blocks, put together again, and checked while loading.

Called by the services when somebody saves a draft. What `load_rules` takes for granted of files
that ship with the project (types, known tables, sizes) is checked here, so that a slip of the
hand is named by file, line, rule and field and can do nothing else.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from knowledge.risk.loading import RESERVED, load_rules
from knowledge.risk.rules import RuleSet, RulesInvalid

MAX_FILE = 200_000
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*(rule|combo)[ \t]*\]\]", re.MULTILINE)
_ID = re.compile(r"""^[ \t]*id[ \t]*=[ \t]*["']([^"'\n]*)["']""", re.MULTILINE)
_COMBO_FIELDS = {"id", "category", "level", "reason", "needs", "weak", "scope", "within", "source"}
_LISTS = {"ignore", "tags", "needs"}
_TABLES = {"lexicon.toml": {"slots", "regex"}, "aliases.toml": {"aliases"}, "idioms.toml": set()}


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a file: a rule with all its lines, or what stands before the first one.

    Args:
        number: from 0, in the order of the file.
        line: where it begins, from 1.
        kind: `rule`, `combo` or `head`.
        id: of the rule; empty for a head, or when there is none.
    """

    number: int
    line: int
    kind: str
    id: str
    text: str


def blocks(text: str) -> list[Block]:
    """Cut a file into blocks whose texts, joined, are the file."""
    starts = [(found.start(), found.group(1)) for found in _HEADER.finditer(text)]
    if not starts or text[: starts[0][0]].strip():
        starts.insert(0, (0, "head"))
    else:
        starts[0] = (0, starts[0][1])
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return [
        Block(number, text.count("\n", 0, start) + 1, kind, _id(text[start:end]), text[start:end])
        for number, ((start, kind), end) in enumerate(zip(starts, ends, strict=True))
    ]


def _id(text: str) -> str:
    found = _ID.search(text)
    return found.group(1) if found else ""


def with_block(text: str, number: int, new: str) -> str:
    """Return a file with one block replaced; an empty text takes the block away.

    Raises:
        IndexError: the file has no such block.
    """
    parts = [block.text for block in blocks(text)]
    old = parts[number]
    gap = old[len(old.rstrip()) :] or "\n"
    parts[number] = new.rstrip() + gap if new.strip() else ""
    return "".join(parts)


def load_draft(texts: Mapping[str, str], *trusted: Mapping[str, str]) -> RuleSet:
    """Load a set of rule files that somebody has edited.

    Args:
        trusted: sets of files whose regular expressions are the only ones allowed, since a regular
            expression may run away on a long message: those that ship, or shipped once.

    Raises:
        RulesInvalid: and nothing else, whatever the texts hold.
    """
    for name, text in texts.items():
        if len(text) > MAX_FILE:
            raise RulesInvalid("file too long", file=name)
        _check_file(name, text, trusted)
    try:
        return load_rules(texts)
    except RulesInvalid:
        raise
    except Exception as error:
        raise RulesInvalid(f"cannot be used: {type(error).__name__}") from error


def _check_file(name: str, text: str, trusted: Sequence[Mapping[str, str]]) -> None:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        line = int(found.group(1)) if found else text.count("\n") + 1
        raise RulesInvalid(f"not TOML: {error}", file=name, line=line) from error
    except RecursionError as error:
        raise RulesInvalid("not TOML: nested too deep", file=name) from error
    if name in RESERVED:
        _check_words(name, data, trusted)
        return
    for key, entries in data.items():
        if key not in ("rule", "combo"):
            raise RulesInvalid("unknown table", file=name, line=_line(text, key), field=key)
        if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
            raise RulesInvalid("write two brackets", file=name, line=_line(text, key), field=key)
        for entry in entries:
            _check_entry(name, text, key, entry)


def _check_words(name: str, data: dict[str, Any], trusted: Sequence[Mapping[str, str]]) -> None:
    """Check a file of word lists."""
    if name == "idioms.toml":
        data = {"": data}
    elif unknown := sorted(data.keys() - _TABLES[name]):
        raise RulesInvalid("unknown table", file=name, field=unknown[0])
    for table, lists in data.items():
        if not isinstance(lists, dict):
            raise RulesInvalid("unknown table", file=name, field=table)
        for key, words in lists.items():
            if not isinstance(words, str):
                raise RulesInvalid("must be words in quotes", file=name, field=key)
    if name == "lexicon.toml":
        allowed = [_expressions(files.get(name, "")) for files in trusted]
        if data.get("regex", {}) not in [{}, *allowed]:
            raise RulesInvalid("regular expressions may not be changed", file=name, field="regex")


def _expressions(text: str) -> object:
    try:
        return tomllib.loads(text).get("regex", {})
    except tomllib.TOMLDecodeError:
        return {}


def _check_entry(file: str, text: str, kind: str, entry: dict[str, Any]) -> None:
    name = entry.get("id")
    rule = name if isinstance(name, str) and name else "?"
    line = _line(text, rule)
    for key, value in entry.items():
        field = f"{rule}.{key}"
        if kind == "combo" and key not in _COMBO_FIELDS:
            raise RulesInvalid("unknown field", file=file, line=line, field=field)
        if key in _LISTS:
            good = isinstance(value, list) and all(isinstance(one, str) for one in value)
            problem = "must be a list of words in quotes"
        elif key == "weak":
            good = isinstance(value, bool) if kind == "rule" else _count(value)
            problem = "must be true or false" if kind == "rule" else "must be a number"
        elif key in ("within", "longest"):
            good, problem = _count(value), "must be a number"
        else:
            good, problem = isinstance(value, str), "must be words in quotes"
        if not good:
            raise RulesInvalid(problem, file=file, line=line, field=field)


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= 10_000


def _line(text: str, name: str) -> int | None:
    rows = enumerate(text.splitlines(), 1)
    return next((number for number, row in rows if name in row.split("#")[0]), None)

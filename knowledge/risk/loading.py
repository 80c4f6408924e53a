"""Loads the rule files and compiles them into one automaton.

Called once by `assess` and by the services when a counselor changes the rules. A set that cannot
be read raises `RulesInvalid`; whoever asked keeps the last good one.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from knowledge.risk.bounded import Unbounded, ways
from knowledge.risk.context import CONTEXT_SLOTS
from knowledge.risk.normalise import fold
from knowledge.risk.patterns import Chain, Group, Pattern, PatternInvalid, parse
from knowledge.risk.rewrite import Rewriter
from knowledge.risk.rules import (
    Combo,
    CompiledChain,
    CompiledPattern,
    Rule,
    RuleSet,
    RulesInvalid,
)
from knowledge.risk.values import Level

CATEGORIES = frozenset(
    {"SI-P", "SI-A", "SI-PL", "SI-AT", "SI-H", "NSSI", "ABU", "DV", "SA", "BUL", "RUN", "REF"}
    | {"ED", "PSY", "SUB", "OD", "ACC", "VIO", "GAM", "PND", "CGB", "ONL", "TCH", "GRIEF", "ANX"}
    | {"DIS", "ATT", "MED", "REFU", "TEST", "EDU", "NONE"}
)
FILTERS = frozenset({"negation", "tense", "register", "hypothetical", "stranger"})
SCOPES = frozenset({"message", "turns", "day"})
RESERVED = ("lexicon.toml", "idioms.toml", "aliases.toml")
_SPEAKER_FIELDS = ("adult", "minor", "child", "other")


def load_rules(source: Path | Mapping[str, str] | None = None) -> RuleSet:
    """Read and compile every rule file of a folder (default: those that ship with the project).

    Args:
        source: a folder, or the texts of the files by name.

    Raises:
        RulesInvalid: naming the file, the rule and the field.
    """
    texts = source if isinstance(source, Mapping) else rule_texts(source)
    folder = source if isinstance(source, Path) else Path()
    if "lexicon.toml" not in texts:
        raise RulesInvalid("there is no lexicon.toml", file=folder)
    files = {name: _parse(folder / name, texts[name]) for name in sorted(texts)}
    return _Builder(folder, texts, files).build(digest_of(texts))


def rule_texts(folder: Path | None = None) -> dict[str, str]:
    """Return the texts of a folder's rule files by name (default: those that ship).

    Raises:
        RulesInvalid: naming the file that can't be read.
    """
    folder = folder or Path(__file__).parent / "rules"
    return {path.name: _text(path) for path in sorted(folder.glob("*.toml"))}


def digest_of(texts: Mapping[str, str]) -> str:
    """Return the version of a set of rule files: another one when any of their texts differs."""
    digest = hashlib.sha256()
    for name in sorted(texts):
        digest.update(name.encode() + b"\0" + texts[name].encode())
    return digest.hexdigest()[:12]


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesInvalid("cannot be read", file=path) from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        line = int(found.group(1)) if found else None
        raise RulesInvalid(f"not TOML: {error}", file=path, line=line) from error


class _Builder:
    """Turns the read files into a RuleSet; used once."""

    def __init__(
        self, folder: Path, texts: Mapping[str, str], files: dict[str, dict[str, Any]]
    ) -> None:
        self.folder = folder
        self.texts = texts
        self.files = files
        self.words: dict[str, frozenset[str]] = {}
        self.groups: dict[tuple[frozenset[str], frozenset[str]], int] = {}
        self.patterns: list[CompiledPattern] = []
        self.owners: list[Rule | None] = []
        self.regexes: dict[str, re.Pattern[str]] = {}
        self.rewriter = Rewriter(self._aliases(), self._idioms())

    def build(self, version: str) -> RuleSet:
        self._lexicon()
        for slot in sorted(CONTEXT_SLOTS - self.words.keys() - self.regexes.keys()):
            raise self._invalid("lexicon.toml", slot, "slots", "the context filters need this slot")
        slots = {name: self._group(Group(slots=frozenset({name}))) for name in self.words}
        slots |= {name: self._group(Group(slots=frozenset({name}))) for name in self.regexes}
        rules, combos = self._rules()
        return self._assemble(version, rules, combos, slots)

    def _idioms(self) -> frozenset[str]:
        words = _words(self.files.get("idioms.toml", {}).get("idioms", ""))
        return frozenset(fold(word).text for word in words)

    def _aliases(self) -> dict[str, str]:
        table = self.files.get("aliases.toml", {}).get("aliases", {})
        return {
            fold(key).text: fold(word).text for word, keys in table.items() for key in _words(keys)
        }

    def _assemble(
        self,
        version: str,
        rules: list[Rule],
        combos: list[Combo],
        slots: dict[str, int],
    ) -> RuleSet:
        literals = sorted(
            {word for words, _ in self.groups for word in words} | self.rewriter.idioms
        )
        numbers = {word: number for number, word in enumerate(literals)}
        groups = [frozenset(numbers[word] for word in words) for words, _ in self.groups]
        anchors = self._anchors()
        anchor_groups: list[list[int]] = [[] for _ in literals]
        for group in anchors:
            for number in groups[group]:
                anchor_groups[number].append(group)
        return RuleSet(
            rules=rules,
            combos=combos,
            version=version,
            patterns=self.patterns,
            owners=self.owners,
            literals=literals,
            group_literals=groups,
            anchor_groups=[tuple(found) for found in anchor_groups],
            idioms=frozenset(numbers[word] for word in self.rewriter.idioms),
            latin=frozenset(
                number
                for word, number in numbers.items()
                if word[0].isascii() or word[-1].isascii()
            ),
            slot_groups=slots,
            regexes=[
                (tuple(n for n, (_, names) in enumerate(self.groups) if name in names), regex)
                for name, regex in self.regexes.items()
            ],
            rewriter=self.rewriter,
            anchors=anchors,
        )

    def _anchors(self) -> dict[int, tuple[int, ...]]:
        """Choose for each pattern the group that is rarest in messages, to look it up by."""
        sizes = [
            (min((len(word) for word in words), default=2), -len(words)) for words, _ in self.groups
        ]
        anchors: dict[int, list[int]] = {}
        for number, pattern in enumerate(self.patterns):
            if self.owners[number] is not None:
                anchor = max(pattern.needed, key=lambda group: (sizes[group], group))
                anchors.setdefault(anchor, []).append(number)
        return {group: tuple(patterns) for group, patterns in anchors.items()}

    def _lexicon(self) -> None:
        data = self.files["lexicon.toml"]
        for name, text in data.get("regex", {}).items():
            try:
                self.regexes[name] = re.compile(text)
                ways(text)
            except (re.error, Unbounded) as error:
                raise self._invalid("lexicon.toml", name, "regex", str(error)) from error
        raw = {name: _words(text) for name, text in data.get("slots", {}).items()}
        for name in raw:
            self.words[name] = frozenset(self._expand(name, raw, ()))

    def _expand(self, name: str, raw: dict[str, list[str]], above: tuple[str, ...]) -> set[str]:
        """Return the words of a slot; `{other}` inside it means the words of the other slot."""
        if name in above or name not in raw:
            raise self._invalid("lexicon.toml", name, "slots", "unknown or circular slot")
        found: set[str] = set()
        for word in raw[name]:
            if word.startswith("{"):
                found |= self._expand(word[1:-1], raw, (*above, name))
            else:
                found.add(self.rewriter.word(fold(word).text))
        return found - {""}

    def _rules(self) -> tuple[list[Rule], list[Combo]]:
        rules: list[Rule] = []
        combos: list[Combo] = []
        seen: set[str] = set()
        for file, data in self.files.items():
            if file in RESERVED:
                continue
            for entry in data.get("rule", []):
                rules.append(self._rule(file, entry, seen))
            for entry in data.get("combo", []):
                combos.append(self._combo(file, entry, seen))
        return rules, combos

    def _rule(self, file: str, entry: dict[str, Any], seen: set[str]) -> Rule:
        name = self._name(file, entry, seen)
        unknown = set(entry) - _RULE_FIELDS
        if unknown:
            raise self._invalid(file, name, sorted(unknown)[0], "unknown field")
        levels = {
            "default" if key == "level" else key: self._level(file, name, key, entry[key])
            for key in ("level", *_SPEAKER_FIELDS)
            if key in entry
        }
        ignore = frozenset(entry.get("ignore", []))
        if not ignore <= FILTERS:
            raise self._invalid(file, name, "ignore", "unknown filter")
        rule = Rule(
            id=name,
            category=entry["category"],
            levels=levels,
            reason=entry["reason"],
            source=entry.get("source", ""),
            file=file,
            unless=self._owned(file, name, "unless", entry, None),
            soften=self._owned(file, name, "soften", entry, None),
            softened=self._level(file, name, "softened", entry.get("softened", "1")),
            ignore=ignore,
            weak=bool(entry.get("weak", False)),
            tags=tuple(entry.get("tags", [])),
            longest=int(entry.get("longest", 0)),
            examples_must=tuple(_lines(entry.get("examples_must", ""))),
            examples_must_not=tuple(_lines(entry.get("examples_must_not", ""))),
        )
        if not self._owned(file, name, "patterns", entry, rule):
            raise self._invalid(file, name, "patterns", "no pattern")
        return rule

    def _combo(self, file: str, entry: dict[str, Any], seen: set[str]) -> Combo:
        name = self._name(file, entry, seen)
        needs = tuple(frozenset(_words(text)) for text in entry.get("needs", []))
        weak, scope = int(entry.get("weak", 0)), entry.get("scope", "message")
        if len(needs) < 2 and weak < 2:
            raise self._invalid(file, name, "needs", "at least two signs")
        if scope not in SCOPES:
            raise self._invalid(file, name, "scope", "unknown scope")
        return Combo(
            id=name,
            category=entry["category"],
            level=self._level(file, name, "level", entry["level"]),
            reason=entry["reason"],
            needs=needs,
            weak=weak,
            scope=scope,
            within=int(entry.get("within", 120)),
            file=file,
        )

    def _name(self, file: str, entry: dict[str, Any], seen: set[str]) -> str:
        name = entry.get("id", "")
        if not name or name in seen:
            raise self._invalid(file, name or "?", "id", "missing or used twice")
        seen.add(name)
        for key in ("category", "level", "reason"):
            if not entry.get(key):
                raise self._invalid(file, name, key, "missing")
        if entry["category"] not in CATEGORIES:
            raise self._invalid(file, name, "category", "unknown category")
        return str(name)

    def _owned(
        self, file: str, name: str, key: str, entry: dict[str, Any], owner: Rule | None
    ) -> tuple[int, ...]:
        """Compile the patterns of one field and remember whose they are."""
        numbers: list[int] = []
        for line in _lines(entry.get(key, "")):
            try:
                parsed = parse(line)
                compiled = [self._compile(pattern) for pattern in parsed]
            except (PatternInvalid, KeyError) as error:
                raise self._invalid(file, name, key, f"{error} in {line!r}") from error
            for pattern in compiled:
                numbers.append(len(self.patterns))
                self.patterns.append(pattern)
                self.owners.append(owner)
        return tuple(numbers)

    def _compile(self, pattern: Pattern) -> CompiledPattern:
        chains = tuple(self._chain(chain) for chain in pattern.chains)
        return CompiledPattern(
            chains, frozenset(group for chain in chains for group in chain.groups)
        )

    def _chain(self, chain: Chain) -> CompiledChain:
        return CompiledChain(tuple(self._group(group) for group in chain.groups), chain.gaps)

    def _group(self, group: Group) -> int:
        words = {self.rewriter.word(word) for word in group.literals}
        names: set[str] = set()
        for slot in group.slots:
            if slot in self.regexes:
                names.add(slot)
            else:
                words |= self.words[slot]
        return self.groups.setdefault((frozenset(words), frozenset(names)), len(self.groups))

    def _level(self, file: str, name: str, key: str, text: str) -> Level:
        try:
            return Level(text)
        except ValueError as error:
            raise self._invalid(file, name, key, "not a level") from error

    def _invalid(self, file: str, name: str, key: str, problem: str) -> RulesInvalid:
        line = _line_of(self.texts.get(file, ""), name)
        path = self.folder / file
        return RulesInvalid(problem, file=path, line=line, field=f"{name}.{key}")


_RULE_FIELDS = {
    "id", "category", "level", "reason", "source", "patterns", "unless", "soften", "softened",
    "longest", "ignore", "weak", "tags", "examples_must", "examples_must_not", *_SPEAKER_FIELDS,
}  # fmt: skip


def _line_of(text: str, name: str) -> int | None:
    """Find the line where a rule or slot is named."""
    lines = text.splitlines()
    return next((n for n, line in enumerate(lines, 1) if name in line.split("#")[0]), None)


def _lines(text: str) -> list[str]:
    """Split a block of one item a line; `#` begins a comment line."""
    rows = (row.strip() for row in text.splitlines())
    return [row for row in rows if row and not row.startswith("#")]


def _words(text: str) -> list[str]:
    """Split a word list at bars, spaces and line ends."""
    rows = (row for row in text.splitlines() if not row.strip().startswith("#"))
    return [word for row in rows for word in re.split(r"[|\s]+", row) if word]

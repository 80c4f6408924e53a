"""What a draft changes in the rule files, for people to read before it is published. Pure.

Called by the rules' pages. Rule files have very long lines, so a changed line shows the part that
differs, marked, with a few words around it.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

AROUND = 30


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a difference.

    Args:
        kind: `gone`, `new`, `same`, or `place` for where in the file the next lines stand.
        marked: the part that differs; `before` and `after` are what stands around it.
        number: of the line, in the new file (in the old one when it is gone).
    """

    kind: str
    before: str
    marked: str = ""
    after: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class FileDiff:
    """The difference of one file."""

    name: str
    lines: tuple[Line, ...]


def diff(old: Mapping[str, str], new: Mapping[str, str]) -> list[FileDiff]:
    """Return the files that differ, with their changed lines."""
    return [
        FileDiff(name, tuple(_lines(old.get(name, ""), new.get(name, ""))))
        for name in sorted(old.keys() | new.keys())
        if old.get(name, "") != new.get(name, "")
    ]


def _lines(old: str, new: str) -> Iterator[Line]:
    before, after = old.splitlines(), new.splitlines()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for group in matcher.get_grouped_opcodes(1):
        yield Line("place", _rule(after, group[0][3]), number=group[0][3] + 1)
        for tag, low, high, start, end in group:
            if tag == "equal":
                for number, text in enumerate(after[start:end], start + 1):
                    yield Line("same", _short(text), number=number)
            elif high - low == end - start:
                for at in range(high - low):
                    yield from _pair(before[low + at], after[start + at], low + at, start + at)
            else:
                for number, text in enumerate(before[low:high], low + 1):
                    yield Line("gone", "", text, number=number)
                for number, text in enumerate(after[start:end], start + 1):
                    yield Line("new", "", text, number=number)


def _pair(old: str, new: str, old_at: int, new_at: int) -> Iterator[Line]:
    """Show only the part in which two lines differ."""
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    for kind, text, at in (("gone", old, old_at), ("new", new, new_at)):
        stop = len(text) - end
        yield Line(kind, _tail(text[:start]), text[start:stop], _head(text[stop:]), at + 1)


def _common(one: str, other: str) -> int:
    """Return how many characters two texts begin with together."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _rule(lines: Sequence[str], at: int) -> str:
    """Return the id of the rule in which a line stands."""
    for row in reversed(lines[: at + 3]):
        if row.lstrip().startswith("id"):
            return row.partition("=")[2].strip().strip("\"'")
    return ""


def _tail(text: str) -> str:
    return text if len(text) <= AROUND else f"…{text[-AROUND:]}"


def _head(text: str) -> str:
    return text if len(text) <= AROUND else f"{text[:AROUND]}…"


def _short(text: str) -> str:
    return text if len(text) <= 2 * AROUND else f"{text[: 2 * AROUND]}…"

"""The figures of `xinqing bench peers` as Markdown, put into a page between two marks.

Called by `bot.cli.bench`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bot.bench.peers.rows import ROWS
from bot.core.errors import InputInvalid

BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"
NOT_INSTALLED = "未安装"
HEAD = (
    "recall@1 / 3 / 10",
    "MRR",
    "@1 of the exam half",
    "p50 / p95",
    "processor p50 / p95",
    "built",
    "encoding",
    "memory (imports)",
    "load",
)


def tables(found: Mapping[str, Any]) -> str:
    """Return one table a size."""
    return "\n".join("\n".join(_table(part)) for part in found["sizes"].values())


def put_into(page: Path, found: Mapping[str, Any]) -> None:
    """
    Write the tables between the two marks of a page.

    Raises:
        InputInvalid: the page can't be read or has no such marks.
    """
    try:
        text = page.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        _, after = rest.split(END)
    except (OSError, ValueError):
        raise InputInvalid(f"{page}: needs {BEGIN} and {END}, once each") from None
    page.write_text(f"{before}{BEGIN}\n\n{tables(found)}\n{END}{after}", encoding="utf-8")


def _table(part: Mapping[str, Any]) -> Iterator[str]:
    first = f"{part['documents']:,} documents, {part['queries']} questions"
    yield f"| {first} | {' | '.join(HEAD)} |"
    yield "|---" * (len(HEAD) + 1) + "|"
    for name, row in ROWS.items():
        if name in part["rows"]:
            yield f"| {row.title} | {' | '.join(_cells(part['rows'][name], part))} |"
    yield ""


def _cells(row: Mapping[str, Any], part: Mapping[str, Any]) -> list[str]:
    if "asked" not in row:
        why = NOT_INSTALLED if "missing" in row else "failed"
        return [why, *("–" for _ in HEAD[1:])]
    recall = " / ".join(_share(row[f"recall@{depth}"]) for depth in (1, 3, 10))
    fewer = "" if row["asked"] == part["queries"] else f" ({row['asked']} asked)"
    return [
        recall + fewer,
        _share(row["mrr"]),
        _share(row["exam"]["recall@1"]) if row["exam"]["asked"] else "–",
        f"{_time(row['p50_ms'] / 1000)} / {_time(row['p95_ms'] / 1000)}",
        f"{_time(row['processor_p50_ms'] / 1000)} / {_time(row['processor_p95_ms'] / 1000)}",
        _time(row["build_processor_s"]),
        "–" if row["encode_processor_s"] is None else _time(row["encode_processor_s"]),
        f"{_mb(row['memory_mb'])} ({_mb(row['imported_mb'])})",
        str(row["load"]),
    ]


def _share(value: float) -> str:
    return f"{value:.3f}"


def _time(seconds: float) -> str:
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _mb(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} MB"

"""Figures of a benchmark: times in milliseconds, memory, and the machine they were taken on."""

import os
import platform
import sqlite3
from collections.abc import Sequence
from importlib.metadata import version
from math import ceil
from pathlib import Path

from bot import __version__

PACKAGES = ("fastapi", "uvicorn", "sqlalchemy", "aiosqlite", "onnxruntime", "faiss-cpu", "wechatpy")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50, p95, p99 and the longest of some times, in milliseconds."""
    if not seconds:
        return {}
    found = {f"p{round(share * 100)}_ms": percentile(seconds, share) for share in (0.5, 0.95, 0.99)}
    found["max_ms"] = max(seconds)
    return {name: round(value * 1000, 2) for name, value in found.items()}


def machine() -> dict[str, object]:
    """Say what the figures were taken on."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "xinqing": __version__,
        **{name: version(name) for name in PACKAGES},
    }


def load() -> float:
    """Return how many programs wanted a core in the last minute, this one among them."""
    return round(os.getloadavg()[0], 1)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor())


def cpu_seconds(process: int) -> float:
    """Return the processor time of a process and its children; 0 where there is no /proc.

    Unlike times on the clock it does not grow when other programs keep the machine busy.
    """
    try:
        fields = (
            Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        )
    except OSError:
        return 0.0
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(map(cpu_seconds, _children(process)))


def memory_mb(process: int) -> float | None:
    """Return the resident memory of a process and its children; None where there is no /proc."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="utf-8").split()[1])
    except OSError:
        return None
    own = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return round(own + sum(memory_mb(child) or 0.0 for child in _children(process)), 1)


def _children(process: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        return [int(c) for task in tasks for c in (task / "children").read_text().split()]
    except OSError:
        return []

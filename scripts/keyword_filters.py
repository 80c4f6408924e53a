"""Measure two chatbots' keyword filters beside the screen, on the same messages.

    pip download --no-deps astrbot==4.14.6 langbot==4.11.2 && pip install regex
    python scripts/keyword_filters.py astrbot-*.whl langbot-*.whl

Only the filters' own files are taken out of the packages and run, as they are; what they import of
the rest of their programs is not needed for matching. They get the same list of eighteen phrases.
"""

import asyncio
import json
import sys
import time
import types
import zipfile
from collections.abc import Callable
from pathlib import Path

from knowledge.risk.model.examples import FOLDER, Example, read_folder

PHRASES = [
    *("自杀", "自残", "自伤", "割腕", "跳楼", "轻生", "寻死", "遗书", "想死", "不想活"),
    *("活着没意思", "结束生命", "家暴", "虐待", "性侵", "猥亵", "离家出走", "霸凌"),
]
ASTRBOT = "astrbot/core/pipeline/content_safety_check/strategies/"
LANGBOT = "langbot/pkg/utils/safe_regex.py"


def astrbot(wheel: Path) -> Callable[[str], bool]:
    """Return AstrBot's keyword strategy with the phrases: true where it would stop a message."""
    with zipfile.ZipFile(wheel) as archive:
        package = types.ModuleType("strategies")
        package.__path__ = []
        sys.modules["strategies"] = package
        exec(archive.read(ASTRBOT + "__init__.py"), package.__dict__)
        module = types.ModuleType("strategies.keywords")
        module.__package__ = "strategies"
        exec(archive.read(ASTRBOT + "keywords.py"), module.__dict__)
    strategy = module.KeywordsStrategy(PHRASES)
    return lambda text: not strategy.check(text)[0]


def langbot(wheel: Path) -> Callable[[str], bool]:
    """Return what LangBot's ban-word filter calls, with the phrases."""
    with zipfile.ZipFile(wheel) as archive:
        module = types.ModuleType("safe_regex")
        sys.modules["safe_regex"] = module
        exec(archive.read(LANGBOT), module.__dict__)

    def found(text: str) -> bool:
        hit, _ = asyncio.run(module.mask_patterns(PHRASES, text, mask="*", mask_word=""))
        return bool(hit)

    return found


def measure(found: Callable[[str], bool], rows: list[Example]) -> dict[str, object]:
    """Judge each message of a row by itself: neither filter knows a conversation."""
    start = time.perf_counter()
    hits = [any(found(turn) for turn in row.turns) for row in rows]
    spent = time.perf_counter() - start
    dangers = [hit for hit, row in zip(hits, rows, strict=True) if row.escalated]
    rest = [hit for hit, row in zip(hits, rows, strict=True) if not row.escalated]
    return {
        "recall": round(sum(dangers) / len(dangers), 3),
        "false_alarms": round(sum(rest) / len(rest), 3),
        "ms_a_message": round(spent / len(rows) * 1000, 3),
    }


def main() -> None:
    """Print one JSON object."""
    rows = read_folder(FOLDER / "heldout")
    filters = {"AstrBot": astrbot(Path(sys.argv[1])), "LangBot": langbot(Path(sys.argv[2]))}
    print(json.dumps({name: measure(found, rows) for name, found in filters.items()}, indent=1))


if __name__ == "__main__":
    main()

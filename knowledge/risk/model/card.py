"""Write the card of a classifier: what it was made from and where its thresholds lie.

Called by `xinqing risk-model train`; `run` reads it, people read `MODEL_CARD.md` beside it.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from knowledge.encoder.build import LONGEST
from knowledge.risk.loading import CATEGORIES

PAD = 1
FILES = ("model.onnx", "tokenizer.json")
SETTLED = Path(__file__).with_name("settled.toml")
# What is no danger has no score of its own.
JUDGED = tuple(sorted(CATEGORIES - {"EDU", "NONE", "TEST"}))


def write_card(
    folder: Path, made_from: Mapping[str, str], categories: Sequence[str] = JUDGED
) -> None:
    """
    Write `card.toml` beside the model: checksums, and the thresholds of `settled.toml`.

    Args:
        made_from: What it learned from: a label and a SHA-256 each.
        categories: In the order of the scores.
    """
    settled: dict[str, Any] = tomllib.loads(SETTLED.read_text(encoding="utf-8"))
    sums = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in FILES}
    lines = [
        f"name = {json.dumps(settled['name'])}",
        f"longest = {LONGEST}",
        f"pad = {PAD}",
        f"categories = {json.dumps(list(categories))}",
        f"thresholds = {json.dumps(settled['thresholds'])}",
        f"thresholds_hinted = {json.dumps(settled['thresholds_hinted'])}",
        f"category_sure = {settled['category_sure']}",
        *_section("category_careful", settled["category_careful"]),
        *_section("made_from", made_from),
        *_section("files", sums),
    ]
    (folder / "card.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _section(name: str, values: Mapping[str, str | float]) -> list[str]:
    rows = [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in values.items()]
    return [f"\n[{name}]", *rows]

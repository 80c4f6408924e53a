"""Write the card of a classifier: what it was made from and where its thresholds lie.

Called by `xinqing risk-model train`; `run` reads it, people read `MODEL_CARD.md` beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from knowledge.encoder.build import LONGEST

PAD = 1
FILES = ("model.onnx", "tokenizer.json")


def write_card(
    folder: Path,
    *,
    name: str,
    categories: Sequence[str],
    thresholds: Sequence[float],
    category_sure: float,
    category_careful: Mapping[str, float],
    made_from: Mapping[str, str],
) -> None:
    """
    Write `card.toml` beside the model, with the checksums of its files.

    Args:
        thresholds: For "at least level 1, 2, 3, 3!".
        category_sure: A category less likely than this is told as distress.
        category_careful: Categories that are named from this chance on, before likelier ones.
        made_from: What it learned from: a label and a SHA-256 each.
    """
    sums = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in FILES}
    lines = [
        f"name = {json.dumps(name)}",
        f"longest = {LONGEST}",
        f"pad = {PAD}",
        f"categories = {json.dumps(list(categories))}",
        f"thresholds = {json.dumps([round(float(value), 4) for value in thresholds])}",
        f"category_sure = {category_sure}",
        "\n[category_careful]",
        *(f"{json.dumps(key)} = {value}" for key, value in category_careful.items()),
        "\n[made_from]",
        *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in made_from.items()),
        "\n[files]",
        *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in sums.items()),
    ]
    (folder / "card.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")

"""Run the classifier that ships with the project. Called by `load_classifier`'s callers only.

The model gives four scores for "at least level 1, 2, 3, 3!" and one for each category; `card.toml`
beside it holds the thresholds, `reasons.toml` the sentences people read.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowledge.encoder.onnx import OnnxText
from knowledge.risk.classifier import NOTHING, Proposal
from knowledge.risk.model.prepare import one_word_for_the_child, prepare, windows
from knowledge.risk.values import Level

WEIGHTS = Path(__file__).with_name("weights")
LEVELS = (Level.WATCH, Level.FOCUS, Level.HIGH, Level.EMERGENCY)
UNSURE = "DIS"
KEPT = 256


class OnnxClassifier:
    """
    Propose levels with the model in a folder.

    Raises:
        EncoderError: A file is missing, damaged, or not the one the card names.
    """

    def __init__(self, folder: Path = WEIGHTS) -> None:
        self._model = OnnxText(folder)
        card = self._model.card
        self.categories: tuple[str, ...] = tuple(card["categories"])
        self._thresholds = np.array(card["thresholds"], np.float32)
        self._hinted = np.array(card["thresholds_hinted"], np.float32)
        self._kept: dict[tuple[str, ...], tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
        self._sure = float(card["category_sure"])
        self._careful: dict[str, float] = dict(card["category_careful"])

    @property
    def version(self) -> str:
        return self._model.fingerprint

    def propose(
        self, turns: Sequence[str], places: Sequence[int] = (), *, hinted: bool = False
    ) -> Proposal:
        """Judge messages together; a long text is as dangerous as its worst window."""
        parts = windows(one_word_for_the_child(prepare(turns)), places)
        if not parts:
            return NOTHING
        thresholds = self._hinted if hinted else self._thresholds
        levels, categories = self._read(tuple(parts))
        worst = int(np.argmax((levels - thresholds).max(axis=1)))
        return self._proposal(levels.max(axis=0), categories[worst], thresholds)

    def _read(self, parts: tuple[str, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Read texts once; rules in shadow and the test box ask for the same ones again."""
        kept = self._kept.get(parts)
        if kept is None:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            kept = self._kept[parts] = self.scores(parts)
        return kept

    def scores(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the chances of (at least 1, 2, 3, 3!) and of each category, one row a text."""
        rows = self._model.rows(texts, len(LEVELS) + len(self.categories))
        levels = np.asarray(1 / (1 + np.exp(-rows[:, : len(LEVELS)])), np.float32)
        chosen = np.exp(rows[:, len(LEVELS) :])
        return levels, np.asarray(chosen / chosen.sum(axis=1, keepdims=True), np.float32)

    def _proposal(
        self,
        levels: NDArray[np.float32],
        categories: NDArray[np.float32],
        thresholds: NDArray[np.float32],
    ) -> Proposal:
        score = float(levels[1])
        passed = levels >= thresholds
        if not passed[1]:
            return Proposal(Level.NONE, "NONE", score, "")
        level = LEVELS[int(np.flatnonzero(passed)[-1])]
        category = self._category(categories)
        return Proposal(level, category, score, reason(category))

    def _category(self, chances: NDArray[np.float32]) -> str:
        """Name the category; where a wrong one would tell the wrong person, the careful one."""
        by_name = dict(zip(self.categories, map(float, chances), strict=True))
        for name, least in self._careful.items():
            if by_name.get(name, 0.0) >= least:
                return name
        best = max(by_name, key=by_name.__getitem__)
        return best if by_name[best] >= self._sure else UNSURE


@cache
def _reasons() -> dict[str, str]:
    text = Path(__file__).with_name("reasons.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["reasons"])


def reason(category: str) -> str:
    """Return the sentence that tells a counselor what the model saw."""
    return _reasons()[category]


def load_classifier(setting: str = "default") -> OnnxClassifier | None:
    """
    Load the classifier that a setting names.

    Args:
        setting: `default`, `none`, or the path of a folder that `xinqing risk-model train` wrote.

    Raises:
        EncoderError: There is no usable classifier there.
    """
    if setting == "none":
        return None
    return OnnxClassifier(WEIGHTS if setting in ("", "default") else Path(setting))

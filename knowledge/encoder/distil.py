"""Teach a smaller encoder to give the vectors of the large one. Called by `encoder.build`.

Needs the extra `encoder-build` (torch, transformers). The pupil keeps the first and the last layers
of the teacher, which alone come nearer to it than any other choice, and learns from plain Chinese
sentences without labels.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from knowledge.encoder.source import Shape

BATCH, LONGEST, WARM_UP = 40, 72, 20
RATE, LEAST = 2.5e-4, 0.03
SOFTNESS = 0.03
Tensors = Mapping[str, NDArray[np.float32]]
_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_TABLES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


def distil(
    tensors: Tensors,
    shape: Shape,
    layers: Sequence[int],
    tokenizer: Tokenizer,
    texts: Sequence[str],
    seconds: float,
    *,
    report: Callable[[str], None] = lambda line: None,
    seed: int = 2,
) -> dict[str, NDArray[np.float32]]:
    """
    Return the tensors of a pupil with the given layers of the teacher, taught for some time.

    Args:
        texts: With the prompts `query: ` or `passage: ` in front.
        seconds: Time for teaching; the vectors of the teacher are computed before.
    """
    random.seed(seed)
    torch.manual_seed(seed)
    teacher = make_model(tensors, shape, range(shape.layers)).eval()
    pupil = make_model(tensors, shape, layers).train()
    pupil.embeddings.word_embeddings.weight.requires_grad = False
    wanted = _teach_vectors(teacher, tokenizer, texts)
    learnt = [weight for weight in pupil.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(learnt, lr=RATE, weight_decay=0.01)
    started = time.monotonic()
    for step, rows in enumerate(_batches(texts)):
        share = (time.monotonic() - started) / seconds
        if share >= 1:
            break
        pace = min(1.0, (step + 1) / WARM_UP) * max(LEAST, (1 + math.cos(math.pi * share)) / 2)
        for group in optimiser.param_groups:
            group["lr"] = RATE * pace
        loss = _loss(encode(pupil, tokenizer, [texts[row] for row in rows]), wanted[rows])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        if step % 50 == 49:
            report(f"step {step + 1}, {share:.0%} of the time, loss {loss.item():.3f}")
    return read_model(pupil, len(layers))


def make_model(tensors: Tensors, shape: Shape, layers: Sequence[int]) -> Any:
    """Make a transformers model of some layers, in the order given."""
    config = BertConfig(
        vocab_size=len(tensors["emb.word"]),
        hidden_size=shape.hidden,
        num_hidden_layers=len(layers),
        num_attention_heads=shape.heads,
        intermediate_size=shape.inner,
        max_position_embeddings=len(tensors["emb.pos"]),
        type_vocab_size=len(tensors["emb.type"]),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        layer_norm_eps=shape.epsilon,
    )
    model = BertModel(config, add_pooling_layer=False)
    state = {long: tensors[short] for short, long in _TABLES.items()}
    for place, number in enumerate(layers):
        for short, long in _NAMES.items():
            for end, full in (("w", "weight"), ("b", "bias")):
                state[f"encoder.layer.{place}.{long}.{full}"] = tensors[f"l{number}.{short}.{end}"]
    model.load_state_dict({name: torch.tensor(np.array(value)) for name, value in state.items()})
    return model


def read_model(model: Any, layers: int) -> dict[str, NDArray[np.float32]]:
    """Return the tensors of a model under their short names."""
    state = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    found = {short: state[long] for short, long in _TABLES.items()}
    for number in range(layers):
        for short, long in _NAMES.items():
            for end, full in (("w", "weight"), ("b", "bias")):
                found[f"l{number}.{short}.{end}"] = state[f"encoder.layer.{number}.{long}.{full}"]
    return found


def encode(model: Any, tokenizer: Tokenizer, texts: Sequence[str]) -> Any:
    """Return mean-pooled vectors of length one."""
    tokenizer.enable_truncation(LONGEST)
    tokenizer.enable_padding(pad_id=1, pad_token="<pad>")
    encodings = tokenizer.encode_batch(list(texts))
    numbers = torch.tensor([encoding.ids for encoding in encodings])
    mask = torch.tensor([encoding.attention_mask for encoding in encodings])
    hidden = model(input_ids=numbers, attention_mask=mask).last_hidden_state
    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return torch.nn.functional.normalize(mean, dim=1)


def _teach_vectors(teacher: Any, tokenizer: Tokenizer, texts: Sequence[str]) -> Any:
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    vectors = torch.zeros(len(texts), teacher.config.hidden_size)
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            vectors[rows] = encode(teacher, tokenizer, [texts[row] for row in rows])
    return vectors


def _batches(texts: Sequence[str]) -> Iterator[list[int]]:
    """Deal the texts out for ever, those of like length together."""
    while True:
        rows = list(range(len(texts)))
        random.shuffle(rows)
        for start in range(0, len(rows), BATCH * 40):
            part = sorted(rows[start : start + BATCH * 40], key=lambda row: len(texts[row]))
            batches = [part[i : i + BATCH] for i in range(0, len(part), BATCH)]
            random.shuffle(batches)
            yield from batches


def _loss(found: Any, wanted: Any) -> Any:
    """Ask for the teacher's vectors, and for its order among the texts of a batch."""
    apart = 1 - (found * wanted).sum(1).mean()
    others = torch.eye(len(found), dtype=torch.bool)
    logits = (found @ found.T / SOFTNESS).masked_fill(others, -1e9)
    targets = (wanted @ wanted.T / SOFTNESS).masked_fill(others, -1e9)
    order = torch.nn.functional.kl_div(
        torch.log_softmax(logits, 1), torch.softmax(targets, 1), reduction="batchmean"
    )
    return 20 * apart + order

"""Run models exported to ONNX, without torch: the default encoder, and any that reads texts.

A folder holds `model.onnx` (token numbers and mask in, one row of numbers a text out),
`tokenizer.json` and `card.toml` (name, longest, pad, checksums, and what its reader needs besides).
`encoder.build` and `knowledge.risk.model.train` write such folders.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from knowledge.encoder.port import Vectors
from knowledge.errors import EncoderError

BATCH = 16
MANY_BATCHES = 20
LIKE = 1.3  # how much longer the longest text of a batch may be
SILENT = 3


class OnnxText:
    """
    Read texts with onnxruntime: one thread a request, so that requests can run side by side.

    Only very many texts, as when the whole handbook is encoded, are shared among all cores.

    `card` is what `card.toml` says. Raises `EncoderError` as `OnnxEncoder` does.
    """

    def __init__(self, folder: Path) -> None:
        self.card = read_card(folder)
        self._verify(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = SILENT
        try:
            self._run = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            ).run
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # both libraries raise their own bare types
            raise EncoderError("the model cannot be loaded", file=folder) from error
        self._tokenizer.enable_truncation(int(self.card["longest"]))
        self._pad = int(self.card["pad"])

    @property
    def fingerprint(self) -> str:
        """Return what changes with the model file."""
        return str(self.card["files"]["model.onnx"])[:16]

    def rows(self, texts: Sequence[str], width: int) -> Vectors:
        """Return one row of `width` numbers for each text."""
        found = np.zeros((len(texts), width), np.float32)
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        tokens = [encoding.ids for encoding in encodings]
        batches = list(_batches([len(numbers) for numbers in tokens]))

        def fill(rows: list[int]) -> None:
            found[rows] = self._batch([tokens[row] for row in rows])

        if len(batches) < MANY_BATCHES:
            for rows in batches:
                fill(rows)
        else:  # a whole handbook: one thread each, the model lets the others run
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(fill, batches))
        return found

    def _batch(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        """Run texts of like length, shortest first, through the model."""
        longest = len(tokens[-1])
        numbers = np.full((len(tokens), longest), self._pad, np.int64)
        mask = np.zeros((len(tokens), longest), np.int64)
        for place, row in enumerate(tokens):
            numbers[place, : len(row)] = row
            mask[place, : len(row)] = 1
        vectors: Vectors = self._run(None, {"input_ids": numbers, "attention_mask": mask})[0]
        return vectors

    def _verify(self, folder: Path) -> None:
        for name, expected in self.card["files"].items():
            try:
                found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            except OSError as error:
                raise EncoderError("the file cannot be read", file=folder / name) from error
            if found != expected:
                raise EncoderError("the checksum is not the one in card.toml", file=folder / name)


class OnnxEncoder:
    """
    Encode with a model whose rows are vectors of length one.

    Raises:
        EncoderError: A file is missing, damaged, or not the one the card names.
    """

    def __init__(self, folder: Path) -> None:
        self._model = OnnxText(folder)
        self._card = self._model.card

    @property
    def name(self) -> str:
        return str(self._card["name"])

    @property
    def fingerprint(self) -> str:
        return self._model.fingerprint

    @property
    def dimension(self) -> int:
        return int(self._card["dimension"])

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode what people ask."""
        return self._encode(texts, str(self._card["query_prompt"]))

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Encode what is searched in."""
        return self._encode(texts, str(self._card["passage_prompt"]))

    def _encode(self, texts: Sequence[str], prompt: str) -> Vectors:
        return self._model.rows([prompt + text for text in texts], self.dimension)


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Put texts of like length together, shortest first: padding costs as much as words."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if batch and (len(batch) == BATCH or lengths[row] > LIKE * lengths[batch[0]] + 2):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def read_card(folder: Path) -> dict[str, Any]:
    """
    Read `card.toml`.

    Raises:
        EncoderError: It is missing or not readable.
    """
    path = folder / "card.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EncoderError("the card of the encoder cannot be read", file=path) from error

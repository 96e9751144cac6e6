"""Transformers that classify sequences of words (Vaswani et al. 2017) as models of tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from backends.contract import Activation, Attention, Dense, Embedding, Layer, LayerNorm, MeanPool, Residual, Shape
from bench.tasks.definition import Start
from bench.tasks.fields import Count

EPSILON = 1e-5  # of the normalizations, as in PyTorch
Depth = Annotated[int, Meta(ge=1, le=1000)]  # blocks; Wang et al. 2022 trained 1,000 (DeepNet), and each is an object


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """An embedding with learned positions, blocks, a normalization, the mean over the words, and a dense layer.

    A block is an attention and two dense layers, each behind a normalization and with a way around it (pre-norm; Xiong
    et al. 2020, On layer normalization in the transformer architecture).
    """

    width: Count  # of what stands at each position
    heads: Count  # of each attention; they divide the width
    hidden: Count  # units of the first dense layer of each block
    blocks: Depth
    activation: Activation = "gelu"  # of the first dense layer of each block
    start: Start = "uniform"

    @property
    def takes_counts(self) -> bool:
        """False: ids of words are an array."""
        return False

    def layers(self, inputs: Shape, outputs: int, words: int = 0, /) -> tuple[Layer, ...]:
        """Return the layers for ids [rows, positions]."""
        norm = LayerNorm(width=self.width, epsilon=EPSILON)
        up, down = Dense(self.width, self.hidden, self.activation), Dense(self.hidden, self.width, "identity")
        block = (
            Residual((norm, Attention(width=self.width, heads=self.heads))),
            Residual((norm, up, down)),
        )
        return (
            Embedding(words=words, positions=inputs[0], width=self.width),
            *block * self.blocks,
            norm,
            MeanPool(),
            Dense(self.width, outputs, "identity"),
        )

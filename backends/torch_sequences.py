"""Layers for sequences in PyTorch: its own modules and its fused attention.

The mask [batch, positions] says which positions hold a word (see `backends.sequences`).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as all of PyTorch's users write it

from backends.contract import Attention, Embedding, LayerNorm, MeanPool, RMSNorm


class EmbeddingLayer(nn.Module):
    """Word embeddings plus those of the positions."""

    def __init__(self, layer: Embedding) -> None:
        super().__init__()
        self.words = nn.Embedding(layer.words, layer.width, padding_idx=0)
        self.positions = nn.Embedding(layer.positions, layer.width)

    def forward(self, ids: Tensor, _mask: Tensor) -> Tensor:
        """Return [batch, positions, width]."""
        return self.words(ids) + self.positions.weight

    def named(self) -> dict[str, Tensor]:
        """Return the parameters in the contract's layout."""
        return {"words": self.words.weight, "positions": self.positions.weight}


class LayerNormLayer(nn.LayerNorm):
    """Normalization over the last axis."""

    def __init__(self, layer: LayerNorm) -> None:
        super().__init__(layer.width, eps=layer.epsilon)

    def forward(self, x: Tensor, _mask: Tensor | None) -> Tensor:
        """Return a tensor of the same shape."""
        return super().forward(x)

    def named(self) -> dict[str, Tensor]:
        """Return the parameters in the contract's layout."""
        return {"scale": self.weight, "shift": self.bias}


class RMSNormLayer(nn.RMSNorm):
    """Normalization over the last axis by the root mean square."""

    def __init__(self, layer: RMSNorm) -> None:
        super().__init__(layer.width, eps=layer.epsilon)

    def forward(self, x: Tensor, _mask: Tensor | None) -> Tensor:
        """Return a tensor of the same shape."""
        return super().forward(x)

    def named(self) -> dict[str, Tensor]:
        """Return the parameters in the contract's layout."""
        return {"scale": self.weight}


class AttentionLayer(nn.Module):
    """Multi-head self-attention. One product gives q, k and v, as in `nn.MultiheadAttention`."""

    def __init__(self, layer: Attention) -> None:
        super().__init__()
        self.heads, self.width = layer.heads, layer.width
        self.inputs = nn.Linear(layer.width, 3 * layer.width)
        self.outputs = nn.Linear(layer.width, layer.width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return [batch, positions, width]."""
        apart = self.inputs(x).unflatten(2, (3, self.heads, -1))  # [batch, positions, 3, heads, width / heads]
        q, k, v = apart.permute(2, 0, 3, 1, 4)
        heads = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        return self.outputs(heads.transpose(1, 2).flatten(2))

    def named(self) -> dict[str, Tensor]:
        """Return the parameters in the contract's layout; `nn.Linear` keeps weights as [outputs, inputs]."""
        found: dict[str, Tensor] = {}
        for name, weight, bias in zip(
            ("query", "key", "value"), self.inputs.weight.chunk(3), self.inputs.bias.chunk(3), strict=True
        ):
            found |= {name: weight.T, f"{name}_bias": bias}
        return {**found, "output": self.outputs.weight.T, "output_bias": self.outputs.bias}


class MeanPoolLayer(nn.Module):
    """The mean over the positions that hold a word."""

    def __init__(self, _: MeanPool) -> None:
        super().__init__()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return [batch, width]."""
        count = mask.sum(dim=1, keepdim=True)
        return (x * mask[:, :, None]).sum(dim=1) / count

    def named(self) -> dict[str, Tensor]:
        """Return nothing: there are no parameters."""
        return {}

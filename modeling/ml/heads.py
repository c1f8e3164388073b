"""Matching heads: vectors of queries and codes to logits. Knows nothing of text.

A head has `pairs(query_vecs, code_vecs)`, (B, D) x 2 -> (B,), and `matrix(query_vecs, code_vecs)`,
(Q, D) x (M, D) -> (Q, M), which is the same for every pair, only faster. Logits grow with relevance; rank by them.
"""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

HEADS = ("cosine", "mlp")
CHUNK_FLOATS = 2**24  # 64 MiB of products at a time in MlpHead.matrix


class Head(Protocol):
    """What trainer and evaluation ask of a head."""

    def pairs(self, query_vecs: Tensor, code_vecs: Tensor) -> Tensor: ...

    def matrix(self, query_vecs: Tensor, code_vecs: Tensor) -> Tensor: ...


class CosineHead(nn.Module):
    """z = scale * (cosine - bias); scale and bias are learned. The bias moves the border of a BCE, never a ranking."""

    def __init__(self, *, scale: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(scale).log())
        self.bias = nn.Parameter(torch.tensor(bias))

    def pairs(self, query_vecs: Tensor, code_vecs: Tensor) -> Tensor:
        cosines = (normalize(query_vecs, dim=1) * normalize(code_vecs, dim=1)).sum(dim=1)  # (B,)
        return self.log_scale.exp() * (cosines - self.bias)

    def matrix(self, query_vecs: Tensor, code_vecs: Tensor) -> Tensor:
        cosines = normalize(query_vecs, dim=1) @ normalize(code_vecs, dim=1).T  # (Q, M)
        return self.log_scale.exp() * (cosines - self.bias)


class MlpHead(nn.Module):
    """CoSQA Eq. 2: z = W2 tanh(W1 [q; c; q - c; q * c]), with biases as in the released code.

    `matrix` multiplies W1 = [Wq | Wc | Wd | Wp] by parts, (Wq + Wd) q + (Wc - Wd) c + Wp (q * c), so the first two
    products are made once per query and per code and no [Q, M, 4D] tensor exists.
    """

    def __init__(self, dim: int, hidden: int | None = None, *, bias: bool = True) -> None:
        super().__init__()
        self.hidden = nn.Linear(4 * dim, hidden or dim, bias=bias)
        self.output = nn.Linear(hidden or dim, 1, bias=bias)

    def pairs(self, query_vecs: Tensor, code_vecs: Tensor) -> Tensor:
        features = torch.cat([query_vecs, code_vecs, query_vecs - code_vecs, query_vecs * code_vecs], dim=1)  # (B, 4D)
        logits: Tensor = self.output(torch.tanh(self.hidden(features)))
        return logits.squeeze(1)

    def matrix(self, query_vecs: Tensor, code_vecs: Tensor) -> Tensor:
        w_query, w_code, w_difference, w_product = self.hidden.weight.chunk(4, dim=1)  # (H, D) each
        of_query = query_vecs @ (w_query + w_difference).T  # (Q, H)
        of_code = code_vecs @ (w_code - w_difference).T  # (M, H)
        if self.hidden.bias is not None:
            of_code = of_code + self.hidden.bias
        rows_at_once = max(1, CHUNK_FLOATS // max(1, code_vecs.numel()))
        return torch.cat(
            [
                self._block(
                    query_vecs[start : start + rows_at_once],
                    of_query[start : start + rows_at_once],
                    code_vecs,
                    of_code,
                    w_product,
                )
                for start in range(0, len(query_vecs), rows_at_once)
            ]
        )

    def _block(
        self, query_vecs: Tensor, of_query: Tensor, code_vecs: Tensor, of_code: Tensor, w_product: Tensor
    ) -> Tensor:
        products = query_vecs.unsqueeze(1) * code_vecs  # (q, M, D)
        hidden = torch.tanh(products @ w_product.T + of_query.unsqueeze(1) + of_code)  # (q, M, H)
        logits: Tensor = self.output(hidden)
        return logits.squeeze(2)


def make_head(name: str, dim: int, *, scale: float, bias: float) -> CosineHead | MlpHead:
    """The head of a recipe; `scale` and `bias` are the cosine head's first values."""
    return CosineHead(scale=scale, bias=bias) if name == "cosine" else MlpHead(dim)

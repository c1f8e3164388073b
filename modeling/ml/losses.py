"""Losses of query-code matching, as functions on matrices of logits. Knows nothing of models.

Shapes: R rows are queries, B columns are codes; `logits[i, j]` is the score of query i with code j before the sigmoid.
`gold[i]` is the column of the code that query i was judged with and `labels[i]` that judgement (1 or 0). R equals B
with gold = 0..B-1 for a plain batch; rewritten queries (QRA) are further rows over the same columns. `keep[i, j]` says
that j may serve as an in-batch negative of i (`negatives_mask`); all False turns the in-batch terms off.

Sources: CoSQA Eq. 3-6; log(1 - sigmoid(z)) is always -softplus(z), so saturated scores stay finite.
"""

from collections.abc import Collection, Hashable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import softplus

Reduction = Literal["paper", "pooled", "online"]
REDUCTIONS: tuple[str, ...] = get_args(Reduction)


def log_sigmoid(logits: Tensor) -> Tensor:
    """log s(z)."""
    return -softplus(-logits)


def log_one_minus_sigmoid(logits: Tensor) -> Tensor:
    """log(1 - s(z))."""
    return -softplus(logits)


def bce_terms(logits: Tensor, labels: Tensor) -> Tensor:
    """L_b of every row (CoSQA Eq. 3): (R,), (R,) -> (R,)."""
    return -labels * log_sigmoid(logits) - (1 - labels) * log_one_minus_sigmoid(logits)


def negatives_mask(
    query_ids: Sequence[Hashable],
    code_ids: Sequence[Hashable],
    gold: Sequence[int],
    known_positives: Collection[tuple[Hashable, Hashable]] = (),
) -> Tensor:
    """Which codes of a batch may count as negatives of which query: (R, B) bool.

    Out are the row's own code, every column with the same code, and every pair that is known to be labelled 1.
    """
    rows = [
        [code != code_ids[own] and (query, code) not in known_positives for code in code_ids]
        for query, own in zip(query_ids, gold, strict=True)
    ]
    return torch.tensor(rows, dtype=torch.bool).reshape(len(query_ids), len(code_ids))


def in_batch_terms(logits: Tensor, keep: Tensor) -> Tensor:
    """L_ib of every row (CoSQA Eq. 5): mean of -log(1 - s) over its kept cells, 0 where none is kept. -> (R,)."""
    costs = torch.where(keep, -log_one_minus_sigmoid(logits), 0.0)
    return costs.sum(dim=1) / keep.sum(dim=1).clamp(min=1)


def coclr(
    logits: Tensor,
    labels: Tensor,
    gold: Tensor,
    keep: Tensor,
    *,
    reduction: Reduction = "paper",
    examples: int | None = None,
) -> Tensor:
    """CoCLR's loss in one of three reductions -> scalar.

    paper    sum over rows of L_b + L_ib, divided by the number of examples (Eq. 4). With rewritten rows stacked below
             the originals, `examples` = number of originals reads Eq. 4 literally; None counts every row.
    pooled   what the released code optimises: mean over all negative cells (in-batch and judged 0 alike) plus mean
             over all positive cells.
    online   pooled after dropping negatives that outscore every positive and positives that beat every negative, as
             the released QA code does.
    """
    own = logits.gather(1, gold.unsqueeze(1)).squeeze(1)  # (R,)
    if reduction == "paper":
        rows = bce_terms(own, labels) + in_batch_terms(logits, keep)  # (R,)
        return rows.sum() / max(examples or len(rows), 1)
    positives = own[labels > 0.5]
    negatives = torch.cat([logits[keep], own[labels <= 0.5]])
    if reduction == "online":
        positives, negatives = _hard_cells(positives, negatives)
    return _mean(-log_sigmoid(positives)) + _mean(-log_one_minus_sigmoid(negatives))


def _hard_cells(positives: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """The released QA filter; monotone in the logit, except that single-sided means are of probabilities."""
    if not len(positives) or not len(negatives):
        return positives, negatives
    p, n = positives.detach().sigmoid(), negatives.detach().sigmoid()
    ceiling = p.max() if len(p) > 1 else n.mean()
    floor = n.min() if len(n) > 1 else p.mean()
    return positives[p > floor], negatives[n < ceiling]


def _mean(values: Tensor) -> Tensor:
    """Mean that is 0, not NaN, of nothing; keeps the graph."""
    return values.sum() / max(len(values), 1)


def info_nce(logits: Tensor, labels: Tensor, gold: Tensor, keep: Tensor) -> Tensor:
    """In-batch softmax over the codes of a batch -> scalar; 0 when no row is labelled 1.

    Rows labelled 1 are anchors; codes of rows labelled 0 stay as columns, that is as hard negatives. The head has
    scaled the logits already (scale = 1 / temperature). Also known as NT-Xent without the symmetric half, and as
    multiple negatives ranking loss.
    """
    own = torch.zeros_like(keep).scatter(1, gold.unsqueeze(1), True)
    scores = logits.masked_fill(~(keep | own), float("-inf"))
    rows = torch.logsumexp(scores, dim=1) - logits.gather(1, gold.unsqueeze(1)).squeeze(1)  # (R,)
    return _mean(rows[labels > 0.5])

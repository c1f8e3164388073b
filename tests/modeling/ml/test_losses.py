"""Worked numbers E0, E1, E2, E3, E3b of the method sheets, and the corner cases of CoCLR."""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from modeling.ml.heads import MlpHead
from modeling.ml.losses import (
    REDUCTIONS,
    bce_terms,
    coclr,
    in_batch_terms,
    info_nce,
    log_one_minus_sigmoid,
    log_sigmoid,
    negatives_mask,
)

TOLERANCE = 2e-6


def matrix(rows) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def plain(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """gold and keep of a batch without repeated codes."""
    return torch.arange(size), ~torch.eye(size, dtype=torch.bool)


def close(value: torch.Tensor, expected) -> bool:
    return torch.allclose(value.double(), torch.as_tensor(expected, dtype=torch.float64), atol=TOLERANCE, rtol=0)


E2 = matrix([[2, -1, 0.5], [0, 1, -2], [1.5, -0.5, 3]])
E2_LABELS = matrix([1, 0, 1])


def test_e0_a_saturated_score_keeps_its_loss_and_gradient():
    logit = torch.tensor(40.0, requires_grad=True)
    value = log_one_minus_sigmoid(logit)
    value.backward()
    assert value.item() == -40.0
    assert logit.grad.item() == -1.0
    assert log_sigmoid(torch.tensor(-200.0)).item() == -200.0


def test_e1_siamese_with_mlp_and_bce():
    head = MlpHead(2, 2, bias=False).double()
    with torch.no_grad():
        head.hidden.weight.copy_(
            matrix([[0.1, -0.2, 0.3, 0.4, -0.5, 0.6, 0.7, -0.8], [0.2, 0.1, -0.3, 0.5, 0.4, -0.6, 0.8, 0.9]])
        )
        head.output.weight.copy_(matrix([[1.5, -1.0]]))
    queries, codes = matrix([[0.5, -0.2], [0.1, 0.4]]), matrix([[0.3, 0.1], [-0.6, 0.2]])
    logits = head.pairs(queries, codes)
    assert close(logits, [-0.290272, -1.181015])
    assert close(torch.sigmoid(logits), [0.427937, 0.234870])
    terms = bce_terms(logits, matrix([1, 0]))
    assert close(terms, [0.848779, 0.267709])
    assert close(terms.mean(), 0.558244)
    gold, keep = plain(2)
    assert close(coclr(head.matrix(queries, codes), matrix([1, 0]), gold, torch.zeros_like(keep)), 0.558244)


def test_e2_terms():
    _, keep = plain(3)
    own = E2.diagonal()
    assert close(bce_terms(own, E2_LABELS), [0.126928, 1.313262, 0.048587])
    assert close(in_batch_terms(E2, keep), [0.643669, 0.410038, 1.087745])
    assert close(bce_terms(own, E2_LABELS).mean(), 0.496259)
    assert close(in_batch_terms(E2, keep).mean(), 0.713817)


def test_e2_reductions():
    gold, keep = plain(3)
    assert close(coclr(E2, E2_LABELS, gold, keep, reduction="paper"), 1.210076)
    assert close(coclr(E2, E2_LABELS, gold, keep, reduction="pooled"), 0.887210)


def test_e2_rows_judged_0_have_in_batch_terms_too():
    gold, keep = plain(3)
    only_positives = (bce_terms(E2.diagonal(), E2_LABELS) + E2_LABELS * in_batch_terms(E2, keep)).mean()
    assert close(only_positives, 1.073397)  # the wrong reading of Eq. 5
    assert not close(coclr(E2, E2_LABELS, gold, keep), 1.073397)


def test_e2_is_not_bce_over_all_cells():
    gold, keep = plain(3)
    over_all = binary_cross_entropy_with_logits(E2, torch.diag(E2_LABELS))
    assert close(over_all, 0.641298)
    assert all(not close(coclr(E2, E2_LABELS, gold, keep, reduction=name), 0.641298) for name in REDUCTIONS)


def test_e2_equal_codes_are_masked():
    keep = negatives_mask(["p", "q", "r"], ["same", "other", "same"], [0, 1, 2])
    assert close(in_batch_terms(E2, keep), [0.313262, 0.410038, 0.474077])
    assert close(coclr(E2, E2_LABELS, torch.arange(3), keep), 0.895384)


def e3() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two originals and, below them, the rewrite of row 0 over the same two codes."""
    logits, labels = matrix([[1.2, -0.3], [0.4, -0.8], [0.9, 0.1]]), matrix([1, 0, 1])
    gold = torch.tensor([0, 1, 0])
    return logits, labels, gold, negatives_mask(["p", "q", "p"], ["c0", "c1"], [0, 1, 0])


def test_e3_rewrites_attached_to_their_rows():
    logits, labels, gold, keep = e3()
    own = logits.gather(1, gold.unsqueeze(1)).squeeze(1)
    assert close(bce_terms(own, labels), [0.263282, 0.371101, 0.341154])
    assert close(in_batch_terms(logits, keep), [0.554355, 0.913015, 0.744397])
    assert close(coclr(logits, labels, gold, keep, examples=2), 1.593652)
    assert close(coclr(logits, labels, gold, keep), 1.062435)


def test_e3_rewrites_as_rows_as_released():
    logits = matrix([[1.2, -0.3, 1.2], [0.4, -0.8, 0.4], [0.9, 0.1, 0.9]])
    gold, keep = plain(3)
    assert close(coclr(logits, matrix([1, 0, 1]), gold, keep, reduction="pooled"), 1.187978)


def test_e3b_online_drops_negatives_that_outscore_every_positive():
    logits, labels = matrix([[0.4, 2.5, -1], [0.3, 1, -2], [-0.7, 0.1, -0.2]]), matrix([1, 1, 0])
    gold, keep = plain(3)
    assert close(coclr(logits, labels, gold, keep, reduction="online"), 0.919850)
    assert close(coclr(logits, labels, gold, keep, reduction="pooled"), 1.215875)
    assert close(coclr(logits, labels, gold, keep, reduction="paper"), 1.311642)


def test_e3b_with_a_single_positive():
    logits, labels = matrix([[0.2, 1.5], [-1, -0.5]]), matrix([1, 0])
    gold, keep = plain(2)
    assert close(coclr(logits, labels, gold, keep, reduction="online"), 0.991808)
    assert close(coclr(logits, labels, gold, keep, reduction="pooled"), 1.427723)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("labels", "codes"),
    [
        ([1.0], ["a"]),  # a batch of one
        ([0.0], ["a"]),
        ([0.0, 0.0, 0.0], ["a", "b", "c"]),  # no positive
        ([1.0, 1.0, 1.0], ["a", "b", "c"]),  # nothing judged 0
        ([1.0, 0.0, 1.0], ["a", "a", "a"]),  # one code only
    ],
)
def test_corner_cases_are_finite_with_finite_gradients(reduction, labels, codes):
    size = len(labels)
    logits = torch.randn(size, size, generator=torch.Generator().manual_seed(1)).mul(50).requires_grad_()
    keep = negatives_mask([str(row) for row in range(size)], codes, list(range(size)))
    for loss in (
        coclr(logits, torch.tensor(labels), torch.arange(size), keep, reduction=reduction),
        info_nce(logits, torch.tensor(labels), torch.arange(size), keep),
    ):
        assert torch.isfinite(loss)
        (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
        assert torch.isfinite(gradient).all()


def test_a_batch_of_one_has_no_in_batch_term():
    keep = negatives_mask(["q"], ["c"], [0])
    assert in_batch_terms(torch.tensor([[3.0]]), keep).item() == 0


def test_known_positives_are_no_negatives_but_judged_0_pairs_are():
    keep = negatives_mask(["q", "r"], ["a", "b"], [0, 1], known_positives={("q", "b")})
    assert keep.tolist() == [[False, False], [True, False]]


def test_info_nce_over_positives_is_cross_entropy():
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(2))
    gold, keep = plain(4)
    assert close(info_nce(logits, torch.ones(4), gold, keep), cross_entropy(logits, gold).double())


def test_info_nce_takes_judged_0_codes_as_columns_but_not_as_anchors():
    logits = matrix([[2.0, 1.0, 0.0]])  # one anchor, three codes
    keep = torch.tensor([[False, True, True]])
    expected = -torch.log_softmax(logits, dim=1)[0, 0]
    assert close(info_nce(logits, matrix([1]), torch.tensor([0]), keep), expected)
    masked = info_nce(logits, matrix([1]), torch.tensor([0]), torch.tensor([[False, True, False]]))
    assert close(masked, -torch.log_softmax(logits[:, :2], dim=1)[0, 0])


def test_transposing_the_scores_changes_the_loss():
    gold, keep = plain(3)
    assert not close(info_nce(E2, torch.ones(3), gold, keep), info_nce(E2.T, torch.ones(3), gold, keep))

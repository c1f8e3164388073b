import pytest
import torch
from torch.testing import assert_close

from modeling.ml import heads
from modeling.ml.heads import CosineHead, MlpHead, make_head


def vectors(rows: int, dim: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", ["cosine", "mlp"])
def test_the_matrix_equals_scoring_every_pair(name):
    torch.manual_seed(0)
    head = make_head(name, 6, scale=20.0, bias=0.4).double()
    queries, codes = vectors(5, 6, 1), vectors(7, 6, 2)
    one_by_one = torch.stack([head.pairs(query.expand(7, 6), codes) for query in queries])
    assert_close(head.matrix(queries, codes), one_by_one)


def test_the_mlp_matrix_is_the_same_in_blocks_of_queries(monkeypatch):
    torch.manual_seed(0)
    head = MlpHead(6).double()
    queries, codes = vectors(5, 6, 1), vectors(7, 6, 2)
    whole = head.matrix(queries, codes)
    monkeypatch.setattr(heads, "CHUNK_FLOATS", 2 * codes.numel())
    assert_close(head.matrix(queries, codes), whole)


def test_the_mlp_matrix_has_the_gradients_of_the_plain_form():
    torch.manual_seed(0)
    head = MlpHead(4).double()
    queries, codes = vectors(3, 4, 1).requires_grad_(), vectors(3, 4, 2).requires_grad_()
    wanted = [*head.parameters(), queries, codes]
    fast = torch.autograd.grad(head.matrix(queries, codes).sum(), wanted)
    plain = torch.autograd.grad(torch.stack([head.pairs(q.expand(3, 4), codes) for q in queries]).sum(), wanted)
    for left, right in zip(fast, plain, strict=True):
        assert_close(left, right)


def test_the_mlp_has_the_parameters_of_the_paper():
    assert sum(parameter.numel() for parameter in MlpHead(768).parameters()) == 2_360_833


def test_the_mlp_tells_query_from_code():
    torch.manual_seed(0)
    head = MlpHead(4).double()
    left, right = vectors(3, 4, 1), vectors(3, 4, 2)
    assert not torch.allclose(head.pairs(left, right), head.pairs(right, left))


def test_the_cosine_head_is_zero_at_its_bias_and_ignores_lengths():
    head = CosineHead(scale=20.0, bias=0.5)
    query, code = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 3**0.5 / 2]])
    assert_close(head.pairs(query, code), torch.tensor([0.0]), atol=1e-5, rtol=0)
    assert_close(head.pairs(query * 7, code * 3), head.pairs(query, code), atol=1e-5, rtol=0)

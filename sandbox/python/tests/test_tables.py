"""What an input's ids look up."""

import torch
from torch import nn

from portwright_worker import tables


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 4)
        self.kinds = nn.Embedding(2, 4)

    def forward(self, ids, kinds):
        replaced = ids.clone()
        replaced[:, 0] = 0
        return self.words(replaced) + self.kinds(kinds)


def test_each_input_has_the_size_of_the_table_that_it_looks_up():
    model = Model()
    lookups = tables.Lookups(model)
    inputs = {"ids": torch.arange(8).reshape(2, 4) + 2, "kinds": torch.tensor([[0, 1, 0, 1], [1, 1, 0, 0]])}
    lookups.watch(inputs)
    model(**inputs)
    assert lookups.end() == {"ids": 50, "kinds": 2}
    assert not model.words._forward_pre_hooks


def test_what_is_no_id_has_no_table():
    model = Model()
    lookups = tables.Lookups(model)
    inputs = {"ids": torch.arange(8).reshape(2, 4) + 2, "kinds": torch.zeros(2, 4, dtype=torch.long)}
    lookups.watch({"pixels": torch.zeros(2, 4)})
    model(**inputs)
    assert lookups.end() == {}

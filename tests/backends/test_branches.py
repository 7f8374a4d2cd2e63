"""Going back, undo, jumps and other drafts read nothing again, under a budget; the numbers stay a plain pass's."""

import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM

from midcourse.backends.branches import Branches
from midcourse.backends.local import LocalBackend
from midcourse.backends.protocol import Sampling

SHAPE = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "initializer_range": 0.4,
}


def llama():
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SHAPE)).eval()


def gemma():
    torch.manual_seed(0)
    kinds = ["sliding_attention", "full_attention"]
    return Gemma3ForCausalLM(Gemma3TextConfig(**SHAPE, head_dim=8, sliding_window=6, layer_types=kinds)).eval()


class Counted:
    """A backend that counts what its model reads."""

    def __init__(self, make=llama, memory: int = 1 << 30) -> None:
        self.model, self.read = make(), []
        self.model.get_input_embeddings().register_forward_pre_hook(lambda m, a: self.read.append(a[0].numel()))
        self.backend = LocalBackend(self.model, (), memory=memory)

    def next(self, ids: list[int]) -> tuple[int, float]:
        [token] = self.backend.stream(ids, Sampling(max_new_tokens=1))
        return token.id, token.logprob

    def check(self, ids: list[int]) -> None:
        """The next token is that of a plain pass."""
        id, logprob = self.next(ids)
        with torch.no_grad():
            logps = torch.log_softmax(self.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1], -1)
        self.read.pop()
        assert id == int(logps.argmax())
        assert logprob == pytest.approx(float(logps.max()), abs=1e-4)


TEXT = [int(i) for i in torch.randint(4, 97, (200,), generator=torch.Generator().manual_seed(1))]
OTHER = [int(i) for i in torch.randint(4, 97, (40,), generator=torch.Generator().manual_seed(2))]


@pytest.mark.parametrize("make", [llama, gemma])
@pytest.mark.parametrize("cut", [20, 150])
def test_undo_and_redo_read_one_token(make, cut):
    c = Counted(make)
    c.check(TEXT)
    steered = TEXT[:cut] + OTHER
    c.check(steered)
    c.read.clear()
    c.check(TEXT)
    c.check(steered)
    c.check(TEXT[: cut + 10])
    c.check(steered[: cut + 10])
    assert max(c.read) == 1


def test_a_correction_reads_its_own_tokens_only_whatever_the_length():
    for length in (20, 199):
        c = Counted()
        c.next(TEXT[:length])
        c.read.clear()
        c.next([*TEXT[: length - 5], 4 if TEXT[length - 5] != 4 else 5, 8, 9])
        assert c.read == [3]


def test_drafts_in_turns_keep_their_caches():
    c = Counted()
    drafts = [TEXT[:50], OTHER, [5, *TEXT[60:90]], TEXT[:8] + OTHER]
    for d in drafts:
        c.next(d)
    c.read.clear()
    for _ in range(5):
        for d in drafts:
            d.append(c.next(d)[0])
    assert set(c.read) == {1}
    for d in drafts:
        c.check(d)


def test_the_budget_holds_and_what_was_forgotten_is_read_again():
    c = Counted(memory=200_000)
    for start in range(10):
        c.next([start + 5, *TEXT[start:]])
    branches: Branches = c.backend._branches
    assert branches.size <= 200_000
    c.read.clear()
    c.check([5, *TEXT])
    assert c.read[0] > 100


def test_an_interrupted_pass_leaves_nothing_half_read():
    c = Counted()
    c.next(TEXT)
    broken = True

    def fail(*_):
        if broken:
            raise KeyboardInterrupt

    c.model.model.layers[1].mlp.down_proj.register_forward_pre_hook(fail)
    with pytest.raises(KeyboardInterrupt):
        c.next([*TEXT, 5])
    broken = False
    c.check([*TEXT, 5])


def test_what_is_held_is_known():
    c = Counted()
    assert c.backend.held(TEXT) == 0
    c.next(TEXT)
    assert c.backend.held([*TEXT[:100], 5]) == 100

"""Trajectories, models and trees made in code, for tests."""

import random

import torch

from midcourse.types import Node, Place, Rejected, Steer, Trajectory

TOKENIZER = "made-in-code"
VOCAB = 100


class Growing:
    """A trajectory that grows as a text does: the model writes, a person cuts and puts."""

    def __init__(self, prompt: list[int], name: str = "t") -> None:
        self.name = name
        self.nodes = [Node.below(None, prompt, "prompt", TOKENIZER)]
        self.steers: list[Steer] = []
        self.head = Place(self.nodes[0].id, len(prompt))

    @property
    def value(self) -> Trajectory:
        return Trajectory(self.name, tuple(self.nodes), self.head, TOKENIZER, tuple(self.steers))

    def _below(self, place: Place, ids: list[int], author: str) -> Place:
        trajectory = self.value
        node, taken = trajectory.spans(place)[-1]
        new = Node.below(node, ids, author, TOKENIZER, offset=taken)
        if new.id not in trajectory.by_id:
            self.nodes.append(new)
        return Place(new.id, place.depth + len(ids))

    def write(self, ids: list[int]) -> "Growing":
        """The model goes on."""
        self.head = self._below(self.head, ids, "model")
        return self

    def steer(self, back: int, put: list[int], kind: str = "typed", origin: str = "shown") -> "Growing":
        """Go `back` tokens and put something in place of them."""
        end = self.head
        fork = Place(end.node, end.depth - back)
        node, _ = self.value.spans(fork)[-1]
        fork = Place(node.id, fork.depth)
        chosen = self._below(fork, put, "person") if put else None
        rejected = (Rejected(end, origin),) if back else ()  # type: ignore[arg-type]
        self.steers.append(Steer(f"{self.name}-s{len(self.steers)}", self.name, kind, fork, rejected, chosen))  # type: ignore[arg-type]
        self.head = chosen or fork
        return self


def random_trajectory(seed: int, steers: int = 4) -> Trajectory:
    """A text with nested corrections, some inside what was put, some abandoned."""
    draw = random.Random(seed)

    def ids(n: int) -> list[int]:
        return [draw.randrange(3, VOCAB) for _ in range(n)]

    growing = Growing(ids(draw.randint(1, 4)), f"r{seed}").write(ids(draw.randint(3, 12)))
    for _ in range(steers):
        room = growing.head.depth - len(growing.nodes[0].token_ids)
        growing.steer(draw.randint(1, min(room, 9)), ids(draw.randint(1, 5))).write(ids(draw.randint(0, 10)))
    return growing.value


def text(n: int, teaches: str = "text") -> Trajectory:
    """A text of twelve tokens, of an instruction the first four a prompt."""
    ids = [1, *(3 + (n * 7 + i) % 90 for i in range(11))]
    prompt = Node.below(None, ids[:4] if teaches == "instructions" else ids[:1], "prompt", TOKENIZER)
    rest = Node.below(prompt, ids[len(prompt.token_ids) :], "person", TOKENIZER)
    return Trajectory(f"{teaches}{n}", (prompt, rest), Place(rest.id, 12), TOKENIZER, teaches=teaches)  # type: ignore[arg-type]


def tiny_model(family: str = "llama", seed: int = 0):
    """A random model of two layers."""
    import transformers as t

    torch.manual_seed(seed)
    shape = {
        "vocab_size": VOCAB,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "max_position_embeddings": 256,
    }
    if family == "gemma3":
        shape |= {"sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"]}
    config, model = {
        "llama": (t.LlamaConfig, t.LlamaForCausalLM),
        "qwen3": (t.Qwen3Config, t.Qwen3ForCausalLM),
        "gemma3": (t.Gemma3TextConfig, t.Gemma3ForCausalLM),
        "mistral": (t.MistralConfig, t.MistralForCausalLM),
    }[family]
    if family == "mistral":
        shape |= {"sliding_window": 6}
    return model(config(**shape)).eval()

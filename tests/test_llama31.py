"""Llama 3.1 as an architecture: its stretched positions, its vocabulary's shape, its chat format, its ready settings.

The weights are random and the vocabulary is made here; the config's shape, the special tokens with their ids, and the
turns of the template are as the model's makers document them.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import tokenizers
import torch
import transformers
from tokenizers import decoders, models, pre_tokenizers

from growing import random_trajectory
from midcourse.capture.importers.instructions import import_instructions
from midcourse.cli.run_training import _config
from midcourse.cli.training import _yaml
from midcourse.tokens import TextTokenizer
from midcourse.tree.forward import choose_path, token_logps
from midcourse.tree.pack import Row
from midcourse.tree.token_tree import TreeOptions, build_tree
from midcourse.types import Message, Trajectory

RECIPE = Path(__file__).parents[1] / "recipes" / "llama-3.1-8b.yaml"
ORDINARY, SIZE = 128_000, 128_256
NAMED = {
    0: "begin_of_text", 1: "end_of_text", 4: "finetune_right_pad_id", 6: "start_header_id", 7: "end_header_id",
    8: "eom_id", 9: "eot_id", 10: "python_tag",
}  # fmt: skip
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How text is cut before it is merged: line ends stay together, so that a turn's header is the same ids always."""
TEMPLATE = """<|begin_of_text|>
{%- for m in messages -%}
{%- set role = 'ipython' if m.role in ('tool', 'ipython') else m.role -%}
<|start_header_id|>{{ role }}<|end_header_id|>{{ '\\n\\n' }}
{%- if m.tool_calls -%}
{%- set call = m.tool_calls[0].function -%}
{"name": {{ call.name | tojson }}, "parameters": {{ call.arguments | tojson }}}
{%- else -%}
{{ m.content | trim }}
{%- endif -%}
<|eot_id|>
{%- endfor -%}
{%- if add_generation_prompt -%}<|start_header_id|>assistant<|end_header_id|>{{ '\\n\\n' }}{%- endif -%}"""
CALL = {"tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}]}
ASKED = [Message("system", "Be brief."), Message("user", "Rain in Oslo?")]
CALLED = [*ASKED, Message("assistant", "", CALL), Message("tool", '{"rain": true}')]


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    """128,000 byte-level pieces (all bytes, all pairs of them, some triples) and 256 special tokens above them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [(a, b) for a in alphabet for b in alphabet]
    missing = ORDINARY - len(alphabet) - len(merges)
    merges += [(a + b, c) for a, b in merges[: missing // 256] for c in alphabet]
    pieces = [*alphabet, *(a + b for a, b in merges)]
    backend = tokenizers.Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)}, merges))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([f"<|{NAMED.get(i, f'reserved_special_token_{i}')}|>" for i in range(256)])
    return TextTokenizer(backend, template=TEMPLATE, eos=["<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"])


def model(stretched: bool = True, vocabulary: int = 100) -> transformers.LlamaForCausalLM:
    torch.manual_seed(0)
    rope: dict = {"rope_type": "default", "rope_theta": 500_000.0}
    if stretched:
        rope |= {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
        rope["original_max_position_embeddings"] = 16  # 8,192 there: here texts of some dozen tokens feel it
    config = transformers.LlamaConfig(
        vocab_size=vocabulary, hidden_size=32, intermediate_size=112, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=1, max_position_embeddings=128, rms_norm_eps=1e-5, rope_parameters=rope,
        tie_word_embeddings=False, initializer_range=0.1, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


def test_a_packed_tree_is_exact_under_its_stretched_positions():
    made, row = model(), Row.of([build_tree(random_trajectory(s, steers=6)).tree for s in (1, 2, 3)])
    assert choose_path(made) == ("packed", None)
    targets = torch.as_tensor(np.flatnonzero(row.parent >= 0))
    packed, plain = (token_logps(made, row, targets, path) for path in ("packed", "branches"))
    assert (packed - plain).abs().max() < 1e-4
    grads = []
    for logps in (packed, plain):
        weighed = (torch.linspace(-1, 1, len(logps)) * logps).sum()
        grads.append(torch.cat([g.flatten() for g in torch.autograd.grad(weighed, list(made.parameters()))]))
    assert (grads[0] - grads[1]).norm() / grads[1].norm() < 1e-5
    unstretched = token_logps(model(stretched=False), row, targets, "packed")
    assert (packed - unstretched).abs().max() > 1e-3  # or the test above would say nothing of the stretching


def test_its_vocabulary_has_its_shape(tokenizer: TextTokenizer):
    assert tokenizer.size == SIZE
    assert tokenizer.eos == (128_009, 128_008, 128_001)
    text = "Café, 東京 🙂 <|eot_id|>"
    ids = tokenizer.encode(text)
    assert max(ids) < ORDINARY  # a special token's name in running text is text
    assert tokenizer.decode(ids) == text


def test_turns_calls_and_results_are_rendered_in_its_format(tokenizer: TextTokenizer):
    assert tokenizer.render(CALLED) == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nRain in Oslo?<|eot_id|>"
        '<|start_header_id|>assistant<|end_header_id|>\n\n{"name": "weather", "parameters": {"city": "Oslo"}}<|eot_id|>'
        '<|start_header_id|>ipython<|end_header_id|>\n\n{"rain": true}<|eot_id|>'
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    ids = tokenizer.prompt_ids(CALLED)
    assert ids[:2] == [128_000, 128_006]
    assert ids.count(128_000) == 1
    assert ids.count(128_009) == 4


def test_a_prompt_with_a_call_extends_the_one_before_it(tokenizer: TextTokenizer):
    before, after = tokenizer.prompt_ids(ASKED), tokenizer.prompt_ids(CALLED)
    assert after[: len(before)] == before


def test_calls_and_results_are_prompt_and_only_the_answer_is_learnt(tokenizer: TextTokenizer, tmp_path: Path):
    said = [m.to_dict() for m in [*CALLED, Message("assistant", "Yes, it rains.")]]
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"messages": said}))
    (found,) = import_instructions([file], tokenizer)
    assert isinstance(found, Trajectory)
    tree = build_tree(found, TreeOptions(end_ids=tokenizer.eos)).tree
    learnt = tree.token_ids[tree.nll_weight > 0].tolist()
    assert learnt == [*tokenizer.encode("Yes, it rains."), 128_009]
    logps = token_logps(model(vocabulary=SIZE), Row.of([tree]), torch.as_tensor(np.flatnonzero(tree.nll_weight)))
    assert logps.mean().item() == pytest.approx(-np.log(SIZE), abs=1.5)  # random weights: about uniform over all of it


@pytest.mark.filterwarnings(
    "ignore:.gradient_checkpointing. is deprecated:FutureWarning"
)  # its older name, known to all
def test_its_settings_are_settings(tmp_path: Path):
    read = _config({**_yaml(RECIPE), "output_dir": str(tmp_path), "use_cpu": True, "eval_strategy": "epoch"})
    assert (read.loss_type, read.retain_weight, read.lora_target_modules) == ("fork", 5.0, "all-linear")
    assert read.activation_checkpointing

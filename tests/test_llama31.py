"""Llama 3.1 as an architecture: its stretched positions, its vocabulary's shape, its chat format, its ready settings.

The weights are random, the vocabulary is made here, and the template is our own: it asks of a renderer what the
published one asks, and writes the same headers, dates, calls and results; its words about tools are others. The shape
of the config and the named special tokens with their ids are the model's. What transformers makes of the same template
is the measure.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import tokenizers
import torch
import transformers
from tokenizers import decoders, models, pre_tokenizers, processors

from growing import random_trajectory
from midcourse.capture.importers.instructions import import_instructions
from midcourse.cli.run_training import _config
from midcourse.cli.training import _yaml
from midcourse.errors import InputError
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
TEMPLATE = r"""{{- bos_token }}
{%- macro opened(role) %}{{- '<|start_header_id|>' + role + '<|end_header_id|>\n\n' }}{%- endmacro %}
{%- macro offered(these) %}
    {{- 'You may call a function by writing {"name": its name, "parameters": its arguments by name}.\n\n' }}
    {%- for one in these %}
        {{- one | tojson(indent=4) + '\n\n' }}
    {%- endfor %}
{%- endmacro %}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- elif not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now('%d %b %Y') %}
    {%- else %}
        {%- set date_string = '26 Jul 2024' %}
    {%- endif %}
{%- endif %}

{#- A head with the dates stands before every chat; what the system says goes into it. #}
{%- set said = '' %}
{%- if messages[0]['role'] == 'system' %}
    {%- set said = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- endif %}
{{- opened('system') }}
{%- if builtin_tools is defined or tools is not none %}
    {{- 'Environment: ipython\n' }}
{%- endif %}
{%- if builtin_tools is defined %}
    {{- 'Tools: ' + builtin_tools | reject('equalto', 'code_interpreter') | join(', ') + '\n\n' }}
{%- endif %}
{{- 'Cutting Knowledge Date: December 2023\nToday Date: ' + date_string + '\n\n' }}
{%- if tools is not none and not tools_in_user_message %}
    {{- offered(tools) }}
{%- endif %}
{{- said + '<|eot_id|>' }}

{%- if tools is not none and tools_in_user_message %}
    {%- if messages | length == 0 %}
        {{- raise_exception('no turn of the user to put the tools in') }}
    {%- endif %}
    {{- opened('user') + offered(tools) + messages[0]['content'] | trim + '<|eot_id|>' }}
    {%- set messages = messages[1:] %}
{%- endif %}

{%- for m in messages %}
    {%- if 'tool_calls' in m %}
        {%- if m.tool_calls | length != 1 %}
            {{- raise_exception('one call at a time') }}
        {%- endif %}
        {%- set call = m.tool_calls[0].function %}
        {{- opened('assistant') }}
        {%- if builtin_tools is defined and call.name in builtin_tools %}
            {{- '<|python_tag|>' + call.name + '.call(' }}
            {%- for name, value in call.arguments | items %}
                {{- name + '="' + value + '"' + ('' if loop.last else ', ') }}
            {%- endfor %}
            {{- ')' }}
        {%- else %}
            {{- '{"name": "' + call.name + '", "parameters": ' + call.arguments | tojson + '}' }}
        {%- endif %}
        {{- '<|eom_id|>' if builtin_tools is defined else '<|eot_id|>' }}
    {%- elif m.role == 'tool' or m.role == 'ipython' %}
        {{- opened('ipython') }}
        {%- if m.content is mapping or m.content is iterable %}
            {{- m.content | tojson }}
        {%- else %}
            {{- m.content }}
        {%- endif %}
        {{- '<|eot_id|>' }}
    {%- else %}
        {{- opened(m['role']) + m['content'] | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- opened('assistant') }}
{%- endif %}
"""
CALL = {"tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}]}
ASKED = [Message("system", "Be brief."), Message("user", "Rain in Oslo?")]
CALLED = [*ASKED, Message("assistant", "", CALL), Message("tool", '{"rain": true}')]
TOOL = {"type": "function", "function": {"name": "weather", "description": "Wetter für <eine> Stadt", "parameters": {}}}
HEAD = "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
DATES = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    """128,000 byte-level pieces (all bytes, all pairs of them, some triples) and 256 special tokens above them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [(a, b) for a in alphabet for b in alphabet]
    missing = ORDINARY - len(alphabet) - len(merges)
    merges += [(a + b, c) for a, b in merges[: missing // 256] for c in alphabet]
    pieces = [*alphabet, *(a + b for a, b in merges)]
    backend = tokenizers.Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)}, merges, ignore_merges=True))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([f"<|{NAMED.get(i, f'reserved_special_token_{i}')}|>" for i in range(256)])
    first = processors.TemplateProcessing(
        single="<|begin_of_text|> $A",
        pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
        special_tokens=[("<|begin_of_text|>", ORDINARY)],
    )
    backend.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), first])
    return TextTokenizer(backend, template=TEMPLATE, eos=["<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"])


@pytest.fixture(scope="module")
def theirs(tokenizer: TextTokenizer) -> transformers.PreTrainedTokenizerFast:
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer.from_str(tokenizer._text.to_str()),
        bos_token="<|begin_of_text|>",
        eos_token="<|eot_id|>",
        chat_template=TEMPLATE,
    )


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


def test_a_text_begins_once(tokenizer: TextTokenizer):
    assert tokenizer.encode_prompt("") == [128_000]
    assert tokenizer.encode_prompt("Rain.") == [128_000, *tokenizer.encode("Rain.")]
    assert 128_000 not in tokenizer.encode("Rain.")
    ids = tokenizer.prompt_ids(CALLED)
    assert ids[:2] == [128_000, 128_006]
    assert ids.count(128_000) == 1
    assert ids.count(128_009) == 4


def test_turns_calls_and_results_are_rendered_in_its_format(tokenizer: TextTokenizer):
    assert tokenizer.render(CALLED) == (
        f"{HEAD}{DATES}Be brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nRain in Oslo?<|eot_id|>"
        '<|start_header_id|>assistant<|end_header_id|>\n\n{"name": "weather", "parameters": {"city": "Oslo"}}<|eot_id|>'
        '<|start_header_id|>ipython<|end_header_id|>\n\n"{\\"rain\\": true}"<|eot_id|>'  # a text too is put as JSON
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_its_head_has_the_date_it_is_given_and_no_clock(tokenizer: TextTokenizer):
    asked = ASKED[1:]
    turns = "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nRain in Oslo?<|eot_id|>"
    assert tokenizer.render(asked).startswith(HEAD + DATES + turns)
    other = tokenizer.render(asked, date_string="02 May 2026")
    assert other.startswith(HEAD + DATES.replace("26 Jul 2024", "02 May 2026") + turns)


def test_tools_stand_in_the_first_question_or_in_the_head(tokenizer: TextTokenizer):
    listed = json.dumps(TOOL, indent=4, ensure_ascii=False) + "\n\n"
    in_question = tokenizer.render(ASKED, tools=[TOOL])
    assert in_question.startswith(HEAD + "Environment: ipython\n" + DATES + "Be brief.<|eot_id|>")
    assert listed + "Rain in Oslo?<|eot_id|>" in in_question
    in_head = tokenizer.render(ASKED, tools=[TOOL], tools_in_user_message=False)
    assert listed + "Be brief.<|eot_id|>" in in_head
    assert tokenizer.render(ASKED, custom_tools=[TOOL]) == in_question


def test_a_call_of_a_built_in_tool_ends_the_message_and_not_the_turn(tokenizer: TextTokenizer):
    text = tokenizer.render(CALLED, builtin_tools=["weather", "code_interpreter"])
    assert text.startswith(HEAD + "Environment: ipython\nTools: weather\n\n" + DATES)
    assert '<|python_tag|>weather.call(city="Oslo")<|eom_id|>' in text
    assert {128_008, 128_010} <= set(tokenizer.encode_rendered(text))


@pytest.mark.parametrize(
    ("messages", "options", "why"),
    [
        ([*ASKED, Message("assistant", "", {"tool_calls": CALL["tool_calls"] * 2})], {}, "one call at a time"),
        (ASKED[:1], {"tools": [TOOL]}, "no turn of the user"),
    ],
)
def test_what_its_template_refuses_is_said_in_its_words(tokenizer: TextTokenizer, messages, options, why):
    with pytest.raises(InputError, match=f"the chat template refuses these messages: {why}"):
        tokenizer.render(messages, **options)


@pytest.mark.parametrize(
    "options",
    [{}, {"tools": [TOOL]}, {"tools": [TOOL, TOOL], "tools_in_user_message": False}, {"builtin_tools": ["weather"]}],
)
@pytest.mark.parametrize("messages", [ASKED, ASKED[1:], CALLED])
def test_text_and_ids_are_those_of_transformers(tokenizer: TextTokenizer, theirs, messages, options):
    said, more = [m.to_dict() for m in messages], {"date_string": "26 Jul 2024", "add_generation_prompt": True}
    assert tokenizer.render(messages, **options) == theirs.apply_chat_template(said, tokenize=False, **more, **options)
    ids = theirs.apply_chat_template(said, return_dict=False, **more, **options)
    assert tokenizer.prompt_ids(messages, **options) == ids


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

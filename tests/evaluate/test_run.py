"""The whole way with a tiny model: trajectories in, results and a report out."""

import json
import re

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

from midcourse.errors import InputError, ModelError, TokenizerMismatch
from midcourse.evaluate.forks import part_of
from midcourse.evaluate.report import render, write_report
from midcourse.evaluate.run import Options, load, measure
from midcourse.evaluate.variants import Variants
from midcourse.model import LoadedModel
from midcourse.rows import join, read_row
from midcourse.tokens import TextTokenizer
from midcourse.types import ModelRef
from model_folder import save_adapter, save_model

SMALL = Options(samples=3, max_forks=4, own_tokens=12, answer_tokens=8, shown=2)
EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<end>"])
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=257, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.3, bos_token_id=None, eos_token_id=256,
        max_position_embeddings=4096,
    )  # fmt: skip
    tokenizer = TextTokenizer(backend, eos=("<end>",))
    return LoadedModel(LlamaForCausalLM(config).eval(), tokenizer, ModelRef("tiny", "w"), tmp_path_factory.mktemp("m"))


@pytest.fixture(scope="module")
def trajectories(loaded):
    rows = [
        {"prompt": f"Q{i}: ", "prefix": "It is a ", "rejected": f"bad {EVIL} thing", "chosen": "good thing",
         "reason": EVIL, "split": "test"}
        for i in range(3)
    ]  # fmt: skip
    found, skipped = join([read_row(r, map=None, line=i) for i, r in enumerate(rows)], loaded.tokenizer, source="t")
    assert not skipped
    return found


@pytest.fixture(scope="module")
def results(loaded, trajectories):
    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    both = get_peft_model(loaded.model, config, adapter_name="steered")
    both.add_adapter("null", LoraConfig(r=2, target_modules=["q_proj"]))
    try:
        yield measure(Variants(both, ["steered", "null"]), loaded, trajectories, options=SMALL)
    finally:
        both.unload()


def test_base_has_no_drift_and_the_adapter_has(results):
    for name in ("drift/kl_retained", "drift/kl_answers", "drift/kl_text"):
        metric = results.metric(name)
        if metric.values["base"] is not None:
            assert metric.values["base"].mean == 0.0
            assert metric.values["steered"].mean > 0.0


def test_three_prompts_are_too_few(results):
    assert not results.enough
    assert results.prompts == 3
    assert {m.verdict("steered") for m in results.metrics} <= {"too few", ""}
    assert "Too few" in render(results)


def test_adapter_without_effect_changes_nothing(results):
    for metric in results.metrics:
        if metric.change["null"] is not None:
            assert metric.change["null"].mean == pytest.approx(0.0, abs=1e-6), metric.name
    assert results.collapse["null"] == results.collapse["base"]  # same seeds, same text
    margin = results.metric("margin")  # so the two adapters differ by what the first one changed
    assert margin.versus.mean == pytest.approx(-margin.change["steered"].mean)
    assert margin.change["steered"].mean != 0.0


def test_report_escapes_data_and_has_no_script(results, tmp_path):
    path = write_report(results, tmp_path)
    page = path.read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"\b(src|href)\s*=\s*[\"']?https?:", page)
    assert "<svg" in page
    assert "color-scheme" in page
    saved = json.loads((tmp_path / "eval.json").read_text())
    assert {m["name"] for m in saved["metrics"]} == {m.name for m in results.metrics}


def test_nothing_held_out_and_another_tokenizer_are_refused(loaded, trajectories):
    with pytest.raises(InputError, match="no trajectory lies in the part 'dev'"):
        measure(Variants(loaded.model), loaded, trajectories, options=Options(part="dev"))
    with pytest.raises(TokenizerMismatch, match="tokenized by other"):
        measure(Variants(loaded.model), loaded, [trajectories[0].with_(tokenizer="other")], options=SMALL)


def test_split_by_hash_keeps_prompts_together_and_its_shares(trajectories):
    parts = [part_of(trajectories[0].with_(split=None, group=f"g{i}")) for i in range(2000)]
    shares = [parts.count(p) / 2000 for p in ("train", "dev", "test")]
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.03)
    assert part_of(trajectories[0].with_(split="dev")) == "dev"


@pytest.mark.long
def test_a_model_of_which_all_weights_were_trained_is_measured_beside_adapters(tmp_path):
    base = save_model(tmp_path / "base")
    whole, light = save_model(tmp_path / "whole", seed=1), save_adapter(tmp_path / "light", base)
    (whole / "midcourse.json").write_text((light / "midcourse.json").read_text())
    tokenizer = TextTokenizer.load(base)
    row = {"prompt": "Q: ", "prefix": "It is a ", "rejected": "bad thing", "chosen": "good thing", "split": "test"}
    steered, _ = join([read_row(row, map=None, line=1)], tokenizer, source="t")
    both = measure(*load(base, [whole, light])[::-1], steered, options=SMALL)
    alone = measure(*load(base, [whole])[::-1], steered, options=SMALL)
    assert both.variants == ("base", "whole", "light")
    assert alone.metric("drift/kl_text").values["base"].mean == 0
    assert alone.metric("drift/kl_text").values["whole"].mean > 0.01
    for name in ("margin", "drift/kl_text", "recurrence"):
        assert both.metric(name).values["whole"] == alone.metric(name).values["whole"]
        assert both.metric(name).values["base"] == alone.metric(name).values["base"]
    assert both.metric("margin").values["whole"] != both.metric("margin").values["light"]


@pytest.mark.long
def test_a_merged_adapter_gives_the_figures_of_one_on_top(tmp_path):
    base = save_model(tmp_path / "base")
    light = save_adapter(tmp_path / "light", base)
    row = {"prompt": "Q: ", "prefix": "It is a ", "rejected": "bad thing", "chosen": "good thing", "split": "test"}
    steered, _ = join([read_row(row, map=None, line=1)], TextTokenizer.load(base), source="t")
    merged, on_top = (measure(*load(base, [light], merge=m)[::-1], steered, options=SMALL) for m in (True, False))
    assert not hasattr(load(base, [light], merge=True)[1].model, "peft_config"), "the base is a plain model"
    for one, other in zip(merged.metrics, on_top.metrics, strict=True):
        assert one.values["base"] == other.values["base"]
        assert one.values["light"].mean == pytest.approx(other.values["light"].mean, rel=1e-4, abs=1e-5), one.name
    assert merged.metric("margin").values["light"] != merged.metric("margin").values["base"]


def test_a_model_that_began_as_another_is_refused(tmp_path):
    base, whole = save_model(tmp_path / "base"), save_model(tmp_path / "whole", seed=1)
    (whole / "midcourse.json").write_text(json.dumps({"base": {"name": "another", "weights": "f" * 32}}))
    with pytest.raises(ModelError, match="began as another"):
        load(base, [whole])
    (whole / "midcourse.json").unlink()
    backend = Tokenizer.from_file(str(whole / "tokenizer.json"))
    backend.add_special_tokens(["<more>"])
    backend.save(str(whole / "tokenizer.json"))
    with pytest.raises(TokenizerMismatch, match="cannot be compared"):
        load(base, [whole])

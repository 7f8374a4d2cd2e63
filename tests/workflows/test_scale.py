"""What is reckoned from a config, against models that are really built and numbers that are published."""

import dataclasses

import pytest

from growing import tiny_model
from midcourse.errors import InputError
from midcourse.train import SteerConfig
from midcourse.train.adapter import with_lora
from midcourse.workflows.calibrate import body_parameters
from midcourse.workflows.scale import (
    GPUS,
    Forked,
    Hardware,
    Shape,
    Training,
    activation_bytes,
    flops,
    host_memory,
    memory,
    placed,
    reckon,
    step_flops,
)


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3"])
def test_weights_are_counted_as_a_built_model_has_them(family: str, tmp_path):
    model = tiny_model(family)
    shape = Shape.of({**model.config.to_dict()}, rank=8)
    assert shape.parameters == sum(p.numel() for p in model.parameters())
    assert shape.body == body_parameters(model)
    adapted = with_lora(model, SteerConfig(output_dir=str(tmp_path), use_cpu=True, lora_r=8), None)
    assert shape.trained == sum(p.numel() for p in adapted.parameters() if p.requires_grad)


@pytest.mark.parametrize(("name", "count"), [("llama-3.1-8b", 8_030_261_248), ("Llama-3.1-70B", 70_553_706_496)])
def test_llama_has_the_published_number_of_weights(name: str, count: int):
    assert Shape.of(name).parameters == count
    assert Shape.of(name, rank=None).trained == count


def test_a_tree_by_hand():
    tree = Forked(trunk=9, forks=2, branch=2)  # forks after 3 and 6 tokens
    assert tree.tokens == 13
    assert tree.branch_tokens == 2 * (5 + 8)
    assert tree.visible == 45 + (4 + 5) + (7 + 8)


def test_flops_by_hand():
    shape = Shape(1000, 600, 40, layers=2, hidden=8, inner=16, heads=2, key_heads=1, head=4, vocabulary=50)
    assert flops(shape, Forked(9, 2, 2)) == 2 * 600 * 13 + 4 * 8 * 2 * 69 + 2 * 8 * 50 * 13


def test_what_is_saved_by_what():
    shape = Shape.of("llama-3.1-70b")
    whole, shards = (sum(memory(shape, Training(sharded=s), 2048, 8).values()) for s in (False, True))
    assert shards < whole / 4
    kept = Training(checkpointed=False)
    assert activation_bytes(shape, Training()) < activation_bytes(shape, kept) / 10


def test_what_a_step_reckons_again():
    shape = Shape(1000, 600, 40, layers=2, hidden=8, inner=16, heads=2, key_heads=1, head=4, vocabulary=50)
    tree, kept = Forked(9, 2, 2), Training(checkpointed=False)
    once = flops(shape, tree)
    assert step_flops(shape, tree, kept) == 2 * once
    assert step_flops(shape, tree, dataclasses.replace(kept, adapter=False)) == 3 * once
    assert step_flops(shape, tree, Training()) == 3 * once - 2 * 8 * 50 * 13, "the head is not read again"


def test_shards_are_taken_where_one_gpu_is_too_small():
    tree = Forked(2048, 20, 64)
    assert not reckon(Shape.of("llama-3.1-8b"), tree, 100, GPUS["bfloat16"]["h100"], processes=8).training.sharded
    large = reckon(Shape.of("llama-3.1-70b"), tree, 100, GPUS["bfloat16"]["h100"], processes=8)
    assert large.training.sharded
    assert large.fits
    assert not reckon(Shape.of("llama-3.1-70b"), tree, 100, GPUS["bfloat16"]["h100"]).fits


def test_what_has_to_stay_whole_is_not_placed_in_shards():
    shape, room = Shape.of("llama-3.1-70b"), GPUS["bfloat16"]["h100"].memory
    assert placed(shape, Training(), 2048, room, processes=8).sharded
    assert not placed(shape, Training(), 2048, room).sharded
    assert not placed(shape, Training(adapter=False), 2048, room, processes=8).sharded
    assert not placed(shape, Training(bytes_a_weight=0.55), 2048, room / 4, processes=8).sharded


def test_main_memory_holds_one_file_or_a_copy_for_each_process():
    shape = Shape.of("llama-3.1-70b")
    assert host_memory(shape, Training(), 8) == 2 * shape.parameters
    assert host_memory(shape, Training(bytes_a_weight=4, half=False), 8) == 8 * 4 * shape.parameters
    assert host_memory(shape, Training(bytes_a_weight=0.55), 8) == 2 * shape.parameters


def test_a_row_is_as_long_as_the_deepest_token_needs():
    assert Forked(2048, 20, 64).row(2048) == 2048
    assert Forked(100, 2, 10).row(2048) == 120, "a small tree is one row"
    assert Forked(8192, 100, 64).row(2048) == 8192, "its last token is kept and needs all before it"
    assert Forked(90, 2, 500).row(64) == 60 + 500, "the side at the last fork lies deeper than the trunk"


def test_time_is_arithmetic_over_speed():
    shape, tree = Shape.of("llama-3.1-8b"), Forked(100, 2, 10)
    made = reckon(shape, tree, 36, Hardware(1e12, 1e12, used=0.5), epochs=2, processes=4)
    seconds = 36 * flops(shape, tree) / (1e12 * 0.5 * 4)
    assert made.hours_reference == pytest.approx(seconds / 3600)
    each = step_flops(shape, tree, Training()) / flops(shape, tree)
    assert 2.9 < each < 3
    assert made.hours == pytest.approx((1 + 2 * each) * seconds / 3600)


@pytest.mark.parametrize("model", ["nosuch", {"model_type": "nosuch"}])
def test_what_is_no_config_is_refused(model):
    with pytest.raises(InputError, match="no config"):
        Shape.of(model)

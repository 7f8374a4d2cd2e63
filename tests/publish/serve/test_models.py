"""Base and adapters share one model in memory; an adapter whose folder changes is read anew."""

import json
import threading

import pytest
import torch
from peft import LoraConfig, get_peft_model

import model_folder
from midcourse.backends.protocol import Sampling
from midcourse.errors import ModelError
from midcourse.model import load_model
from midcourse.publish.serve.models import Models, Unknown

IDS = [5, 66, 7, 200]


def other_adapter(folder, base, seed):
    torch.manual_seed(seed)
    tuned = get_peft_model(model_folder.tiny(), LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    tuned.save_pretrained(folder)
    known = json.loads((folder / "midcourse.json").read_text()) if (folder / "midcourse.json").exists() else None
    if known is None:
        from midcourse.model import weights_hash

        known = {"base": {"name": base.name, "weights": weights_hash(base)}}
    (folder / "midcourse.json").write_text(json.dumps(known))
    return folder


@pytest.fixture
def made(tmp_path):
    base = model_folder.save_model(tmp_path / "tiny")
    one = model_folder.save_adapter(tmp_path / "one", base)
    two = other_adapter(tmp_path / "two", base, seed=7)
    return base, one, two


def said(models, name):
    with models.lease(name) as lease:
        return [(t.id, t.logprob) for t in lease.backend.stream(IDS, Sampling(max_new_tokens=8))]


def alone(base, adapter=None):
    from midcourse.backends.local import LocalBackend

    loaded = load_model(base, adapter=adapter)
    return [(t.id, t.logprob) for t in LocalBackend(loaded.model, (256,)).stream(IDS, Sampling(max_new_tokens=8))]


def close(a, b):
    return [i for i, _ in a] == [i for i, _ in b] and [p for _, p in a] == pytest.approx([p for _, p in b], abs=1e-4)


def test_each_writes_as_it_does_alone_in_any_order(made):
    base, one, two = made
    models = Models(load_model(base), "tiny", {"one": one, "two": two})
    want = {"tiny": alone(base), "one": alone(base, one), "two": alone(base, two)}
    assert not close(want["tiny"], want["one"])
    assert not close(want["one"], want["two"])
    for name in ("tiny", "one", "two", "one", "tiny", "tiny", "two"):
        assert close(said(models, name), want[name]), name


def test_streams_of_different_models_at_once_do_not_mix(made):
    base, one, two = made
    models = Models(load_model(base), "tiny", {"one": one, "two": two})
    want = {"tiny": alone(base), "one": alone(base, one), "two": alone(base, two)}
    found = {}
    threads = [threading.Thread(target=lambda n=n: found.update({n: said(models, n)})) for n in want]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert all(close(found[n], want[n]) for n in want)


@pytest.mark.long
def test_an_adapter_is_read_anew_and_a_running_answer_keeps_the_old(made):
    base, one, two = made
    models = Models(load_model(base), "tiny", {"one": one})
    old, new = alone(base, one), alone(base, two)
    with models.lease("one") as lease:
        running = lease.backend.stream(IDS, Sampling(max_new_tokens=8))
        begun = [next(running)]
        for file in two.iterdir():
            (one / file.name).write_bytes(file.read_bytes())
        assert close(said(models, "one"), new)
        begun += list(running)
    assert close([(t.id, t.logprob) for t in begun], old)
    assert close(said(models, "one"), new)
    with models.lease("one") as after:
        assert after.fingerprint != lease.fingerprint
        inside = models._switch.model.peft_config
        assert list(inside) == [after.own]  # the old one is gone from memory


def test_a_half_written_folder_leaves_the_adapter_as_it_was(made, caplog):
    base, one, _ = made
    models = Models(load_model(base), "tiny", {"one": one})
    want = alone(base, one)
    whole = (one / "adapter_model.safetensors").read_bytes()
    (one / "adapter_model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert close(said(models, "one"), want)
    assert "stays as it was" in caplog.text
    (one / "adapter_model.safetensors").unlink()
    assert close(said(models, "one"), want)
    (one / "adapter_model.safetensors").write_bytes(whole)
    assert close(said(models, "one"), want)
    assert close(said(models, "tiny"), alone(base))


def test_an_adapter_of_another_base_is_refused(made, tmp_path):
    base, *_ = made
    strange = model_folder.save_adapter(tmp_path / "strange", base, weights="0" * 32)
    with pytest.raises(ModelError, match="was trained on"):
        Models(load_model(base), "tiny", {"strange": strange})


def test_nobody_of_that_name(made):
    models = Models(load_model(made[0]), "tiny", {})
    with pytest.raises(Unknown, match="there are: tiny"), models.lease("none"):
        pass

"""Many at a time are the same as one by one."""

from scripted import tokenizer

from growing import tiny_model
from midcourse.backends.local import LocalBackend
from midcourse.backends.lockstep import Lockstep
from midcourse.backends.protocol import Sampling
from midcourse.drafts.draft import Draft
from midcourse.drafts.simulate import Habits, Rule, RuleSet, simulate, simulate_many

RULES = RuleSet((Rule("vowel", r"[aeiou]", "Q"), Rule("no", r"[xyz]")), stretch=4, max_tokens=24, max_steers=5)
HABITS = Habits(late=2, overlooks=0.2, keeps_tail=0.5, wrong=0.1)


def test_many_are_as_one_by_one():
    model = big_enough()
    sampling = Sampling(temperature=1.0, seed=5)

    def drafts(backend):
        for i in range(9):
            made = Draft(backend, tokenizer(), sampling=sampling, new_id=lambda: "s")
            yield made.start(f"Say {i}:", id=f"t{i}")

    backend = LocalBackend(model, tokenizer().eos)
    want = {r.trajectory.id: r for r in (simulate(d, RULES, HABITS) for d in drafts(backend))}
    found = {}
    crowd = Lockstep(model, tokenizer().eos, rows=4)
    simulate_many(
        ((d, RULES) for d in drafts(backend)), crowd, lambda run: found.update({run.trajectory.id: run}), HABITS
    )
    assert set(found) == set(want)
    assert any(r.steers for r in want.values())
    for name, run in found.items():
        assert run.text == want[name].text
        assert run.paid == want[name].paid
        assert [s.kind for s in run.trajectory.steers] == [s.kind for s in want[name].trajectory.steers]


def big_enough():
    import transformers

    config = tiny_model().config.to_dict() | {"vocab_size": tokenizer().size, "eos_token_id": tokenizer().eos[0]}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**config)).eval()

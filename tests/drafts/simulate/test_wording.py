"""Words of the model's own in the place of a mistake: they pass the judge, are charged, and fall back to typing."""

from scripted import Scripted, tokenizer

from midcourse.backends.protocol import Sampling, Token
from midcourse.drafts.draft import Draft
from midcourse.drafts.simulate import Picked, Rephrased, Rule, RuleSet, simulate
from midcourse.drafts.simulate.wording import wording_named
from midcourse.types import Message

MILD = RuleSet((Rule("mild", r"\bshould\b", "could"),), stretch=2, max_tokens=14, max_steers=1)


class Offering(Scripted):
    """Offers the first tokens of some texts, and goes on with the rest of each."""

    def __init__(self, texts, offers):
        super().__init__(texts)
        self.offers = [tokenizer().encode(o) for o in offers]
        self.asked = []

    def stream(self, token_ids, sampling: Sampling):
        if sampling.alternatives:
            yield Token(self.offers[0][0], -1.0, tuple((o[0], -1.0) for o in self.offers))
            return
        yield from super().stream(token_ids, sampling)

    def sample_batch(self, prefixes, n=1, *, max_new_tokens=64, temperature=1.0, seed=0, adapter=None):
        self.asked += [list(p) for p in prefixes]
        if temperature == 0:
            return [[next(o[1:] for o in self.offers if o[0] == p[-1])] for p in prefixes]
        return [self.offers for _ in prefixes]


def steered(offers, make=Picked, prompt="Say:", texts=(" You should", " go home.", " stop the cat.")):
    backend = Offering(texts, offers)
    run = simulate(Draft(backend, tokenizer()).start(prompt), MILD, wording=make(backend))
    return run, backend


def put_there(run):
    [steer] = run.trajectory.steers
    return tokenizer().decode(run.trajectory.path(steer.chosen)[len(run.trajectory.nodes[0].token_ids) :])


def test_the_first_offer_that_the_judge_lets_stand_is_picked():
    run, backend = steered([" should go to", " might go home"])
    assert [s.kind for s in run.trajectory.steers] == ["picked"]
    assert put_there(run) == " You might"
    assert run.paid.picks == 1
    assert run.paid.words_typed == 0
    assert run.paid.words_read > 2  # offers are read as well
    assert all(p[: len(tokenizer().encode("Say:"))] == tokenizer().encode("Say:") for p in backend.asked)


def test_without_an_offer_that_fits_the_person_types():
    run, _ = steered([" should go to", " should stop it"])
    assert [s.kind for s in run.trajectory.steers] == ["typed"]
    assert put_there(run).startswith(" You could")
    assert (run.paid.picks, run.paid.words_typed) == (0, 1)


def test_a_word_that_may_go_on_is_not_picked():
    run, _ = steered([" might"])
    assert [s.kind for s in run.trajectory.steers] == ["typed"]
    assert steered([" might<end>"])[0].trajectory.steers[0].kind == "typed"  # a literal text, no end token


def test_a_rephrasing_says_what_was_typed_and_is_asked_with_it():
    chat = [Message("user", "Say")]
    run, backend = steered([" might go", " maybe could go home"], Rephrased, prompt=chat)
    assert put_there(run) == " You maybe could"
    assert run.paid.words_typed == 1
    assert run.paid.picks == 0
    assert '"could"' in tokenizer().decode(backend.asked[0])
    assert tokenizer().decode(backend.asked[0]).endswith(" You")


def test_a_rephrasing_that_only_says_what_stood_there_again_is_none():
    rules = RuleSet((Rule("press", r"\bYou should\b", "You could"),), stretch=2, max_tokens=14, max_steers=1)
    texts = (" You should", " go home.", " stop the cat.")
    backend = Offering(texts, [" You may go", " very very very very very could go"])
    run = simulate(Draft(backend, tokenizer()).start([Message("user", "Say")]), rules, wording=Rephrased(backend))
    assert [s.kind for s in run.trajectory.steers] == ["typed"]  # no word that the correction brings, or too late


def test_where_there_is_no_chat_nothing_can_be_asked():
    assert steered([" maybe could go home"], Rephrased)[0].trajectory.steers[0].kind == "typed"


def test_names():
    backend = Offering([], [" a"])
    assert wording_named("typed", backend) is None
    assert [wording_named(n, backend).name for n in ("picked", "rephrased")] == ["picked", "rephrased"]

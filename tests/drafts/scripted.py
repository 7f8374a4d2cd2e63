"""A byte-level tokenizer made in code and a backend that says what it is told."""

from collections.abc import Iterator, Sequence
from functools import cache

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from midcourse.backends.protocol import Sampling, Token
from midcourse.tokens import TextTokenizer

CORPUS = "You should go home. It's a very very good day, isn't it? The café naïve 日本語 🙂🙂 don't stop the cat. " * 20
TEMPLATE = "{% for m in messages %}[{{ m.role }}] {{ m.content }}<end>{% endfor %}[assistant] "


@cache
def tokenizer() -> TextTokenizer:
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(
        [CORPUS],
        trainers.BpeTrainer(vocab_size=360, special_tokens=["<end>"], initial_alphabet=alphabet, show_progress=False),
    )
    return TextTokenizer(backend, template=TEMPLATE, eos=("<end>",))


class Scripted:
    """Says the texts it was given, one per stream; `<end>` closes one. A banned first token is left out."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)
        self.calls: list[tuple[list[int], Sampling]] = []

    def stream(self, token_ids: Sequence[int], sampling: Sampling) -> Iterator[Token]:
        self.calls.append((list(token_ids), sampling))
        text = self.texts.pop(0) if self.texts else ""
        ids = tokenizer().encode(text.removesuffix("<end>"))
        if text.endswith("<end>"):
            ids.append(tokenizer().eos[0])
        if ids and ids[0] in sampling.banned_first:
            ids = ids[1:]
        for i in ids[: sampling.max_new_tokens]:
            yield Token(i, -1.0)

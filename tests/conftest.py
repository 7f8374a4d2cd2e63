"""Fixtures that several parts share: real parts, built in code, small enough to be quick."""

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from midcourse.tokens import TextTokenizer

SENTENCES = [
    "The bridge was built in 1932 and carries two lanes of traffic across the river.",
    "To make tea, boil the water first and then pour it over the leaves.",
    "She wrote that the answer is forty-two, but the answer is not what anyone asked for.",
    "Café, naïve, 東京, and emoji 🙂 are text too.",
    "the the of of and and to to a a in in is is was was that that",
]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="session")
def tiny_tokenizer() -> TextTokenizer:
    """A byte-level BPE tokenizer with a chat template, trained on a few sentences; any text round-trips."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|im_start|>", "<|im_end|>"],
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES * 4, trainer)
    return TextTokenizer(backend, template=TEMPLATE, eos=["<|im_end|>"])

"""A Modelfile says of the template only what the model's own template really does."""

from midcourse.publish.ollama import modelfile
from midcourse.tokens import TextTokenizer
from model_folder import save_model

NAMED = (
    "{% for m in messages %}{% if loop.first and m.role != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n"
    "{% endif %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_chatml_is_written_in_ollamas_words(tiny_tokenizer):
    text = modelfile("./m.gguf", tiny_tokenizer)
    assert text.startswith("FROM ./m.gguf\n")
    assert "{{ .Role }}" in text
    assert "SYSTEM" not in text
    assert 'PARAMETER stop "<|im_end|>"' in text


def test_a_system_text_of_the_template_is_kept(tiny_tokenizer):
    tokenizer = TextTokenizer(tiny_tokenizer._text, template=NAMED, eos=["<|im_end|>"])
    assert 'SYSTEM """Be kind."""' in modelfile(".", tokenizer)


def test_any_other_template_is_left_to_ollama(tmp_path):
    text = modelfile(".", TextTokenizer.load(save_model(tmp_path)))
    assert "TEMPLATE" not in text
    assert "left to Ollama" in text

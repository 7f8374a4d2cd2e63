"""A Modelfile: how Ollama is told of a steered model. Sources: Ollama's Modelfile reference and its page on importing.

Ollama does not run a model's own chat template. Where that template is ChatML, it is said in Ollama's words, after
checking what the model's template really renders; any other is left to Ollama to recognise.
"""

from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer
from midcourse.types import Message

__all__ = ["modelfile"]

_CHATML = """TEMPLATE \"\"\"{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
\"\"\""""
_OPEN, _CLOSE = "<|im_start|>", "<|im_end|>\n"


def modelfile(source: str, tokenizer: TextTokenizer) -> str:
    """The text of a Modelfile.

    Args:
        source: What `FROM` names, relative to the Modelfile: a GGUF file or `.` for the folder's safetensors.
        tokenizer: Of the model.
    """
    lines = [f"FROM {source}"]
    system = _chatml_system(tokenizer)
    if system is None:
        lines.append("# The chat template is left to Ollama to recognise: check with `ollama show --modelfile`.")
    else:
        lines.append(_CHATML)
        if system:
            lines.append(f'SYSTEM """{system}"""')
    lines += [f'PARAMETER stop "{tokenizer.decode([end])}"' for end in tokenizer.eos]
    return "\n".join([*lines, ""])


def _chatml_system(tokenizer: TextTokenizer) -> str | None:
    """What the template says before the user if it is ChatML: a system text or nothing; None if it is not."""
    talk = [Message("user", "one"), Message("assistant", "two"), Message("user", "three")]
    said = "".join(f"{_OPEN}{m.role}\n{m.content}{_CLOSE}" for m in talk) + f"{_OPEN}assistant\n"
    try:
        rendered = tokenizer.render(talk)
    except InputError:
        return None
    if not rendered.endswith(said):
        return None
    before = rendered.removesuffix(said)
    opening = f"{_OPEN}system\n"
    if not before:
        return ""
    if before.startswith(opening) and before.endswith(_CLOSE) and '"""' not in before:
        return before.removeprefix(opening).removesuffix(_CLOSE)
    return None

"""Text to token ids and back, for text that is being corrected: chat template, cuts inside a token, forks.

Token ids are the truth and text is for people. A prefix is never rendered or tokenized a second time; only a
correction is, together with the few kept characters it needs to tokenize as running text would. Built on `tokenizers`
and jinja2 alone, so it works where transformers and torch are not installed. It knows no model and no tree.
"""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import jinja2
import tokenizers

from midcourse import templates
from midcourse.errors import InputError, ModelError
from midcourse.types import Message

__all__ = ["Splice", "TextTokenizer", "common_prefix"]


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many leading tokens two sequences share: the depth of their fork."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


@dataclass(frozen=True, slots=True)
class Splice:
    """How a correction enters a sequence of ids: keep the first `kept`, then `token_ids`."""

    kept: int
    token_ids: tuple[int, ...]


class TextTokenizer:
    """A tokenizer with its chat template, as one model uses them."""

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        *,
        template: str | None = None,
        bos: str | None = None,
        eos: Sequence[str] = (),
    ) -> None:
        self._text = backend
        self._text.no_padding()
        self._text.no_truncation()
        spec = json.loads(backend.to_str())
        spec.pop("padding", None)
        spec.pop("truncation", None)
        # Two objects of one file: in running text a literal "<|im_end|>" is text, in a rendered prompt it is the token.
        self._prompt = tokenizers.Tokenizer.from_str(json.dumps(spec))
        self._text.encode_special_tokens = True
        self._added: dict[int, str] = {t["id"]: t["content"] for t in spec.get("added_tokens", ())}
        self._byte_level = "ByteLevel" in json.dumps([spec.get("decoder"), spec.get("pre_tokenizer")])
        self.hash = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]
        self.template = template
        self.template_hash = hashlib.sha256(template.encode()).hexdigest()[:16] if template else None
        self.size: int = max(self._text.get_vocab_size(with_added_tokens=True), max(self._added, default=-1) + 1)
        self.eos = tuple(i for t in eos if (i := self._text.token_to_id(t)) is not None)
        """Ids that end an answer."""
        self.bos = bos if bos and self._text.token_to_id(bos) is not None else self._first()
        """What a template calls `bos_token`. Where only the template puts it, the tokenizer alone does not tell it."""
        self._bytes: dict[int, bytes] = {}
        self._anchor = self._encode_raw("\n") if self._encode_raw("a")[1:] or self._adds_space() else None

    @classmethod
    def load(cls, folder: str | Path) -> "TextTokenizer":
        """Read `tokenizer.json`, `tokenizer_config.json` and the chat template of a local model folder.

        Raises:
            ModelError: The folder holds no `tokenizer.json`.
        """
        folder = Path(folder)
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ModelError(
                f"{folder} holds no tokenizer.json. Give a model folder that has one; an old SentencePiece-only model "
                "gets one from transformers: AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)"
            )
        try:
            backend = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise ModelError(f"{path} cannot be read as a tokenizer: {error}") from error
        config = _read_json(folder / "tokenizer_config.json")
        eos = [_content(config.get("eos_token"))]
        for end in _ids(_read_json(folder / "generation_config.json").get("eos_token_id")):
            eos.append(backend.id_to_token(end))
        ends = tuple(dict.fromkeys(t for t in eos if t))
        return cls(backend, template=_template(folder, config), bos=_content(config.get("bos_token")), eos=ends)

    # -- text to ids ---------------------------------------------------------------------------------------------

    def encode(self, text: str) -> list[int]:
        """Ids of running text as it stands in the middle of a document: no BOS, and special tokens are plain text."""
        if not text:
            return []
        if self._anchor is None:
            return self._encode_raw(text)
        ids = self._encode_raw("\n" + text)
        return ids[len(self._anchor) :] if ids[: len(self._anchor)] == self._anchor else self._encode_raw(text)

    def encode_prompt(self, text: str) -> list[int]:
        """Ids of a raw-text prompt: with BOS where the tokenizer adds one, never with a closing EOS."""
        self._text.encode_special_tokens = True
        ids = list(self._text.encode(text, add_special_tokens=True).ids)
        while ids and ids[-1] in self.eos and len(ids) > len(self._encode_raw(text)):
            ids.pop()
        return ids

    def encode_marked(self, text: str) -> list[int]:
        """Ids as other programs make them of a rendered text: names of special tokens are those tokens, BOS added."""
        return self.encode_prompt("") + list(self._prompt.encode(text, add_special_tokens=False).ids)

    def render(self, messages: Sequence[Message], **variables: Any) -> str:
        """The prompt text of a chat, up to where the assistant begins to write.

        Raises:
            InputError: The model has no chat template, or the template refuses the messages.
        """
        if self.template is None:
            raise InputError("this model has no chat template: give the prompt as plain text instead of messages")
        try:
            known = {
                "messages": [m.to_dict() for m in messages],
                "add_generation_prompt": True,
                "tools": None,
                "documents": None,
                "bos_token": self.bos,
                "eos_token": self._text.id_to_token(self.eos[0]) if self.eos else "",
            }
            text = templates.render(self.template, {**known, **variables})
            text.encode()
        except Exception as error:  # a template is a program of whoever made the model: anything may go wrong in it
            said = str(error) if isinstance(error, jinja2.TemplateError) else f"{type(error).__name__}: {error}"
            raise InputError(f"the chat template refuses these messages: {said:.300}") from error
        return text

    def prompt_ids(self, prompt: str | Sequence[Message], **variables: Any) -> list[int]:
        """Ids of a prompt, rendered once: messages by the chat template, plain text as it is."""
        if isinstance(prompt, str):
            return self.encode_prompt(prompt)
        return self.encode_rendered(self.render(prompt, **variables))

    def encode_rendered(self, text: str) -> list[int]:
        """Ids of a whole text in which the name of a special token stands for the token, as servers read prompts."""
        return list(self._prompt.encode(text, add_special_tokens=False).ids)

    def extend_prompt(self, token_ids: Sequence[int], messages: Sequence[Message]) -> list[int]:
        """Ids of a conversation's prompt that keeps `token_ids` where its rendering begins with exactly their text."""
        rendered, known = self.render(messages), self.to_bytes(token_ids)
        if not rendered.encode().startswith(known):
            return self.prompt_ids(messages)
        rest = rendered.encode()[len(known) :].decode()
        return [*token_ids, *self.encode_rendered(rest)]

    # -- ids to text ---------------------------------------------------------------------------------------------

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes one token stands for; a special token stands for its name."""
        known = self._bytes.get(token_id)
        if known is None:
            known = self._bytes[token_id] = self._token_bytes(token_id)
        return known

    def to_bytes(self, token_ids: Sequence[int]) -> bytes:
        """The bytes of a span of tokens, whatever stands around it."""
        return b"".join(self.pieces(token_ids))

    def pieces(self, token_ids: Sequence[int]) -> list[bytes]:
        """The bytes of each token of a span."""
        known = self._bytes
        return [known[i] if i in known else self.token_bytes(i) for i in token_ids]

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of a span, special tokens included; bytes that are no whole character show as U+FFFD."""
        return self.to_bytes(token_ids).decode("utf-8", errors="replace")

    def byte_ends(self, token_ids: Sequence[int]) -> list[int]:
        """For each token the byte offset at which it ends."""
        return list(accumulate(map(len, self.pieces(token_ids))))

    def check_ids(self, token_ids: Sequence[int]) -> None:
        """Refuse ids outside the vocabulary.

        Raises:
            InputError: Some id is negative or at least `size`.
        """
        if not token_ids or (min(token_ids) >= 0 and max(token_ids) < self.size):
            return
        for i in token_ids:
            if not 0 <= i < self.size:
                raise InputError(f"token id {i} lies outside the vocabulary (0 to {self.size - 1})")

    # -- corrections ---------------------------------------------------------------------------------------------

    def splice(self, token_ids: Sequence[int], cut: int, correction: str) -> Splice:
        """Enter `correction` after the first `cut` bytes of a span of written tokens.

        The kept tokens stay as they are. A token that the cut goes through belongs to the correction as a whole, so
        that the text reads exactly as the person saw it. Where kept text and correction would tokenize differently
        as running text, tokens are taken over back to the last word boundary. Ids that come out as they were are
        kept, so the correction begins at a true fork.

        Args:
            token_ids: The tokens written so far, after the prompt.
            cut: Bytes of their text that are kept; must lie between two characters.
            correction: What the person put.
        """
        ends = [0, *self.byte_ends(token_ids)]
        whole = self.to_bytes(token_ids)
        cut = max(0, min(cut, len(whole)))
        kept = bisect_right(ends, cut) - 1
        while kept > 0 and not _starts_character(whole, ends[kept]):
            kept -= 1
        boundary = self._word_boundary(whole, ends, kept, cut)
        tail = (whole[ends[boundary] : cut]).decode("utf-8", errors="replace")
        running = self.encode(tail + correction)
        apart = [*token_ids[boundary:kept], *self.encode(_text(whole[ends[kept] : cut]) + correction)]
        if running == apart:
            return Splice(kept, tuple(apart[kept - boundary :]))
        same = common_prefix(running, token_ids[boundary:kept])
        return Splice(boundary + same, tuple(running[same:]))

    # -- inside --------------------------------------------------------------------------------------------------

    def _encode_raw(self, text: str) -> list[int]:
        return list(self._text.encode(text, add_special_tokens=False).ids)

    def _adds_space(self) -> bool:
        """Whether the tokenizer puts a space before a text, as SentencePiece models do."""
        return self.to_bytes(self._encode_raw("a")) != b"a"

    def _first(self) -> str:
        """The special token that the tokenizer itself puts before a text, if any."""
        ids = self.encode_prompt("")
        return self._added.get(ids[0], "") if ids else ""

    def _token_bytes(self, token_id: int) -> bytes:
        if token_id in self._added:
            return self._added[token_id].encode()
        piece = self._text.id_to_token(token_id)
        if piece is None:
            return b""
        if self._byte_level:
            table = _byte_table()
            return bytes(table[c] for c in piece) if all(c in table for c in piece) else piece.encode()
        if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
            return bytes([int(piece[3:5], 16)])
        return piece.replace("▁", " ").encode()

    def _word_boundary(self, whole: bytes, ends: list[int], kept: int, cut: int) -> int:
        """The last token at or before `kept` that opens a word: white space follows a non-space, or the very start."""
        for i in range(kept, 0, -1):
            at = ends[i]
            if (
                at < cut
                and _starts_character(whole, at)
                and whole[at : at + 1].isspace()
                and not whole[at - 1 : at].isspace()
            ):
                return i
        return 0


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")


def _starts_character(raw: bytes, at: int) -> bool:
    """Whether a byte offset lies between two UTF-8 characters."""
    return at >= len(raw) or raw[at] & 0xC0 != 0x80


@lru_cache(maxsize=1)
def _byte_table() -> dict[str, int]:
    """Character to byte as byte-level BPE writes bytes: printable Latin-1 as itself, the rest from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(b): b for b in printable}
    hidden = [b for b in range(256) if b not in set(printable)]
    table.update({chr(0x100 + n): b for n, b in enumerate(hidden)})
    return table


def _template(folder: Path, config: dict[str, Any]) -> str | None:
    path = folder / "chat_template.jinja"
    try:
        if path.is_file():
            return path.read_text(encoding="utf-8")
        template = config.get("chat_template")
        if isinstance(template, list):  # several named templates
            named = {str(t["name"]): t["template"] for t in template}
            template = named.get("default") or next(iter(named.values()), None)
        if isinstance(template, str):
            template.encode()
    except (UnicodeError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: the chat template cannot be read: {error}") from error
    return template if isinstance(template, str) else None


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from error
    return value if isinstance(value, dict) else {}


def _content(token: Any) -> str | None:
    """The text of a token; half a character is passed over, as a token that does not exist is."""
    content = token.get("content") if isinstance(token, dict) else token
    whole = isinstance(content, str) and not any("\ud800" <= c <= "\udfff" for c in content)
    return content if whole else None


def _ids(value: Any) -> list[int]:
    """One id or a list of them; what is no id is passed over, as a token that does not exist is."""
    return [i for i in (value if isinstance(value, list) else [value]) if type(i) is int and 0 <= i < 2**32]

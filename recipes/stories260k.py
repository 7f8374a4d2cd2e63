"""Makes a model folder of the 260-thousand-parameter stories model, to try things in seconds.

Reads the two files of karpathy/tinyllamas "stories260K" in llama2.c's format (weights, then a tokenizer of 512 pieces)
and writes what `--model FOLDER` takes. Its text is coherent enough that a steer shows.

    python recipes/stories260k.py ../shared/data/stories260k runs/stories260k
    midcourse simulate stories.txt --no-chat --model runs/stories260k --teacher builtin
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import tokenizers
import torch
from tokenizers import decoders, models, normalizers
from transformers import LlamaConfig, LlamaForCausalLM


def half_split(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows from rotary pairs side by side to transformers' two halves."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def read_model(path: Path) -> LlamaForCausalLM:
    raw = path.read_bytes()
    dim, hidden, layers, heads, kv, vocab, longest = struct.unpack("<7i", raw[:28])
    numbers, at = np.frombuffer(raw, "<f4", offset=28), 0

    def take(*shape: int) -> np.ndarray:
        nonlocal at
        at += int(np.prod(shape))
        return numbers[at - int(np.prod(shape)) : at].reshape(shape).copy()

    size = dim // heads
    parts = {"embed": take(vocab, dim), "input_norm": take(layers, dim)}
    for name, rows, columns in (("q", dim, dim), ("k", kv * size, dim), ("v", kv * size, dim), ("o", dim, dim)):
        parts[name] = take(layers, rows, columns)
    parts["post_norm"] = take(layers, dim)
    parts |= {"gate": take(layers, hidden, dim), "down": take(layers, dim, hidden), "up": take(layers, hidden, dim)}
    config = LlamaConfig(
        vocab_size=vocab, hidden_size=dim, intermediate_size=hidden, num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv, max_position_embeddings=longest, rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    weights = {"model.embed_tokens.weight": parts["embed"], "model.norm.weight": take(dim)}
    for i in range(layers):
        here = f"model.layers.{i}."
        weights[here + "self_attn.q_proj.weight"] = half_split(parts["q"][i], heads)
        weights[here + "self_attn.k_proj.weight"] = half_split(parts["k"][i], kv)
        weights[here + "self_attn.v_proj.weight"] = parts["v"][i]
        weights[here + "self_attn.o_proj.weight"] = parts["o"][i]
        weights[here + "input_layernorm.weight"] = parts["input_norm"][i]
        weights[here + "post_attention_layernorm.weight"] = parts["post_norm"][i]
        for name in ("gate", "up", "down"):
            weights[here + f"mlp.{name}_proj.weight"] = parts[name][i]
    model = LlamaForCausalLM(config)
    missing = model.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()}, strict=False)
    assert set(missing.missing_keys) <= {"lm_head.weight"}, missing
    model.tie_weights()
    return model


def read_tokenizer(path: Path, size: int) -> tokenizers.Tokenizer:
    raw, at = path.read_bytes(), 4
    pieces, scores = [], []
    for _ in range(size):
        score, length = struct.unpack("<fi", raw[at : at + 8])
        pieces.append(raw[at + 8 : at + 8 + length].decode("utf-8").strip("\n").replace(" ", "▁"))
        scores.append(score)
        at += 8 + length
    pieces[:3] = ["<unk>", "<s>", "</s>"]
    vocab = {p: i for i, p in enumerate(pieces)}
    merges = [
        (-scores[i], (p[:k], p[k:]))
        for i, p in enumerate(pieces)
        for k in range(1, len(p))
        if i > 258 and p[:k] in vocab and p[k:] in vocab
    ]
    backend = tokenizers.Tokenizer(
        models.BPE(vocab, [m for _, m in sorted(merges)], unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    backend.add_special_tokens(["<unk>", "<s>", "</s>"])
    backend.post_processor = tokenizers.processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return backend


def main() -> None:
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    model = read_model(source / "stories260K.bin")
    model.save_pretrained(out)
    read_tokenizer(source / "tok512.bin", model.config.vocab_size).save(str(out / "tokenizer.json"))
    (out / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))
    print(out)


if __name__ == "__main__":
    main()

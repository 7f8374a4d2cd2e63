"""The other families: requests and answers at the proxy, cuts in tokens, chat templates, rules, servers, model folders.

Bytes in, nothing out but `MidcourseError`.
"""

import contextlib
import json
from functools import cache
from typing import Any

import httpx
import yaml
from ground import FOLDER, TOKENIZER, json_of, made_tokenizer

from midcourse.backends.protocol import Sampling
from midcourse.backends.remote.backend import RemoteBackend
from midcourse.backends.remote.dialects import DIALECTS
from midcourse.capture.proxy.answer import Reader
from midcourse.capture.proxy.asking import read_request, route_of
from midcourse.capture.proxy.exchange import Exchange
from midcourse.capture.proxy.fields import FIELDS
from midcourse.capture.proxy.recognise import recognise
from midcourse.capture.proxy.written import begin, edited_turn, go_on
from midcourse.drafts.cuts import character_ends, cut_out
from midcourse.drafts.simulate.rules import RuleSet
from midcourse.errors import MidcourseError
from midcourse.model import adapter_base, weights_hash
from midcourse.tokens import TextTokenizer
from midcourse.types import Message

__all__ = ["model", "proxy", "rules", "template", "tokens", "wire"]


def proxy(data: bytes) -> None:
    """`{path, type, encoding, earlier: [[body, text, end]], body, answer: [parts]}`: what the proxy sees of a chat."""
    value = json_of(data)
    if not isinstance(value, dict):
        return
    parts = value.get("answer")
    said = [p.encode("utf-8", "surrogatepass") for p in parts if isinstance(p, str)] if isinstance(parts, list) else []
    reader = Reader(str(value.get("type")), str(value.get("encoding") or ""))
    for part in said:
        reader.feed(part)
    reader.done()
    for kinds in FIELDS.values():
        for fields in kinds.values():
            asked, stripper = fields.added(_body(value.get("body")))
            assert isinstance(asked, bytes)
            if stripper is not None and stripper.began(str(value.get("type"))):
                for part in said:
                    stripper.shown(part)
                stripper.rest()
    route = route_of("POST", str(value.get("path")))
    if route is None:
        return
    request = read_request(route, _body(value.get("body")))
    earlier = []
    for n, one in enumerate(value["earlier"] if isinstance(value.get("earlier"), list) else ()):
        if isinstance(one, list) and len(one) == 3 and isinstance(one[1], str) and (before := _read(route, one[0])):
            earlier.append(Exchange(f"e{n}", before.asked, one[1], "stop" if one[2] else "aborted", float(n)))
    if request is None:
        return
    found = recognise(request.asked, earlier, at=99.0)
    recognise(request.asked, earlier, exact=True)
    was = next((e for e in earlier if e.id == found.exchange), None)
    if was is None:
        return
    written, steers = go_on(begin(was.id, was.asked), was, request.asked, found, "new")
    assert all(0 <= a <= b <= len(written.given) for a, b in written.person)
    for turn in {e.turn for e in found.edits if route == "chat" and e.turn < len(request.asked.turns)}:
        edited_turn(was, turn, request.asked, [e for e in found.edits if e.turn == turn])
    assert all(row.prefix + row.chosen == written.given[: row.end] for row in steers if row.kind != "ended")


def _body(value: Any) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json.dumps(value).encode()


def _read(route: Any, value: Any) -> Any:
    return read_request(route, _body(value))


def tokens(data: bytes) -> None:
    """`{text, cut, end, put, drop}`: a text cut and mended; it reads exactly as the person saw it."""
    value = json_of(data)
    if not isinstance(value, dict) or not all(isinstance(value.get(k), str) for k in ("text", "put")):
        return
    text, put = (value[k].encode("utf-8", "replace").decode() for k in ("text", "put"))
    ids = TOKENIZER.encode(text)
    assert TOKENIZER.decode(ids) == text
    drop = value.get("drop")
    if isinstance(drop, int) and ids:
        del ids[drop % len(ids)]  # half a character may be left, as models leave it
    whole = TOKENIZER.to_bytes(ids)
    ends = character_ends(whole)
    assert ends[-1] == len(whole)
    cut, end = (ends[v % len(ends)] if isinstance(v := value.get(k), int) else 0 for k in ("cut", "end"))
    end = max(cut, end)
    spliced = TOKENIZER.splice(ids, cut, put)
    read = TOKENIZER.decode([*ids[: spliced.kept], *spliced.token_ids])
    assert read == whole[:cut].decode("utf-8", "replace") + put, (read, whole[:cut], put)
    local = cut_out(TOKENIZER, ids, cut, end, put)
    read = TOKENIZER.decode([*ids[: local.kept], *local.token_ids, *ids[local.tail :]])
    assert read == whole[:cut].decode("utf-8", "replace") + put + whole[end:].decode("utf-8", "replace")


def template(data: bytes) -> None:
    """`{template, messages}`: a chat template of a model that nobody knows."""
    value = json_of(data)
    if not isinstance(value, dict) or not isinstance(value.get("template"), str):
        return
    said = value["template"].encode("utf-8", "replace").decode()
    with contextlib.suppress(MidcourseError):
        found = value.get("messages")
        messages = [Message.from_dict(m) for m in found if isinstance(m, dict)] if isinstance(found, list) else []
        made = made_tokenizer(said)
        made.extend_prompt(made.prompt_ids(messages), messages)


def rules(data: bytes) -> None:
    """A YAML file of rules."""
    text = data.decode("utf-8", "replace")
    (FOLDER / "rules.yaml").write_text(text, encoding="utf-8")
    with contextlib.suppress(MidcourseError):
        RuleSet.load(FOLDER / "rules.yaml")
    with contextlib.suppress(MidcourseError, yaml.YAMLError):
        RuleSet.of(json_of(data), "rules.json")


@cache
def _backend(dialect: str) -> RemoteBackend:
    """One for all inputs: a client of its own reads all certificates, which takes longer than any input."""
    return RemoteBackend("http://server", TOKENIZER, dialect=dialect, model="m")


def wire(data: bytes) -> None:
    """`{dialect, lines}`: what a model server sends, as the backend reads it."""
    value = json_of(data)
    if (
        not isinstance(value, dict)
        or str(value.get("dialect")) not in DIALECTS
        or not isinstance(value.get("lines"), list)
    ):
        return
    lines = [x if isinstance(x, str) else "data: " + json.dumps(x) for x in value["lines"]]
    body = "\n".join(lines).encode("utf-8", "replace")
    answer = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    with contextlib.suppress(MidcourseError):
        backend = _backend(str(value["dialect"]))
        backend.line._client = httpx.Client(transport=answer)
        for token in backend.stream(TOKENIZER.encode("the cat"), Sampling(max_new_tokens=50, alternatives=3)):
            assert all(0 <= i < TOKENIZER.size for i in (token.id, *(other for other, _ in token.alternatives)))


def model(data: bytes) -> None:
    """`{file name: what it holds}`: the small files of a model and an adapter folder."""
    value = json_of(data)
    if not isinstance(value, dict):
        return
    folder = FOLDER / "model"
    folder.mkdir(exist_ok=True)
    names = ("tokenizer_config.json", "generation_config.json", "chat_template.jinja", "midcourse.json")
    for name in names:
        said = value.get(name)
        (folder / name).write_bytes(_body(said) if said is not None else b"{}")
    _tokenizer(folder)
    header = _body(value.get("header"))
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 64)
    for read in (TextTokenizer.load, adapter_base, weights_hash):
        with contextlib.suppress(MidcourseError):
            read(folder)
    (folder / ".midcourse-weights.json").unlink(missing_ok=True)


def _tokenizer(folder: Any) -> None:
    path = folder / "tokenizer.json"
    if not path.exists():
        TOKENIZER._text.save(str(path))

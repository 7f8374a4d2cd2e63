"""A model server in a thread: speaks a dialect exactly as documented, and refuses every field it does not know.

Its model is a fixed rule over a byte vocabulary (257 ids, 256 ends): greedy continues its text after any prompt, the
second-likeliest token is the next letter in upper case. Its `fault` may change while it runs.
"""

import json
import math
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT = " grey café."
END = 256
KNOWN = {
    "/completion": "prompt n_predict stream cache_prompt return_tokens n_probs temperature top_p samplers seed "
    "logit_bias",
    "/v1/completions": "model prompt max_tokens stream temperature top_p seed logprobs logit_bias",
    "vllm": "return_token_ids return_tokens_as_token_ids skip_special_tokens add_special_tokens top_k min_p "
    "repetition_penalty stop_token_ids",
    "/generate": "input_ids sampling_params stream return_logprob top_logprobs_num",
    "/api/generate": "model prompt raw stream logprobs top_logprobs options",
}
OWNERS = {"llama.cpp": "llamacpp", "vllm": "vllm", "sglang": "sglang", "ollama": "library", "openai": "someone"}
OWNERS["midcourse"] = "midcourse"
LIKE_VLLM = ("vllm", "midcourse")
PATHS = {"/completion": "llama.cpp", "/generate": "sglang", "/api/generate": "ollama"}


class Script:
    """What the server does, and what it was asked."""

    def __init__(self, dialect: str, text: str, ids: list[int], fault: str = "", key: str = ""):
        self.dialect, self.text, self.ids, self.fault, self.key = dialect, text, ids, fault, key
        self.asked: list[dict] = []
        self.gone = threading.Event()
        self.url = ""

    def answer(self, prompt, most: int, banned: set[int]) -> list[int]:
        """Ids from where the prompt leaves off in the text."""
        given = prompt.encode() if isinstance(prompt, str) else bytes(self.byte(i) for i in prompt if i != END)
        whole = self.text.encode()
        at = next((k for k in range(len(whole), 0, -1) if given.endswith(whole[:k])), 0)
        out = [*self.ids[at:], END][:most]
        return [
            next(i for i in (self.upper(t), self.byte_id("?")) if i not in banned) if t in banned else t for t in out
        ]

    def byte(self, token: int) -> int:
        return self.table[token]

    def upper(self, token: int) -> int:
        if token == END:
            return self.byte_id("!")
        letter = chr(self.byte(token))
        return self.byte_id(letter.upper() if letter.isascii() and letter.islower() else "_")

    def byte_id(self, letter: str) -> int:
        return self.back[letter.encode("latin-1")[0]]


def rows(ids: list[int], upper) -> list[tuple[int, float, list[tuple[int, float]]]]:
    likely = math.log(0.75)
    return [(i, likely, [(i, likely), (upper(i), math.log(0.125))]) for i in ids]


def whole_characters(script: Script, ids: list[int]):
    """(text, ids) per event: text comes once it is whole UTF-8."""
    raw: list[int] = []
    for i in ids:
        raw.append(i)
        piece = b"" if i == END else bytes(script.byte(t) for t in raw if t != END)
        try:
            yield piece.decode(), list(raw)
            raw = []
        except UnicodeDecodeError:
            continue


def llama_cpp(script, body):
    banned = {i for i, off in body["logit_bias"] if off is False}
    ids = script.answer(body["prompt"], body["n_predict"], banned)
    told = {r[0]: r for r in rows(ids, script.upper)}
    for text, part in whole_characters(script, ids):
        i, logprob, best = told[part[-1]]
        top = [{"id": b, "logprob": p, "token": "", "bytes": []} for b, p in best[: body["n_probs"]]]
        yield {
            "content": text,
            "tokens": [i],  # of a split character only the last id is streamed
            "stop": False,
            "completion_probabilities": [
                {"id": i, "logprob": logprob, "token": text, "bytes": list(text.encode()), "top_logprobs": top}
            ],
        }
    yield {"content": "", "tokens": [], "stop": True, "stop_type": "eos" if END in ids else "limit"}


def openai(script, body):
    vllm = script.dialect in LIKE_VLLM
    banned = {int(i) for i in body.get("logit_bias", {})}
    ids = script.answer(body["prompt"], body["max_tokens"], banned)

    def name(i):
        if vllm:
            return f"token_id:{i}"
        byte = script.byte(i)
        return chr(byte) if byte < 128 else f"bytes:\\x{byte:02x}"

    shown = [i for i in ids if vllm or i != END]
    raw = b""
    for k, (i, logprob, best) in enumerate(rows(shown, script.upper)):
        raw += b"" if i == END else bytes([script.byte(i)])
        try:
            text, raw = raw.decode(), b""
        except UnicodeDecodeError:
            text = ""
        last = k + 1 == len(shown)
        choice = {
            "index": 0,
            "text": text,
            "logprobs": {
                "tokens": [name(i)],
                "token_logprobs": [logprob],
                "top_logprobs": [{name(b): p for b, p in best[: body["logprobs"]]}],
                "text_offset": [0],
            },
            "finish_reason": ("stop" if END in ids else "length") if last else None,
        }
        yield {"choices": [choice | ({"token_ids": [i]} if vllm else {})]}
    yield {"choices": [], "usage": {"completion_tokens": len(ids)}}


def sglang(script, body):
    drawn = body["sampling_params"]
    banned = {int(i) for i in drawn.get("logit_bias", {})}
    ids = script.answer(body["input_ids"], drawn["max_new_tokens"], banned)
    told = rows(ids, script.upper)
    for k in range(1, len(ids) + 1):
        text = bytes(script.byte(i) for i in ids[:k] if i != END).decode(errors="ignore")
        meta = {
            "output_token_logprobs": [[p, i, None] for i, p, _ in told[:k]],
            "output_top_logprobs": [
                [[p, b, None] for b, p in best[: body["top_logprobs_num"]]] for _, _, best in told[:k]
            ],
            "finish_reason": {"type": "stop" if END in ids else "length"} if k == len(ids) else None,
        }
        yield {"text": text, "output_ids": ids[:k], "meta_info": meta}


def ollama(script, body):
    ids = script.answer(body["prompt"], body["options"]["num_predict"], set())

    def row(i, logprob):
        return {"token": chr(script.byte(i)), "bytes": [script.byte(i)], "logprob": logprob}

    shown = [i for i in ids if i != END]
    for i, logprob, best in rows(shown, script.upper):
        top = [row(*b) for b in best[: body["top_logprobs"]]]
        yield {"response": "", "done": False, "logprobs": [row(i, logprob) | {"top_logprobs": top}]}
    yield {"response": "", "done": True, "done_reason": "stop" if END in ids else "length"}


SPOKEN = {"/completion": llama_cpp, "/v1/completions": openai, "/generate": sglang, "/api/generate": ollama}


def handler(script: Script):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def say(self, status: int, body: dict | bytes):
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def barred(self) -> bool:
            if script.key and self.headers.get("Authorization") != f"Bearer {script.key}":
                self.say(401, {"error": {"message": "Invalid API Key", "code": 401}})
                return True
            return False

        def do_GET(self):
            if self.barred():
                return
            if script.fault == "page":
                self.say(200, b"<!doctype html><p>Welcome")
            elif self.path == "/v1/models":
                self.say(200, {"object": "list", "data": [{"id": "tiny", "owned_by": OWNERS[script.dialect]}]})
            else:
                self.say(404, {"error": "not found"})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            script.asked.append(body)
            if self.barred():
                return
            if self.path not in SPOKEN or PATHS.get(self.path, script.dialect) != script.dialect:
                self.say(404, {"error": "not found"})
                return
            known = KNOWN[self.path] + (" " + KNOWN["vllm"] if script.dialect in LIKE_VLLM else "")
            if unknown := set(body) - set(known.split()):
                self.say(400, {"error": {"message": f"unknown fields {sorted(unknown)}"}})
                return
            self.send_response(200)
            self.end_headers()
            try:
                self.events(body)
            except (BrokenPipeError, ConnectionResetError):
                script.gone.set()
            self.close_connection = True

        def events(self, body: dict):
            lines = self.path == "/api/generate"
            if script.fault == "slow":
                time.sleep(1.5)
            for k, event in enumerate(SPOKEN[self.path](script, body)):
                if k == 2 and script.fault == "cut":
                    return
                if k == 2 and script.fault == "silent":
                    time.sleep(1.5)
                if k == 2 and script.fault == "garbage":
                    self.wfile.write(b"data: {]\n\n")
                if k == 2 and script.fault == "other":
                    event = {"something": "else"}
                if k == 2 and script.fault == "error":
                    event = {"error": {"message": "out of memory"}}
                if script.fault == "patient":
                    time.sleep(0.05)
                said = json.dumps(event)
                self.wfile.write((f"{said}\n" if lines else f": ping\n\ndata: {said}\n\n").encode())
                self.wfile.flush()
            if not lines and self.path != "/completion":
                self.wfile.write(b"data: [DONE]\n\n")

    return Handler


@contextmanager
def serving(dialect: str, tokenizer, fault: str = "", key: str = "", text: str = TEXT, port: int = 0):
    """A server in a thread; `port` lets one come back where it was."""
    script = Script(dialect, text, tokenizer.encode(text), fault, key)
    script.table = {i: tokenizer.token_bytes(i)[0] for i in range(256)}
    script.back = {b: i for i, b in script.table.items()}
    server = ThreadingHTTPServer(("127.0.0.1", port), handler(script))
    server.daemon_threads = True
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

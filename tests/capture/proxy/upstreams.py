"""A model server in a thread over real sockets: writes what it is told to, refuses every field it does not know."""

import gzip
import json
import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KNOWN = frozenset(
    ("model", "messages", "prompt", "stream", "temperature", "max_tokens", "user", "n", "tools", "stop", "seed")
) | {"stream_options", "suffix"}
IDS = {"vllm": {"return_token_ids"}, "llama.cpp": {"logprobs", "top_logprobs", "return_tokens", "n_predict"}}
OWNERS = {"vllm": "vllm", "llama.cpp": "llamacpp", "openai": "someone"}
PLAIN = ("/v1/chat/completions", "/v1/completions")


def pieces(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+\Z", text)


class Script:
    """What the server does, and what it was asked."""

    def __init__(self, dialect="openai", replies=(), fault="", delay=0.0, tokenizer=None, packed=False):
        self.dialect, self.replies, self.fault, self.delay = dialect, list(replies), fault, delay
        self.tokenizer, self.packed = tokenizer, packed
        self.asked: list[dict] = []
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.gone = threading.Event()
        self.written = 0
        self.go = threading.Event()
        self.go.set()
        self.url = ""

    def reply(self) -> str:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0] if self.replies else "Hello there."

    def tokens(self, piece: str) -> list[int]:
        return self.tokenizer.encode(piece)


def choice(script: Script, body: dict, chat: bool, text: str | None, end: str | None, whole: bool) -> dict:
    row: dict = {"index": 0, "finish_reason": end}
    if chat:
        row["message" if whole else "delta"] = {"content": text} if text is not None else {}
    else:
        row["text"] = text or ""
        row["logprobs"] = None
    ids = script.tokens(text) if text and script.tokenizer else []
    if body.get("return_token_ids"):
        row["token_ids"] = ids
    if body.get("logprobs"):
        row["logprobs"] = {"content": [{"id": i, "token": "", "logprob": -0.5, "top_logprobs": []} for i in ids]}
    return row


def handler(script: Script):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def say(self, status: int, body: dict | bytes, kind: str = "application/json", **more: str):
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            if script.packed and kind == "application/json":
                raw, more = gzip.compress(raw, mtime=0), {**more, "Content-Encoding": "gzip"}
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(raw)))
            for name, value in more.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(raw)

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            out = b""
            while size := int(self.rfile.readline(), 16):
                out += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return out

        def handle_any(self):
            raw = self.body()
            script.seen.append((self.command, self.path, dict(self.headers), raw))
            path = self.path.partition("?")[0]
            if path == "/v1/models":
                self.say(200, {"object": "list", "data": [{"id": "tiny", "owned_by": OWNERS[script.dialect]}]})
            elif path == "/empty":
                self.send_response(204)
                self.end_headers()
            elif path in PLAIN or (path == "/completion" and script.dialect == "llama.cpp"):
                self.generate(path, raw)
            elif path == "/echo":
                self.say(200, raw, "application/octet-stream", X_Length=str(len(raw)))
            else:
                self.say(404, {"error": {"message": f"no route {self.command} {self.path}"}})

        def generate(self, path: str, raw: bytes):
            body = json.loads(raw)
            script.asked.append(body)
            if unknown := set(body) - KNOWN - IDS.get(script.dialect, set()):
                self.say(400, {"error": {"message": f"unknown fields {sorted(unknown)}"}})
                return
            if script.fault == "500":
                self.say(500, {"error": {"message": "out of memory"}})
                return
            chat, text = "chat" in path, script.reply()
            if not body.get("stream"):
                if not self.waited():
                    return
                said = {"id": "x", "model": "tiny", "choices": [choice(script, body, chat, text, "stop", True)]}
                if body.get("return_token_ids"):
                    said["prompt_token_ids"] = [1, 2, 3]
                self.say(200, said)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("X-Request-Id", "r1")
            self.end_headers()
            try:
                self.stream(body, chat, text)
            except (BrokenPipeError, ConnectionResetError):
                script.gone.set()
                self.close_connection = True

        def waited(self) -> bool:
            """Wait for the test to say go; False where the client leaves meanwhile."""
            self.connection.settimeout(0.05)
            while not script.go.is_set():
                try:
                    if self.connection.recv(1) == b"":
                        script.gone.set()
                        self.close_connection = True
                        return False
                except TimeoutError:
                    continue
            self.connection.settimeout(None)
            return True

        def stream(self, body: dict, chat: bool, text: str):
            first = {"choices": [choice(script, body, chat, "", None, False)]}
            if body.get("return_token_ids"):
                first["prompt_token_ids"] = [1, 2, 3]
            self.chunk(first)
            for n, piece in enumerate(pieces(text)):
                if n == 2 and script.fault == "cut":
                    self.connection.shutdown(2)
                    self.close_connection = True
                    return
                if n == 2 and script.fault == "garbage":
                    self.chunk(b"data: {]\n\n\x00\xff\n\n")
                if n == 2 and script.fault == "stalls" and not self.waited():
                    return
                script.written += 1  # before it is sent: who has read a token finds it counted
                self.chunk({"choices": [choice(script, body, chat, piece, None, False)]})
                if script.delay:
                    time.sleep(script.delay)
            self.chunk({"choices": [choice(script, body, chat, None, "stop", False)]})
            self.chunk(b"data: [DONE]\n\n")
            self.wfile.write(b"0\r\n\r\n")

        def chunk(self, event: dict | bytes):
            raw = event if isinstance(event, bytes) else f"data: {json.dumps(event)}\n\n".encode()
            self.wfile.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")
            self.wfile.flush()

    for method in ("GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"):
        setattr(Handler, f"do_{method}", Handler.handle_any)
    return Handler


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 300

    def handle_error(self, request, client_address):
        pass  # a client that left is what is tested


@contextmanager
def scripted(*args, **named):
    """A server in a thread."""
    script = Script(*args, **named)
    server = Server(("127.0.0.1", 0), handler(script))
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        script.go.set()
        server.shutdown()
        server.server_close()
        thread.join()

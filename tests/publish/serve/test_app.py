"""The routes over a real port: what is said, streamed, continued, refused."""

import json
import threading
import time

import httpx
import pytest

import model_served
from midcourse.backends.local import LocalBackend
from midcourse.backends.protocol import Sampling
from midcourse.model import load_model
from midcourse.publish.serve.answering import MOST_ANSWERS
from midcourse.types import Message


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with model_served.serve(tmp_path_factory.mktemp("served")) as made:
        yield made


@pytest.fixture(scope="module")
def alone(served):
    """What the model says without a server."""
    loaded = load_model(served.base)
    backend = LocalBackend(loaded.model, loaded.tokenizer.eos)

    def say(ids, **sampling):
        return list(backend.stream(ids, Sampling(**({"max_new_tokens": 12} | sampling))))

    say.tokenizer = loaded.tokenizer
    return say


def events(answer: httpx.Response) -> list[dict]:
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_models_are_listed_with_their_base(served):
    listed = httpx.get(f"{served.url}/v1/models").json()["data"]
    assert [(m["id"], m["parent"], m["owned_by"]) for m in listed] == [
        ("tiny", None, "midcourse"),
        ("steered", "tiny", "midcourse"),
    ]
    assert httpx.get(f"{served.url}/v1/models/steered").json()["max_model_len"] == 256
    assert httpx.get(f"{served.url}/health").json() == {"status": "ok"}


def test_a_chat_says_what_the_model_says(served, alone):
    reply = served.chat("Hello", return_token_ids=True).json()
    want = alone(alone.tokenizer.prompt_ids([Message("user", "Hello")]))
    [choice] = reply["choices"]
    assert choice["token_ids"] == [t.id for t in want]
    assert reply["usage"]["completion_tokens"] == len(want)
    assert reply["usage"]["prompt_tokens"] == len(alone.tokenizer.prompt_ids([Message("user", "Hello")]))
    assert choice["message"]["role"] == "assistant"
    assert choice["finish_reason"] == ("stop" if want[-1].id == 256 else "length")
    plain = served.chat("Hello").json()
    assert "token_ids" not in plain["choices"][0]
    assert plain["choices"][0]["message"] == choice["message"]


def test_a_stream_is_the_same_in_pieces(served):
    whole = served.chat("Hello").json()
    streamed = served.chat("Hello", stream=True, stream_options={"include_usage": True})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    said = events(streamed)
    assert said[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert (
        "".join(e["choices"][0]["delta"].get("content", "") for e in said[:-1])
        == (whole["choices"][0]["message"]["content"])
    )
    assert said[-2]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert said[-1]["choices"] == []
    assert said[-1]["usage"] == whole["usage"]
    assert len({e["id"] for e in said}) == 1


def test_an_adapter_answers_by_its_name(served):
    assert served.chat("Hello", model="steered").json()["choices"] != served.chat("Hello").json()["choices"]
    prints = {served.chat("Hello", model=m).json()["system_fingerprint"] for m in ("tiny", "steered")}
    assert len(prints) == 2


@pytest.mark.parametrize("how", [{}, {"continue_final_message": True, "add_generation_prompt": False}])
def test_an_unfinished_answer_is_gone_on_with(served, alone, how):
    reply = served.chat("Hello", "It is  ", return_token_ids=True, **how).json()
    prompt = [*alone.tokenizer.prompt_ids([Message("user", "Hello")]), *alone.tokenizer.encode("It is  ")]
    assert reply["prompt_token_ids"] == prompt
    assert reply["choices"][0]["token_ids"] == [t.id for t in alone(prompt)]


def test_continued_from_its_own_middle_it_says_the_rest(served):
    ids = [104, 101, 108]
    endless = {"return_token_ids": True, "stop_token_ids": []}
    whole = served.complete(ids, **endless).json()["choices"][0]["token_ids"]
    rest = served.complete([*ids, *whole[:5]], **endless, max_tokens=7).json()["choices"][0]["token_ids"]
    assert whole[:5] + rest == whole


def test_a_last_message_of_the_assistant_can_be_a_turn_of_its_own(served, alone):
    reply = served.chat("Hello", "It is", continue_final_message=False, return_token_ids=True).json()
    turns = [Message("user", "Hello"), Message("assistant", "It is")]
    assert reply["prompt_token_ids"] == alone.tokenizer.prompt_ids(turns)


def test_logprobs_are_the_models_own(served, alone):
    want = alone([104, 101, 108], alternatives=3)
    told = served.complete([104, 101, 108], logprobs=3, return_token_ids=True, return_tokens_as_token_ids=True).json()
    logprobs = told["choices"][0]["logprobs"]
    assert logprobs["tokens"] == [f"token_id:{t.id}" for t in want]
    assert logprobs["token_logprobs"] == pytest.approx([t.logprob for t in want], abs=1e-4)
    assert logprobs["top_logprobs"][0] == pytest.approx({f"token_id:{i}": p for i, p in want[0].alternatives}, abs=1e-4)
    hot = served.complete([104, 101, 108], logprobs=1, temperature=1.5, seed=3, max_tokens=1, return_token_ids=True)
    [drawn], [logprob] = hot.json()["choices"][0]["token_ids"], hot.json()["choices"][0]["logprobs"]["token_logprobs"]
    [cold] = alone([104, 101, 108], temperature=1.5, seed=3, max_new_tokens=1)
    assert (drawn, logprob) == (cold.id, pytest.approx(cold.logprob, abs=1e-4))  # before the temperature


def test_a_chat_has_logprobs_with_bytes(served):
    content = served.chat("Hello", logprobs=True, top_logprobs=2).json()["choices"][0]["logprobs"]["content"]
    assert all(len(row["top_logprobs"]) == 2 for row in content)
    assert content[0]["logprob"] == content[0]["top_logprobs"][0]["logprob"]
    assert bytes(content[0]["bytes"])
    assert "logprobs" in served.chat("Hello").json()["choices"][0]


def test_draws_repeat_with_a_seed_and_differ_without(served):
    def text(**more):
        return served.chat("Hello", temperature=1.2, **more).json()["choices"][0]["message"]["content"]

    assert text(seed=4) == text(seed=4)
    assert len({text() for _ in range(4)}) > 1
    assert text(seed=4, top_p=1e-9) == served.chat("Hello").json()["choices"][0]["message"]["content"]


def test_a_stop_text_ends_the_answer_before_it(served):
    whole = served.complete("hel", max_tokens=40).json()["choices"][0]["text"]
    plain = next(c for c in whole[1:] if c.isascii())
    cut = served.complete("hel", max_tokens=40, stop=[plain, "never"]).json()["choices"][0]
    assert cut["text"] == whole[: whole.index(plain)]
    assert cut["finish_reason"] == "stop"
    streamed = events(served.complete("hel", max_tokens=40, stop=plain, stream=True))
    assert "".join(e["choices"][0]["text"] for e in streamed) == cut["text"]


def test_tokens_can_be_ruled_out_and_other_ends_named(served):
    endless = {"return_token_ids": True, "stop_token_ids": []}
    whole = served.complete([104, 101], **endless).json()["choices"][0]["token_ids"]
    ban = {str(whole[0]): -100, str(whole[3]): -100}
    other = served.complete([104, 101], **endless, logit_bias=ban).json()["choices"][0]["token_ids"]
    assert not {whole[0], whole[3]} & set(other)
    ended = served.complete([104, 101], return_token_ids=True, stop_token_ids=[whole[2]]).json()["choices"][0]
    assert ended["token_ids"] == whole[: whole.index(whole[2]) + 1]
    assert ended["finish_reason"] == "stop"


def test_several_prompts_are_several_choices(served):
    both = served.complete(["hel", "goo"], return_token_ids=True).json()
    assert [c["index"] for c in both["choices"]] == [0, 1]
    for choice, prompt in zip(both["choices"], ("hel", "goo"), strict=True):
        assert choice["text"] == served.complete(prompt).json()["choices"][0]["text"]
    streamed = events(served.complete(["hel", "goo"], stream=True))
    texts = ["".join(e["choices"][0]["text"] for e in streamed if e["choices"][0]["index"] == n) for n in (0, 1)]
    assert texts == [c["text"] for c in both["choices"]]


def refused(answer: httpx.Response, status: int) -> dict:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def test_errors_have_openais_shape(served):
    assert refused(served.chat("Hi", model="gpt"), 404)["code"] == "model_not_found"
    assert refused(httpx.get(f"{served.url}/v1/models/gpt"), 404)["param"] == "model"
    assert "there is no GET /v1/nothing" in refused(httpx.get(f"{served.url}/v1/nothing"), 404)["message"]
    refused(httpx.get(f"{served.url}/v1/completions"), 405)
    assert refused(served.chat("Hi", temperature=-1), 400)["param"] == "temperature"
    assert refused(served.post("chat/completions", model="tiny"), 400)["param"] == "messages"
    assert "n cannot be done" in refused(served.chat("Hi", n=2), 400)["message"]
    assert "tools cannot be done" in refused(served.chat("Hi", tools=[{"type": "function"}]), 400)["message"]
    assert "echo" in refused(served.complete("Hi", echo=True), 400)["message"]
    assert "-100" in refused(served.complete("Hi", logit_bias={"5": 20}), 400)["message"]
    assert refused(served.complete("x" * 300), 400)["code"] == "context_length_exceeded"
    assert "no tokens" in refused(served.complete(""), 400)["message"]
    assert "vocabulary" in refused(served.complete([999]), 400)["message"]
    assert (
        "message before it"
        in refused(
            served.post("chat/completions", model="tiny", messages=[{"role": "assistant", "content": "a"}]), 400
        )["message"]
    )
    broken = httpx.post(f"{served.url}/v1/completions", content=b"{", headers={"Content-Type": "application/json"})
    refused(broken, 400)
    half = httpx.post(
        f"{served.url}/v1/completions",
        content=b'{"model": "tiny", "prompt": "\\ud800"}',
        headers={"Content-Type": "application/json"},
    )
    assert refused(half, 400)["param"] == "prompt"
    picture = [{"type": "image_url", "image_url": {"url": "x"}}]
    refused(served.post("chat/completions", model="tiny", messages=[{"role": "user", "content": picture}]), 400)


def test_who_goes_away_stops_the_model(served):
    body = {"model": "tiny", "prompt": "hel", "max_tokens": 200, "temperature": 0, "stop_token_ids": [], "stream": True}
    with httpx.stream("POST", f"{served.url}/v1/completions", json=body, timeout=30) as stream:
        next(stream.iter_lines())
    deadline = time.monotonic() + 10
    while served.app.state.answers._places._value < MOST_ANSWERS and time.monotonic() < deadline:
        time.sleep(0.02)
    assert served.app.state.answers._places._value == MOST_ANSWERS
    assert all(lease.users == 0 for lease in served.models._now.values())


def test_many_at_once_all_get_what_they_would_get_alone(served):
    prompts = [f"word {n}" for n in range(8)]
    want = [served.complete(p).json()["choices"][0]["text"] for p in prompts]
    found = {}

    def ask(n):
        model = "tiny" if n % 2 else "steered"
        found[n] = served.complete(prompts[n], model=model).json()["choices"][0]["text"]

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert [found[n] for n in range(1, 8, 2)] == want[1::2]


def test_too_many_are_told_to_wait(served, monkeypatch):
    monkeypatch.setattr(served.app.state.answers, "_places", threading.BoundedSemaphore(1))
    assert served.app.state.answers._places.acquire(blocking=False)
    answer = served.chat("Hi")
    assert refused(answer, 429)["type"] == "rate_limit_error"
    assert answer.headers["retry-after"] == "1"
    served.app.state.answers._places.release()
    assert served.chat("Hi").status_code == 200


def test_a_foreign_name_is_refused_without_a_key(served):
    answer = httpx.get(f"{served.url}/v1/models", headers={"Host": "evil.example"})
    assert "loopback" in refused(answer, 403)["message"]


def test_a_key_is_asked_for(tmp_path):
    with model_served.serve(tmp_path, key="right") as made:
        assert refused(made.chat("Hi"), 401)["code"] == "invalid_api_key"
        sent = {"Authorization": "Bearer right", "Host": "studio.example"}
        assert httpx.get(f"{made.url}/v1/models", headers=sent).status_code == 200
        assert httpx.get(f"{made.url}/health").status_code == 200

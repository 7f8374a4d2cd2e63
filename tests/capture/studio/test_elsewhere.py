"""The studio on model servers of every kind, over real sockets: exact ids, and nothing lost when one goes."""

import time
from contextlib import ExitStack, contextmanager

import pytest
from served import serve

import llama_server
from midcourse.backends.remote import DIALECTS, Ability, Report, probe
from midcourse.builtin import GGUF, builtin_gguf, cache_folder
from midcourse.capture.studio import elsewhere, pump
from midcourse.capture.studio.elsewhere import Server, server_loader
from midcourse.errors import InputError, ServerError
from midcourse.model import builtin_path
from midcourse.tokens import TextTokenizer
from model_folder import save_model
from model_server import serving

ALL = sorted(DIALECTS)
BY_IDS = [name for name, dialect in DIALECTS.items() if dialect().by_ids]
SAID = "grey café on the hill."


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return TextTokenizer.load(save_model(tmp_path_factory.mktemp("tiny")))


@contextmanager
def studio(tmp_path, server, tokenizer, patience=5.0, **settings):
    load = server_loader(Server(server.url, patience=patience), tokenizer)
    with serve(tmp_path, load=load, max_new_tokens=40, **settings) as served:
        server.asked.clear()
        yield served


def begun(served, text="Hi"):
    page = served.page()
    assert page.do("new", text=text)["event"] == "ok"
    return page


def stored(served, page):
    return served.studio.office.store.trajectory(page.draft["id"])


def prompt_of(body):
    return body.get("prompt", body.get("input_ids"))


@pytest.mark.parametrize("dialect", ALL)
def test_write_steer_and_go_on(dialect, tokenizer, tmp_path):
    with serving(dialect, tokenizer, text=" " + SAID) as server, studio(tmp_path, server, tokenizer) as served:
        page = begun(served)
        page.rest()
        assert (page.text, page.draft["mode"]) == (SAID, "ended")
        assert page.draft["tokens"][0]["alternatives"][1]["text"] == "G"
        page.do("replace", cut=5, text="cat", shown=len(page.draft["tokens"]))
        page.rest()
        assert page.text == "grey cat " + SAID  # the rule begins anew behind words it does not know
        page.do("resample", cut=9, shown=len(page.draft["tokens"]))
        page.rest()
        assert page.text == "grey cat G " + SAID  # ruled out, or the likeliest other one taken
        t = stored(served, page)
        assert [s.kind for s in t.steers] == ["typed", "resampled"]
        resumed = next(b for b in server.asked if len(prompt_of(b)) > len(prompt_of(server.asked[0])))
        exact = t.path(t.steers[0].chosen)
        assert prompt_of(resumed) == (exact if dialect in BY_IDS else tokenizer.to_bytes(exact).decode())
        assert t.model.weights is None
        assert served.studio.office.store.verify() == []


def test_what_a_server_does_not_tell_is_no_number(tokenizer, tmp_path):
    with serving("ollama", tokenizer, text=" " + SAID) as server, studio(tmp_path, server, tokenizer) as served:
        page = begun(served)
        page.rest()
        last = page.draft["tokens"][-1]
        assert (last["ends"], last["logprob"]) == (True, None)  # its end token it keeps to itself
        again = served.page(draft=page.draft["id"])
        assert again.draft["tokens"][-1]["logprob"] is None
        model = page.welcome["model"]
        assert model["backend"] == "ollama"
        assert not model["token_ids"]
        assert model["lacks"] == (
            "tiny on ollama reads its text anew each time, does not name its tokens, cannot be forbidden a word (the "
            "likeliest other stands in place of a rejected one)."
        )
        page.do("accept", shown=len(page.draft["tokens"]))
    (tmp_path / "other").mkdir()
    with serving("vllm", tokenizer) as server, studio(tmp_path / "other", server, tokenizer) as served:
        assert (served.page().welcome["model"]["lacks"], served.page().welcome["model"]["token_ids"]) == ("", True)


def test_a_server_that_has_gone_loses_nothing(tokenizer, tmp_path):
    with ExitStack() as first:
        server = first.enter_context(serving("llama.cpp", tokenizer, text=" " + SAID))
        with studio(tmp_path, server, tokenizer) as served:
            page = begun(served)
            page.rest()
            first.close()
            made = page.do("replace", cut=5, text="cat")["steer"]
            said = page.wait("trouble", code="backend_gone")["message"]
            page.rest()
            assert "cannot be reached" in said
            assert said.endswith("The text is safe; Enter asks again")
            assert (page.text, page.draft["mode"], page.draft["ended_by"]) == ("grey cat", "paused", "trouble")
            assert [s.id for s in stored(served, page).steers] == [made]
            port = int(server.url.rpartition(":")[2])
            with serving("llama.cpp", tokenizer, text=" " + SAID, port=port):
                assert page.do("continue")["event"] == "ok"
                page.rest()
            assert (page.text, page.draft["trouble"]) == ("grey cat " + SAID, None)
            assert served.studio.office.store.verify() == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "said"),
    [("cut", "broke off"), ("error", "out of memory"), ("garbage", "no event"), ("other", "does not answer as")],
)
@pytest.mark.parametrize("dialect", ["vllm", "ollama"])
def test_an_answer_that_breaks_keeps_what_came(dialect, fault, said, tokenizer, tmp_path):
    with serving(dialect, tokenizer, text=" " + SAID) as server, studio(tmp_path, server, tokenizer) as served:
        server.fault = fault
        page = begun(served)
        trouble = page.wait("trouble", code="backend_gone")
        page.rest()
        assert said in trouble["message"]
        assert (page.text, page.draft["mode"]) == (SAID[:2], "paused")
        server.fault = ""
        page.do("continue")
        page.rest()
        assert (page.text, page.draft["trouble"]) == (SAID, None)


@pytest.mark.long
def test_a_slow_server_is_said_and_stopped_at_once(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(pump, "SILENCE", 0.2)
    monkeypatch.setattr(pump, "_LEFT_AFTER", 0.1)
    with serving("vllm", tokenizer, text=" " + SAID) as server, studio(tmp_path, server, tokenizer) as served:
        server.fault = "silent"  # for 1.5 s, after two tokens
        page = begun(served)
        busy = page.wait("trouble", code="backend_busy")
        assert (busy["passes"], "said nothing" in busy["message"]) == (True, True)
        page.rest()
        assert (page.text, page.draft["trouble"]) == (SAID, None)  # it passed
        page.do("rewind", cut=0)
        server.fault = "slow"  # nothing for 1.5 s
        page.do("continue")
        page.wait("trouble", code="backend_busy")
        began = time.monotonic()
        assert page.do("stop", shown=0)["event"] == "ok"
        assert time.monotonic() - began < 1.0
        assert (page.draft["mode"], page.draft["ended_by"], page.draft["trouble"]) == ("paused", "stopped", None)
        server.fault = ""
        page.do("continue")
        page.rest()
        text = page.text
        time.sleep(1.6)  # what the slow answer still says belongs to nobody
        assert served.page(draft=page.draft["id"]).text == text == "G " + SAID


def test_a_look_that_takes_long_holds_nothing_up(tokenizer, tmp_path):
    with serving("vllm", tokenizer, text=" " + SAID) as server, studio(tmp_path, server, tokenizer) as served:
        page = begun(served)
        page.rest()
        server.fault = "slow"
        look, began = page.send("alternatives", token=1), time.monotonic()
        assert page.do("replace", cut=5, text="cat", resume=False)["event"] == "ok"
        assert time.monotonic() - began < 1.0
        found = page.wait("found")
        assert (found["re"], found["rev"], found["token"]) == (look, 0, 1)  # of the text as it was
        assert [a["text"] for a in found["alternatives"]] == ["r", "R"]
        for token in range(9):
            page.send("alternatives", token=token % 3)
        assert page.wait("error")["code"] == "too_fast"


def test_an_adapter_is_switched_on_at_the_server(tokenizer, tmp_path):
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "adapter_config.json").write_text("{}")
    with serving("vllm", tokenizer) as server:
        with studio(tmp_path, server, tokenizer) as served:
            answer = served.client().post("api/adapters", json={"name": "one"})
            assert answer.status_code == 400
            assert "--served" in answer.json()["error"]["message"]
            assert served.client().get("api/adapters").json()["active"] is None
        with pytest.raises(InputError, match="writes with what it serves"):
            server_loader(Server(server.url), tokenizer)(tmp_path / "runs" / "one")


def test_everything_that_may_be_missing_has_words(tokenizer):
    abilities = tuple(Ability(name, False, "") for name in elsewhere._SAID)
    said = elsewhere.lacks(Report("http://x", "openai", "m", False, abilities))
    assert said.count(", ") == len(abilities) - 1
    with serving("vllm", tokenizer) as server:
        names = {a.name for a in probe(server.url, tokenizer=tokenizer).abilities}
    assert set(elsewhere._SAID) == names - {"read with this tokenizer"}  # that one is refused at the start


def test_a_server_that_is_not_there_is_refused_at_the_start(tokenizer):
    with serving("vllm", tokenizer) as server:
        url = server.url
    with pytest.raises(ServerError, match="cannot be reached"):
        server_loader(Server(url), tokenizer)(None)
    with pytest.raises(InputError, match="no address of a server"):
        server_loader(Server("lokal"), tokenizer)(None)


@pytest.mark.model
@pytest.mark.llama_server
def test_on_the_real_llama_server(tmp_path):
    found = llama_server.find()
    if found is None:
        pytest.skip(llama_server.WANTED)
    if not builtin_path().is_dir() or not (cache_folder() / "models" / GGUF).is_file():
        pytest.skip("the built-in model or its GGUF is not here: run `midcourse model path --gguf`")
    tokenizer = TextTokenizer.load(builtin_path())
    with llama_server.running(found, builtin_gguf(), log=tmp_path / "log") as url:
        load = server_loader(Server(url), tokenizer)
        with serve(tmp_path, load=load, max_new_tokens=24) as served:
            page = begun(served, "How do I sleep better?")
            page.rest()
            assert page.welcome["model"]["lacks"] == ""
            assert len(page.draft["tokens"]) == 24
            cut = page.draft["tokens"][3]["end"]
            kept = page.text[:cut]
            page.do("replace", cut=cut, text=" also need a café and", shown=len(page.draft["tokens"]))
            page.rest()
            assert page.text.startswith(kept + " also need a café and")
            assert all(t["logprob"] is not None for t in page.draft["tokens"] if t["by"] == "model")
            at = [t["by"] for t in page.draft["tokens"]].index("person")
            at = next(k for k, t in enumerate(page.draft["tokens"]) if k > at and t["by"] == "model")
            was = page.draft["tokens"][at]["id"]
            page.do("resample", cut=page.draft["tokens"][at - 1]["end"], shown=len(page.draft["tokens"]))
            page.rest()
            assert page.draft["tokens"][at]["id"] != was
            other = page.draft["tokens"][2]["alternatives"][1]["id"]
            page.do("pick", token=2, pick=other, shown=len(page.draft["tokens"]))
            page.rest()
            assert page.draft["tokens"][2]["id"] == other
            assert page.do("accept", shown=len(page.draft["tokens"]))["event"] == "ok"
            t = stored(served, page)
            assert [s.kind for s in t.steers] == ["typed", "resampled", "picked"]
            assert len(t.path(t.head)) > t.steers[2].fork.depth + 1  # it went on from there
            assert served.studio.office.store.verify() == []

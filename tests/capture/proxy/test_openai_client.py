"""The real `openai` client stops an answer, corrects it and goes on: the steer is there."""

import pytest
from proxied import recording
from upstreams import scripted

from midcourse.store.reviews import Inbox

openai = pytest.importorskip("openai", reason="the openai client is not installed: pip install openai")
REPLY = "The cat sat on the hat and slept all day long in the sun."


def client_of(url):
    return openai.OpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=0, timeout=10)


def test_stop_edit_go_on(tmp_path):
    with (
        scripted(replies=[REPLY, " and purred."], fault="stalls") as script,
        recording(script.url, tmp_path / "a.db") as (proxy, store),
    ):
        client = client_of(proxy.url)
        assert [m.id for m in client.models.list()] == ["tiny"]
        ask = [{"role": "user", "content": "Tell me of the cat that lives next door."}]
        got = ""
        with client.chat.completions.create(model="tiny", messages=ask, stream=True) as stream:
            for chunk in stream:
                got += chunk.choices[0].delta.content or ""
                if "hat" in got:
                    break
        proxy.settle(1)
        kept = {"role": "assistant", "content": "The cat sat on the mat"}
        rest = client.chat.completions.create(model="tiny", messages=[*ask, kept])
        assert rest.choices[0].message.content == " and purred."
        proxy.settle(2)
        [review] = Inbox(store).list()
        assert review.kind == "changed"
        client.close()


def test_tools_and_errors_are_what_they_are(tmp_path):
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    with scripted(replies=[REPLY]) as script, recording(script.url, tmp_path / "a.db") as (proxy, _):
        client = client_of(proxy.url)
        ask = [{"role": "user", "content": "Hi"}]
        said = client.chat.completions.create(model="tiny", messages=ask, tools=[tool])
        assert said.choices[0].message.content == REPLY
        with pytest.raises(openai.BadRequestError, match="unknown fields"):
            client.chat.completions.create(model="tiny", messages=ask, extra_body={"odd": 1})
        client.close()

"""A POST whose answer arrives in events, with everything that can go wrong said in one sentence.

Reads server-sent events and JSON lines alike. Closing the iterator closes the connection, which is what stops a server
from generating. It knows addresses, keys and time limits; not what the events mean.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from midcourse.errors import InputError, ServerError

__all__ = ["Line"]

_WORDS = 300
"""Characters of a server's own error that are repeated."""


class Line:
    """The connection to one server."""

    def __init__(self, url: str, *, key: str | None = None, patience: float = 60.0) -> None:
        """Nothing is sent yet.

        Args:
            url: Address with or without the closing /v1.
            key: Sent as a bearer token.
            patience: Seconds of silence after which a server counts as stuck.

        Raises:
            InputError: The address is none.
        """
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, TypeError) as error:
            raise InputError(f"{url!r} is no address ({error}); expected e.g. http://localhost:8080") from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise InputError(f"{url!r} is no address of a server; expected e.g. http://localhost:8080")
        self.url = url.rstrip("/").removesuffix("/v1")
        self.patience = patience
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(patience, connect=min(patience, 10.0))
        try:
            self._client = httpx.Client(headers=headers, timeout=timeout)
        except UnicodeEncodeError as error:
            raise InputError("the key holds characters that no header can; check that it was copied whole") from error

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def get(self, path: str) -> Any | None:
        """The JSON at `path`; None where the server has no such route or answers with something else.

        Raises:
            ServerError: It cannot be reached, or refuses the key.
        """
        with self._told():
            answer = self._client.get(self.url + path)
        if answer.status_code in (401, 403):
            raise ServerError(self._refused(answer))
        if answer.status_code != 200:
            return None
        try:
            return answer.json()
        except ValueError:
            return None

    def events(self, path: str, body: dict[str, Any]) -> Iterator[Any]:
        """POST `body` and yield the JSON of each event until the server is done.

        Raises:
            ServerError: The server cannot be reached, refuses, breaks off, falls silent, or sends what is no event.
        """
        with self._told(), self._client.stream("POST", self.url + path, json=body) as answer:
            if answer.status_code != 200:
                answer.read()
                raise ServerError(self._refused(answer))
            for line in answer.iter_lines():
                said = _payload(line)
                if said is None:
                    continue
                if said == "[DONE]":
                    return
                yield self._event(said)

    def _event(self, said: str) -> Any:
        try:
            event = json.loads(said)
        except ValueError as error:
            raise ServerError(
                f"{self.url} sent what is no event: {said[:80]!r}. Is this the address of a model server?"
            ) from error
        if isinstance(event, dict) and event.get("error"):
            raise ServerError(f"{self.url} stopped with an error: {_words(event)}")
        return event

    def _refused(self, answer: httpx.Response) -> str:
        try:
            words = _words(answer.json())
        except ValueError:
            words = answer.text.strip()[:_WORDS]
        if answer.status_code in (401, 403):
            return (
                f"{self.url} refuses the key ({answer.status_code}: {words}); give the right one with --key or in "
                "MIDCOURSE_SERVER_KEY"
            )
        if answer.status_code == 404:
            path = answer.request.url.path
            return f"{self.url} has no {path} or no such model (404: {words}); check the address, --model and --dialect"
        return f"{self.url} refuses the request ({answer.status_code}: {words})"

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectTimeout as error:
            raise ServerError(f"{self.url} does not answer; is the server running, and the address right?") from error
        except httpx.TimeoutException as error:
            raise ServerError(
                f"{self.url} said nothing for {self.patience:g} s; it may be busy: try again, or allow more time"
            ) from error
        except httpx.ConnectError as error:
            raise ServerError(
                f"{self.url} cannot be reached ({error}); is the server running, and the address right?"
            ) from error
        except httpx.HTTPError as error:
            raise ServerError(
                f"{self.url} broke off in the middle of an answer ({error}); what came before it is kept"
            ) from error


def _payload(line: str) -> str | None:
    """What a line carries: the data of a server-sent event, or a JSON line itself."""
    line = line.strip()
    if not line or line.startswith((":", "event:", "id:", "retry:")):
        return None
    return line.removeprefix("data:").strip()


def _words(answer: Any) -> str:
    """The server's own words in the forms in which servers put them."""
    for name in ("error", "message", "detail", "msg"):
        if isinstance(answer, dict) and answer.get(name):
            answer = answer[name]
    return (answer if isinstance(answer, str) else json.dumps(answer))[:_WORDS]

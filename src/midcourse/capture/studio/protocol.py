"""What the page and the server say to each other while a text is written: one WebSocket per tab, JSON both ways.

The shapes are in `shapes.py`, `commands.py` and `events.py`; those of the REST routes in `rest.py`. None of them
knows a model, a store or a socket. The JSON schema of everything here is at `GET api/schema`. All paths are relative to
the page, so that a prefix behind a proxy needs no setting in it.

## Opening
The page opens `ws` (same origin, cookie) and sends `hello`. The server answers `welcome`, then, if a draft is open,
either exactly the events that this tab missed or one `snapshot`. A tab remembers `epoch` and the `seq` of the last
event it handled, and gives both in its `hello` when it reconnects. If the server still has every later event of that
epoch it replays them; else (server restarted, away for long) it sends a `snapshot`, which replaces everything.
Events of a draft carry `seq`, which grows by one; an event whose `seq` is not the last plus one means: reconnect.
`welcome`, `ok`, `error`, `pong`, `tree`, `found`, `ghost`, `training` and `notice` belong to no draft and carry none.

Several tabs, also of several people who may see it, can be on one draft: all get the same events. Commands that
change the text carry the `rev` they were made on; if another tab was faster the answer is `error` with code `stale`
and nothing was changed. Only its `owner` writes in a text: to others every command but looking, `reason` and `flag` is
`not_allowed`. `presence` says how many tabs there are.

## Text, tokens, offsets
The *text* is the answer being written, without prompt and end token. Every offset into it (`cut`, `end`, `from`) is
in **Unicode code points** (`[...s].length`, not `s.length`). A *token index* counts the tokens of the answer from 0.
The text grows and changes only by `tokens` events: *keep the first `at` tokens and the first `from` code points,
then append*. A pure append by the model leaves `rev` as it is; any other change (steer, undo, jump) raises it.
`from` always lies between two grapheme clusters and may reach back over the last one, which has just grown; no
cluster is ever sent in parts that would have to be drawn apart. `token.end` is the code points of text there are
after that token; a token that ends inside a character (split UTF-8) ends before it. Bytes that are no character show
as U+FFFD, one code point, once the model has stopped or gone on past them. An end token has `ends: true` and no text.
Thinking and tool calls are text like any other; `parts` names where they stand, so that the page can fold them
(`end: null` while one is open).

## Read is what was shown
The model runs ahead of the pace at which the page shows text. `stop` and every command that closes or corrects carry
`shown`: how many tokens the person has *seen*; `shown` commands report it while it streams (about twice a second).
Tokens beyond stay on both sides and are shown first when the person goes on; in the record they count as unseen, and
the kept path never includes them. A correction cuts at what was seen or before. `continue` after a stop goes on behind
what was received, so the page has something to show at once.

## Commands (page to server)
Each has `cmd` and may have `id`, any number, returned as `re` in exactly one `ok` or `error`. The effect arrives as
events, to the acting tab too, before the `ok`. Commands of one tab are carried out in order, except that `alternatives`
and `ghost`, which change nothing, are answered when the model has answered.

| cmd | effect |
|---|---|
| `hello` | first message: protocol number, and draft, epoch and seq when reconnecting |
| `next` | the next prompt of my queue becomes a draft and streams (`ok.draft`); error `empty` when none is left |
| `new` | a draft for a prompt of one's own (`text` or `messages`) |
| `open` | show another draft in this tab; `leave` shows none |
| `continue` | let the model write on; after a `rewind` it writes something else (a `resampled` steer) |
| `stop` | stop it; `shown` |
| `shown` | so much has been seen; no answer beyond `ok` |
| `rewind` | go back to `cut`; nothing is a steer yet |
| `replace` | put `text` at `cut`. `typed`: the rest is written anew; `local`: words up to `end` go, the tail stays |
| `pick` | another token (`token`: index, `pick`: id) stands there; the rest is written anew |
| `resample` | reject what stands after `cut` without a correction |
| `end` | the answer should have stopped at `cut` |
| `undo`, `redo` | the last step back or again; an undone steer is kept, `withdrawn` |
| `withdraw` | take one steer back by its id, also the day after; the text stays |
| `jump` | make another branch of the tree (`node`, `depth`) the text; it is undone like any step |
| `accept`, `discard` | close the text; `reopen` opens an accepted one again |
| `turn` | after `accept`: the next user message; answers with a new draft that has the conversation as its prompt |
| `skip` | put the queued prompt away with a reason, for good (`again: true`: ask me later) |
| `reason` | reason tags of a steer, after the fact; `note` free text |
| `flag` | mark this draft for whoever reviews |
| `typing` | what stands uncommitted in the editing box, so that it survives a crash (`text: null` clears it) |
| `alternatives` | likeliest tokens at a token index that came without them (`found`) |
| `ghost` | how the text would go on from an alternative: a few greedy tokens, nothing is kept (`ghost`) |
| `tree` | everything tried (`tree`) |
| `settings` | temperature, top_p and longest answer of this draft from here on |
| `idle` | the person went away or came back; time away is not counted |
| `ping` | `pong`; the page sends one every 20 s and reconnects after 10 s of silence |

`replace`, `pick`, `resample` and `rewind` have `resume` (default true, for `local` and `rewind` false): the steer is
committed to the store *before* the first event of the resumed stream. `replace` and friends on a streaming draft stop
it first.

## Events (server to page)
| event | meaning |
|---|---|
| `welcome` | protocol, who I am, model, what this server can do |
| `snapshot` | a whole draft; forget the old one |
| `tokens` | text, see above |
| `state` | mode, shown, undo and redo depth, why it ended, tokens per second |
| `steer` | one steer, new or changed (by `id`) |
| `presence` | tabs on this draft |
| `saved_typing` | another tab's uncommitted text |
| `trouble` | something is the matter (code, sentence, whether it passes by itself); `code: null` clears it |
| `training` | progress of training, to everybody who may see it |
| `notice` | queue, tags or guidelines changed, model switched, server stops: fetch again what is shown |
| `ok`, `error`, `pong`, `found`, `ghost`, `tree` | answers |

Trouble codes: `store_full`, `store_locked`, `store`, `backend_gone`, `backend_busy`, `backend_cannot`,
`context_full`, `shutdown`.
Error codes: `stale`, `input`, `not_found`, `not_allowed`, `closed`, `empty`, `too_fast`, `too_large`, `protocol`,
`store`, `backend`, `bug`. A `error` with `retry: true` may be sent again as it was: nothing was changed.
Socket close codes: 4401 no session (show the sign-in hint), 4403 wrong origin, 4408 no `hello`, 4409 other protocol
number (reload the page), 4429 too fast, 1001 the server stops (reconnect with patience).
"""

from typing import Any

from pydantic import TypeAdapter

from midcourse.capture.studio.commands import COMMAND, Command
from midcourse.capture.studio.events import PROTOCOL, Event

__all__ = ["COMMAND", "PROTOCOL", "Command", "Event", "json_schema"]


def json_schema() -> dict[str, Any]:
    """JSON schema of all commands and events, so that the page can be checked against it."""
    events: TypeAdapter[Event] = TypeAdapter(Event)
    return {
        "protocol": PROTOCOL,
        "commands": COMMAND.json_schema(),
        "events": events.json_schema(mode="serialization"),
    }

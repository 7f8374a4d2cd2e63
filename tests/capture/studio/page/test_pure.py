"""What of the page needs no DOM: the document, places, keys, pace, state. Run in the browser that will run it."""

from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def run(modules: Any, body: str, arg: Any = None) -> Any:
    return modules.evaluate(f"async (arg) => {{ {body} }}", arg)


TOKEN = "const t = (end, by = 'model', more = {}) => ({ id: end, end, by, logprob: -0.1, ends: false, ...more });"
READ = f"""{TOKEN}
  const doc = await use('doc.js');
  const groups = (d) => d.groups.items.slice(0, d.groups.length).map((g) => g.text);"""


def test_tokens_are_groups_between_clusters(modules: Any) -> None:
    got = run(
        modules,
        READ
        + """
        // a family of one cluster in five code points, of which the second token ends inside
        const text = 'a 👩‍👩‍👧 b';
        const d = doc.read(text, [t(1), t(2), t(3), t(5), t(7), t(9)]);
        return [groups(d), d.length, d.groups.items.map((g) => [g.start, g.end, g.first, g.last])];""",
    )
    assert got[0] == ["a", " ", "👩‍👩‍👧", " b"]
    assert got[1] == 9
    assert got[2] == [[0, 1, 0, 1], [1, 2, 1, 2], [2, 7, 2, 5], [7, 9, 5, 6]]


def test_a_character_split_over_tokens_grows_into_one_group(modules: Any) -> None:
    got = run(
        modules,
        READ
        + """
        let d = doc.read('x', [t(1)]);
        d = doc.write(d, { at: 1, from: 1, text: '', tokens: [t(1), t(1)], parts: null });
        const before = groups(d);
        d = doc.write(d, { at: 3, from: 1, text: '🙂', tokens: [t(2)], parts: null });
        const between = groups(d);
        d = doc.write(d, { at: 4, from: 1, text: '🙂🏽', tokens: [t(3)], parts: null });
        return [before, between, groups(d), d.groups.items[1].first, d.groups.items[1].last];""",
    )
    assert got == [["x", ""], ["x", "🙂"], ["x", "🙂🏽"], 1, 5]


def test_appending_in_steps_equals_reading_at_once(modules: Any) -> None:
    """Any text, any cuts into tokens, any order of arrival gives the same groups, and none is part of a cluster."""
    got = run(
        modules,
        READ
        + """
        const text = 'नमस्ते दुनिया, السلام عليكم e\\u0301 👩🏽‍🚀🇩🇪🇫🇷 ok\\n\\n한국어 👨‍👩‍👧‍👦!';
        const points = [...text];
        let seed = 7;
        const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
        const clusters = [...doc.boundaries(text)];
        const wrong = [];
        for (let round = 0; round < 60; round += 1) {
          const ends = points.map((_, i) => i + 1).filter((e) => e === points.length || random() < 0.6);
          const tokens = ends.map((e) => t(e));
          const whole = doc.read(text, tokens);
          let grown = doc.BLANK;
          for (let i = 0; i < tokens.length;) {
            const take = 1 + Math.floor(random() * 3);
            const next = tokens.slice(i, i + take);
            const end = next.at(-1).end;
            const shown = points.slice(0, end).join('');
            // the server reaches back over the last cluster, which may have grown
            const back = [0, ...doc.boundaries(points.slice(0, i ? tokens[i - 1].end : 0).join(''))].at(-2) ?? 0;
            const from = i ? back : 0;
            grown = doc.write(grown, { at: i, from, text: [...shown].slice(from).join(''), tokens: next, parts: null });
            i += take;
          }
          if (JSON.stringify(groups(grown)) !== JSON.stringify(groups(whole))) wrong.push([groups(grown), groups(whole)]);
          if (groups(whole).join('') !== text) wrong.push('text');
          for (const g of whole.groups.items) if (g.end && !clusters.includes(g.end)) wrong.push(g.text);
        }
        return wrong.slice(0, 2);""",
    )
    assert got == []


def test_older_documents_stay_true(modules: Any) -> None:
    got = run(
        modules,
        READ
        + """
        const one = doc.read('ab', [t(1), t(2)]);
        const two = doc.write(one, { at: 2, from: 2, text: 'c', tokens: [t(3)], parts: null });
        const other = doc.write(one, { at: 2, from: 2, text: 'X', tokens: [t(3)], parts: null });
        const cut = doc.write(two, { at: 1, from: 1, text: 'Z', tokens: [t(2)], parts: null });
        return [one, two, other, cut].map(groups);""",
    )
    assert got == [["a", "b"], ["a", "b", "c"], ["a", "b", "X"], ["a", "Z"]]


PLACES = (
    READ
    + """
    const places = await use('places.js');
    const of = (pieces, logprobs = []) => {
      let end = 0;
      return doc.read(pieces.join(''), pieces.map((p, i) => t((end += [...p].length), 'model', { logprob: logprobs[i] ?? -0.1 })));
    };"""
)


def test_moving_by_token_word_and_sentence(modules: Any) -> None:
    got = run(
        modules,
        PLACES
        + """
        const d = of(['The', ' c', 'at', ' sat', '.', ' It', ' slept', ',', ' well', '.']);
        const n = d.groups.length;
        const walk = (unit, by, from) => { const out = []; for (let g = from; ;) { const next = places.move(d, g, unit, by, n); if (next === g) return out; out.push(g = next); } };
        return [walk('word', 1, 0), walk('word', -1, n), walk('sentence', 1, 0), walk('sentence', -1, n), places.move(d, 3, 'token', -1, n), places.move(d, 2, 'text', 1, 6)];""",
    )
    assert got == [[1, 3, 5, 6, 8, 10], [8, 6, 5, 3, 1, 0], [5, 10], [5, 0], 2, 6]


def test_the_blame_falls_on_the_least_likely_recent_token(modules: Any) -> None:
    got = run(
        modules,
        PLACES
        + """
        const words = Array.from({ length: 30 }, (_, i) => ` w${i}`);
        const d = of(words, words.map((_, i) => ({ 3: -9, 20: -4, 25: -2 })[i] ?? -0.1));
        const own = { ...d, groups: { ...d.groups, items: d.groups.items.map((g, i) => (i === 22 ? { ...g, by: 'person' } : g)) } };
        return [places.blame(d, 30), places.blame(d, 30, 28), places.blame(own, 30), places.blame(doc.BLANK, 0), places.nextDoubt(d, 0, 1, 30), places.nextDoubt(d, 25, -1, 30), places.nextDoubt(d, 25, 1, 30)];""",
    )
    assert got == [20, 3, 25, 0, 3, 20, 25]


def test_what_a_correction_replaces(modules: Any) -> None:
    got = run(
        modules,
        PLACES
        + """
        const d = of(['The', ' cat', ',', ' black', ' and', ' old', '.']);
        const cut = places.behindBlank(d, 1, 'dog');
        return [cut, places.behindBlank(d, 1, ','), [0, 1, 2, 3].map((n) => doc.textBetween(d, cut, places.behindWords(d, cut, n, d.length))), places.behindWords(d, cut, 9, 9)];""",
    )
    assert got == [4, 3, ["", "cat", "cat,", "cat, black"], 9]


def test_sentence_by_sentence(modules: Any) -> None:
    got = run(
        modules,
        PLACES
        + """
        const d = of(['One', ' here', '.', ' Two', ' there']);
        return [places.sentenceAhead(d, 0, false), places.sentenceAhead(d, 3, false), places.sentenceAhead(d, 3, true)];""",
    )
    assert got == [3, 0, 2]


@pytest.mark.parametrize(
    ("key", "mode", "wish"),
    [
        ({"key": " ", "code": "Space"}, "stream", "stop"),
        ({"key": "Escape", "code": "Escape"}, "stream", "stop"),
        ({"key": "k", "code": "KeyK"}, "stream", "stopTyping"),
        ({"key": "?", "code": "Slash", "shiftKey": True}, "stream", "help"),
        ({"key": "?", "code": "Slash", "shiftKey": True}, "pause", None),
        ({"key": "a", "code": "KeyA"}, "pause", None),
        ({"key": "/", "code": "Slash"}, "pause", None),
        ({"key": "3", "code": "Digit3"}, "pause", "take 2"),
        ({"key": "٣", "code": "Digit3"}, "pause", "take 2"),
        ({"key": "é", "code": "Digit2"}, "pause", None),
        ({"key": "0", "code": "Digit0"}, "pause", None),
        ({"key": "3", "code": "Digit3", "altKey": True}, "pause", None),
        ({"key": "3", "code": "Digit3"}, "type", None),
        ({"key": " ", "code": "Space"}, "type", None),
        ({"key": " ", "code": "Space"}, "pause", "resume"),
        ({"key": "Enter", "code": "Enter"}, "pause", "resume"),
        ({"key": "Enter", "code": "Enter"}, "done", "accept"),
        ({"key": "Enter", "code": "Enter"}, "type", "commit"),
        ({"key": "Enter", "code": "Enter", "altKey": True}, "type", "commitKeep"),
        ({"key": "Enter", "code": "Enter", "ctrlKey": True}, "type", "commitEnd"),
        ({"key": "Enter", "code": "Enter", "ctrlKey": True}, "pause", "endHere"),
        ({"key": "z", "code": "KeyZ", "ctrlKey": True}, "pause", "undo"),
        ({"key": "z", "code": "KeyZ", "ctrlKey": True}, "stream", "undo"),
        ({"key": "z", "code": "KeyZ", "ctrlKey": True}, "type", None),
        ({"key": "я", "code": "KeyZ", "ctrlKey": True}, "pause", "undo"),
        ({"key": "z", "code": "KeyY", "ctrlKey": True}, "pause", "undo"),
        ({"key": "ArrowLeft", "code": "ArrowLeft", "ctrlKey": True}, "pause", "word-"),
        ({"key": "ArrowLeft", "code": "ArrowLeft"}, "type", None),
        ({"key": "Backspace", "code": "Backspace", "repeat": True}, "pause", "back"),
        ({"key": " ", "code": "Space", "repeat": True}, "stream", "nothing"),
        ({"key": "Tab", "code": "Tab"}, "pause", None),
        ({"key": "Process", "code": "KeyA"}, "stream", None),
        ({"key": "a", "code": "KeyA", "isComposing": True}, "stream", None),
        ({"key": "Enter", "code": "Enter"}, "home", "on"),
        ({"key": "Enter", "code": "Enter", "ctrlKey": True}, "home", "next"),
        ({"key": "Enter", "code": "Enter", "altKey": True}, "pause", "takeKeep"),
        ({"key": " ", "code": "Space"}, "done", "nothing"),
    ],
)
def test_keys(modules: Any, key: dict[str, Any], mode: str, wish: str | None) -> None:
    got = run(
        modules,
        """const keys = await use('keys.js');
        const given = { ctrlKey: false, altKey: false, metaKey: false, shiftKey: false, ...arg.key };
        const found = keys.wishOf(given, arg.mode, { table: keys.bindings({}, false), mac: false });
        return found && (found.wish === 'take' ? `take ${found.index}` : found.wish);""",
        {"key": key, "mode": mode},
    )
    assert got == wish


def test_keys_of_macos_and_of_the_person(modules: Any) -> None:
    got = run(
        modules,
        """const keys = await use('keys.js');
        const no = { ctrlKey: false, altKey: false, metaKey: false, shiftKey: false };
        const mac = keys.bindings({}, true);
        const own = keys.bindings({ 'undo@stream': ['Mod+KeyU'] }, false);
        const wish = (key, mode, given) => keys.wishOf({ ...no, ...key }, mode, given)?.wish ?? null;
        return [
          wish({ key: 'z', code: 'KeyZ', metaKey: true }, 'pause', { table: mac, mac: true }),
          wish({ key: 'ArrowLeft', code: 'ArrowLeft', altKey: true }, 'pause', { table: mac, mac: true }),
          wish({ key: 'u', code: 'KeyU', ctrlKey: true }, 'pause', { table: own, mac: false }),
          wish({ key: 'z', code: 'KeyZ', ctrlKey: true }, 'pause', { table: own, mac: false }),
          wish({ key: ' ', code: 'Space' }, 'stream', { table: own, mac: false, single: false }),
          wish({ key: 'Escape', code: 'Escape' }, 'stream', { table: own, mac: false, single: false }),
          wish({ key: '3', code: 'Digit3' }, 'pause', { table: own, mac: false, digits: false }),
          keys.spell('Mod+Shift+KeyZ', false).join(' '), keys.spell('Word+ArrowLeft', true).join(' ')];""",
    )
    assert got == ["undo", "word-", "undo", None, None, "stop", None, "Ctrl Shift Z", "⌥ ←"]


def test_no_chord_means_two_things(modules: Any) -> None:
    got = run(
        modules,
        """const keys = await use('keys.js');
        const twice = [];
        for (const mac of [true, false]) for (const [chord, wishes] of keys.bindings({}, mac)) {
          for (const mode of ['stream', 'pause', 'done', 'type', 'closed', 'home']) {
            const here = wishes.filter((w) => w.modes.includes(mode) || w.modes[0] === '*');
            if (here.length > 1) twice.push([mac, chord, mode, here.map((w) => w.wish)]);
          }
        }
        return twice;""",
    )
    assert got == []


def test_the_pace_a_person_sets(modules: Any) -> None:
    got = run(
        modules,
        PLACES
        + """
        const pace = await use('pace.js');
        const d = of(Array.from({ length: 300 }, () => ' word.'.slice(0, 6)));
        const shownAfter = (rate, ms) => {
          let [state, shown] = [pace.IDLE, 0];
          for (let now = 0; now < ms; now += 16) {
            const next = pace.advance(state, { doc: d, shown, streaming: true, now, elapsed: 16, rate, sentences: false, from: 0 });
            [state, shown] = [next.pace, next.groups];
          }
          return [shown, pace.recent(state, ms, shown)];
        };
        return [shownAfter(300, 10000), shownAfter(pace.AS_IT_COMES, 32)];""",
    )
    (slow, recent), (fast, _) = got
    assert slow == pytest.approx(50, abs=2)  # 300 words a minute for ten seconds
    assert recent == pytest.approx(10, abs=2)  # of these, two seconds
    assert fast == 300


def test_when_the_model_is_no_longer_enough(modules: Any) -> None:
    got = run(
        modules,
        """
        const { outgrown } = await use('outgrown.js');
        const says = (more, pace = 600, backend = 'local') => outgrown(
          { draft: { doc: { length: 400, tokens: { length: 100 } }, rate: null, waiting: 0, ...more }, model: { backend } }, pace);
        return [outgrown({ draft: null, model: null }, 600), says({}), says({ rate: 7 }), says({ rate: 5 }), says({ rate: 5 }, 120),
          says({ rate: 5 }, 2000), says({ rate: 5, doc: { length: 8, tokens: { length: 2 } } }), says({ rate: 5, waiting: 3 }, 600, 'vllm'),
          says({ waiting: 1 }), says({ waiting: 2, rate: 50 })].map((t) => t.slice(0, 10));""",
    )
    slow, crowded = "The model ", "Several te"  # four characters a token: 6 tokens a second are 240 words a minute
    assert got == ["", "", "", slow, "", slow, "", "", "", crowded]


STATE = (
    PLACES
    + """
    const { START, reduce } = await use('state.js');
    const { intend, wire, finished, alternativesAt } = await use('intents.js');
    const pieces = ['The', ' cat', ' sat', ' down', '.'];
    let end = 0;
    const tokens = pieces.map((p, i) => t((end += p.length), 'model', { logprob: [-0.1, -3, -0.2, -0.1, -0.1][i], alternatives: [{ id: 900 + i, text: ' x', logprob: -1, ends: false }, { id: end, text: p, logprob: -2, ends: false }] }));
    const draft = (more = {}) => ({ id: 'd', seq: 0, epoch: 'e', rev: 3, mode: 'streaming', status: 'open', prompt: [], prompt_text: null, item: null, practice: false, text: pieces.join(''), tokens, parts: [], shown: 5, steers: [], undo: 0, redo: 0, ended_by: null, sampling: {}, model: { name: 'm' }, typing: null, flagged: null, seconds: 0, ...more });
    const heard = (s, event) => reduce(s, { type: 'heard', event });
    const play = (s, ...actions) => actions.reduce((now, a) => (a.event ? heard(now, a) : reduce(now, a)), s);
    const begin = (more) => heard(START, { event: 'snapshot', seq: 0, draft: draft(more) });"""
)


def test_a_stop_puts_the_cursor_on_the_likeliest_error(modules: Any) -> None:
    got = run(
        modules,
        STATE
        + """
        const s = play(begin(), { type: 'freeze', recent: 0 });
        return [s.view.phase, s.view.cursor, s.view.hold, alternativesAt(s).all.map((a) => a.id), wire(intend(s, 'take', { index: 0 }))];""",
    )
    phase, cursor, hold, others, pick = got
    assert (phase, cursor, hold, others) == ("pause", 1, True, [901])
    assert pick == {"cmd": "pick", "token": 1, "pick": 901, "rev": 3, "shown": 5, "resume": True}


def test_typing_cuts_and_every_way_to_commit(modules: Any) -> None:
    got = run(
        modules,
        STATE
        + """
        const s = play(begin(), { type: 'freeze', recent: 0 }, { type: 'type', text: 'dog' });
        const more = play(s, { type: 'units', by: 1 });
        const wide = play(s, { type: 'widen' });
        const far = play(begin(), { type: 'freeze', recent: 0 }, { type: 'move', unit: 'text', by: 1 }, { type: 'type', text: 'And' });
        const ended = play(begin({ mode: 'ended' }), { type: 'move', unit: 'text', by: -1 }, { type: 'type', text: 'A' });
        return [s, more, wide, far, ended].map((x) => [x.view.phase, intend(x, 'commit'), intend(x, 'commitKeep'), intend(x, 'commitEnd')]);""",
    )
    (phase, commit, keep, ended), (_, _, more, _), (_, wide, _, _), (_, far, _, _), (_, _, whole, _) = got
    assert phase == "type"
    assert (commit["cut"], commit["text"], commit["kind"], commit["resume"]) == (4, "dog", "typed", True)
    assert (keep["cut"], keep["end"], keep["text"], keep["kind"], keep["resume"]) == (4, 7, "dog", "local", True)
    assert (ended["cmd"], ended["cut"], ended["text"]) == ("end", 4, "dog")
    assert more["end"] == 11
    assert wide["cut"] == 3
    assert (far["cut"], far["text"]) == (17, " And")
    assert whole["resume"] is False


def test_an_alternative_in_place_of_one_token_keeps_the_rest(modules: Any) -> None:
    got = run(
        modules,
        STATE
        + """
        const s = play(begin(), { type: 'freeze', recent: 0 });
        const looked = play(s, { type: 'choose', index: 0 });
        return [intend(s, 'takeKeep'), intend(looked, 'takeKeep')];""",
    )
    assert got[0] is None  # none is looked at
    assert {k: got[1][k] for k in ("cmd", "kind", "cut", "end", "text")} == {
        "cmd": "replace",
        "kind": "local",
        "cut": 3,
        "end": 7,
        "text": " x",
    }


def test_what_is_on_no_button_of_the_bar_is_behind_one(modules: Any) -> None:
    got = run(
        modules,
        STATE
        + """
        const { WISHES } = await use('keys.js');
        const { onBar } = await use('bar_view.js');
        const { others } = await use('more_view.js');
        const s = play(begin({ item: 'p', mode: 'paused' }), { type: 'freeze', recent: 0 }, { type: 'choose', index: 0 });
        const there = new Set([...onBar('pause'), ...others(s, 'pause').map((w) => w.wish)]);
        const none = WISHES.filter((w) => (w.modes.includes('pause') || w.modes[0] === '*') && !there.has(w.wish)).map((w) => w.wish);
        return [none, others(begin({ item: null }), 'pause').map((w) => w.wish).includes('skip')];""",
    )
    none, skips = got
    assert skips is False
    head, alternatives, text = (
        {"timeline", "tree", "settings", "help"},
        {"take", "choice-"},
        {"select-", "select+", "clear", "token-", "token+"},
    )
    assert set(none) <= head | alternatives | text | {"slower", "faster"}  # pace: on the bar while it writes


def test_nothing_unseen_counts_as_read(modules: Any) -> None:
    got = run(
        modules,
        STATE
        + """
        const { seenTokens } = await use('intents.js');
        const s = begin({ shown: 2 });
        const later = play(s, { type: 'reveal', groups: 3 }, { type: 'freeze', recent: 0 });
        const beyond = play(later, { type: 'move', unit: 'text', by: 1 });
        return [seenTokens(s), seenTokens(later), intend(later, 'stop'), beyond.view.cursor, intend(s, 'stop')];""",
    )
    assert got == [2, 3, None, 3, {"cmd": "stop", "shown": 2}]


def test_another_tab_was_faster_and_what_was_typed_stays(modules: Any) -> None:
    got = run(
        modules,
        STATE
        + """
        const typed = play(begin(), { type: 'freeze', recent: 0 }, { type: 'move', unit: 'text', by: 1 }, { type: 'type', text: 'mine' });
        const s = play(typed, { event: 'tokens', seq: 1, rev: 4, at: 1, from: 3, text: ' dog', tokens: [t(7, 'person')], parts: null });
        const committed = play(typed, { type: 'pending', pending: { name: 'commit', resume: true } }, { event: 'tokens', seq: 1, rev: 4, at: 1, from: 3, text: ' dog', tokens: [t(7, 'person')], parts: null });
        return [s.view.phase, s.view.typed.text, s.view.typed.cut, s.draft.rev, committed.view.phase, committed.view.typed, committed.view.shown];""",
    )
    assert got == ["type", "mine", 7, 4, "stream", None, 2]


def test_the_end_of_the_text_waits_for_the_person(modules: Any) -> None:
    got = run(
        modules,
        STATE
        + """
        const state = (mode) => ({ event: 'state', seq: 1, rev: 3, mode, status: 'open', shown: 5, undo: 0, redo: 0, ended_by: 'end', rate: 3, waiting: 0, flagged: null, seconds: 0 });
        const behind = play(begin({ shown: 2 }), state('ended'));
        const all = play(behind, { type: 'reveal', groups: 5 });
        const back = play(all, { type: 'cutBack', unit: 'token' });
        return [behind.view.phase, finished(behind), all.view.phase, finished(all), all.view.cursor, intend(back, 'reject')];""",
    )
    assert got[:5] == ["stream", False, "pause", True, 5]
    assert got[5]["cut"] == 16


def test_a_break_in_the_line_loses_nothing_typed(modules: Any) -> None:
    got = run(
        modules,
        STATE
        + """
        const s = play(begin(), { type: 'freeze', recent: 0 }, { type: 'type', text: 'dog' }, { type: 'link', link: { status: 'lost' } });
        const again = heard(s, { event: 'snapshot', seq: 9, draft: draft({ seq: 9, epoch: 'f', mode: 'paused' }) });
        const other = heard(START, { event: 'snapshot', seq: 9, draft: draft({ mode: 'paused', typing: { cut: 4, end: null, text: 'dog' } }) });
        return [again.view.phase, again.view.typed.text, other.view.phase, other.view.typed];""",
    )
    assert got[:3] == ["type", "dog", "type"]
    assert got[3]["cut"] == 4
    assert got[3]["text"] == "dog"


def test_only_forks_indent_in_the_tree(modules: Any) -> None:
    got = run(
        modules,
        """const { nest, runOn } = await use('tree_view.js');
        const b = (node, parent, start, tokens) => ({ node, parent, start, tokens });
        const roots = nest([b('a', null, 0, 5), b('b', 'a', 5, 2), b('c', 'b', 7, 3), b('d', 'c', 8, 1), b('x', null, 0, 2), b('y', 'x', 2, 1), b('z', 'x', 2, 1)]);
        return roots.map((r) => runOn(r).map((n) => [n.branch.node, n.below.map((m) => m.branch.node)]));""",
    )
    assert got == [[["a", []], ["b", []], ["c", ["d"]]], [["x", ["y", "z"]]]]


def test_the_blank_that_a_word_needs_in_front(modules: Any) -> None:
    got = run(
        modules,
        STATE
        + """
        const at = (group, text) => { const s = play(begin({ mode: 'paused' }), { type: 'place', group }, { type: 'type', text }); return [s.view.typed.cut, s.view.typed.lead]; };
        return [at(1, 'dog'), at(4, 'and'), at(4, ','), at(5, 'Then'), at(5, '東'), at(0, 'A')];""",
    )
    assert got == [[4, ""], [16, " "], [16, ""], [17, " "], [17, ""], [0, ""]]

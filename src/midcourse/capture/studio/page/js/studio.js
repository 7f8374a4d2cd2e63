/**
 * Holds the state, sends what the person wishes, keeps the pace. The one place where time, socket and state meet.
 */
import { pointsIn, tokensIn } from './doc.js';
import { alternativesAt, finished, intend, seenTokens, wire } from './intents.js';
import { tellsAlternatives } from './lacking.js';
import { IDLE, advance, recent } from './pace.js';
import { START, reduce } from './state.js';
import * as kept from './kept.js';

const MOVES = {
  'token-': ['token', -1], 'token+': ['token', 1], 'word-': ['word', -1], 'word+': ['word', 1],
  'sentence-': ['sentence', -1], 'sentence+': ['sentence', 1], 'text-': ['text', -1], 'text+': ['text', 1],
};
const HOLD = 200; // ms after a stop in which a second press does nothing

export class Studio {
  constructor(socket, settings) {
    this.socket = socket;
    this.settings = settings;
    this.state = START;
    this.pace = IDLE;
    this.listeners = [];
    this.stopped = -Infinity;
    this.reported = 0;
    this.sentenceFrom = 0;
    this.last = performance.now();
    requestAnimationFrame((now) => this.tick(now));
  }

  listen(listener) { this.listeners.push(listener); }

  dispatch(action) {
    const before = this.state;
    this.state = reduce(before, action);
    if (this.state === before) return;
    for (const listener of this.listeners) listener(this.state, before, action);
    if (before.view.phase === 'stream' && this.state.view.phase === 'pause' && action.type !== 'freeze') this.rests(performance.now());
  }

  /** The text came to rest by itself: a stop pressed a moment later must not let it go on. */
  rests(now) {
    this.stopped = now;
    this.report(now, true);
  }

  /** stream | pause | done | type | waiting | closed | home */
  get mode() {
    const { phase, pending } = this.state.view;
    if (phase === 'type' && pending?.resume !== undefined) return 'waiting'; // the correction is on its way
    return phase === 'pause' && finished(this.state) && !this.state.view.cutting ? 'done' : phase;
  }

  // -- what the server says ------------------------------------------------------------------------------------------

  heard(event) {
    const before = this.state;
    const { draft } = before;
    if (event.seq !== undefined && event.event !== 'snapshot' && draft) {
      if (event.seq <= draft.seq) return;
      if (event.seq !== draft.seq + 1) return this.socket.reconnect();
    }
    this.dispatch({ type: 'heard', event });
    if (this.halted && event.event === 'tokens' && this.state.view.phase === 'stream') {
      this.halted = false;
      this.stopped = performance.now();
      this.dispatch({ type: 'freeze', recent: 0 });
      this.quietly({ cmd: 'stop', shown: seenTokens(this.state) });
    }
    if (event.event === 'snapshot' && draft?.id !== event.draft.id) {
      this.pace = IDLE;
      this.sentenceFrom = this.state.view.shown;
      this.restoreTyping();
    }
    if (event.event === 'welcome') this.retry();
    return undefined;
  }

  place() {
    const { draft } = this.state;
    const id = draft?.id ?? this.wanted;
    return draft ? { draft: id, epoch: draft.epoch, seq: draft.seq } : id ? { draft: id } : {};
  }

  restoreTyping() {
    const { draft, view } = this.state;
    const typing = view.phase === 'type' ? null : kept.typing(draft.id, draft.rev);
    if (typing && view.phase === 'pause') {
      this.dispatch({ type: 'place', group: view.shown });
      this.dispatch({ type: 'restore', typed: typing });
    }
  }

  // -- sending -------------------------------------------------------------------------------------------------------

  /** Sends a command; the state says meanwhile that it waits. */
  async ask(command, { name = command.cmd, resume = false } = {}) {
    this.halted = false;
    const pending = { name, resume, command };
    this.dispatch({ type: 'pending', pending });
    try {
      const answer = await this.socket.send(wire(command));
      if (this.state.view.pending === pending) this.dispatch({ type: 'pending', pending: null });
      this.dispatch({ type: 'answered' });
      return answer;
    } catch (error) {
      if (error.code === 'offline' || error.code === 'lost') {
        this.waiting = pending;
        this.dispatch({ type: 'toast', message: 'Not connected: kept here, and sent as soon as the line is back.', tone: 'warn' });
        return null;
      }
      this.dispatch({ type: 'pending', pending: null });
      this.dispatch({ type: 'toast', message: error.message, tone: 'bad' });
      if (error.code === 'stale') this.dispatch({ type: 'toast', message: 'Another tab was faster. Look again, then press Enter.', tone: 'warn' });
      return null;
    }
  }

  quietly(command) { return this.socket.send(command).catch(() => null); }

  /** After a break: what was never answered is sent again if the text is still the one it was made on. */
  retry() {
    const { waiting } = this;
    this.waiting = null;
    if (!waiting) return;
    setTimeout(() => {
      const { draft } = this.state;
      const { command } = waiting;
      if (command.rev !== undefined && draft?.rev !== command.rev) this.dispatch({ type: 'pending', pending: null });
      else this.ask(command, waiting);
    }, 60); // the events missed come first
  }

  // -- wishes --------------------------------------------------------------------------------------------------------

  /** Does what the person wishes at the text; returns whether there was anything to do. */
  perform(wish, more = {}) {
    const { state } = this;
    if (!state.draft) return false;
    if (MOVES[wish]) return this.local({ type: 'move', unit: MOVES[wish][0], by: MOVES[wish][1] });
    const does = this.does[wish];
    return does ? does.call(this, more) !== false : false;
  }

  local(action) {
    this.dispatch(action);
    return true;
  }

  freeze() {
    const now = performance.now();
    if (this.mode === 'waiting') { this.halted = true; return; } // stops when the correction stands
    const stop = intend(this.state, 'stop');
    this.stopped = now;
    this.dispatch({ type: 'freeze', recent: recent(this.pace, now, this.state.view.shown) });
    if (stop) this.quietly(stop);
    else this.report(now, true); // the model had come to its end, the person had not
  }

  go() {
    this.sentenceFrom = this.state.view.shown;
    this.pace = IDLE;
    this.dispatch({ type: 'go' });
  }

  /** A correction: it is asked for, and the text goes on when the server says that it is kept. */
  steer(wish, more) {
    if (this.state.view.pending) return false;
    const command = intend(this.state, wish, more);
    if (!command) return false;
    this.sentenceFrom = this.state.view.cursor;
    return this.ask(command, { name: wish, resume: command.resume });
  }

  async close(wish, next) {
    if (this.state.view.phase === 'type' && !(await this.steer('commitKeep'))) return;
    const { id, mode } = this.state.draft; // it may be left before the answer comes
    if (mode === 'streaming') await this.quietly({ cmd: 'stop', shown: seenTokens(this.state) });
    if (this.state.draft?.id !== id) return;
    const done = await this.ask(intend(this.state, wish));
    if (done) kept.forget(id);
    if (done && next) this.onNext?.();
  }

  does = {
    stop() { this.freeze(); },
    resume({ space = false }) {
      const { view } = this.state;
      if (space && performance.now() - this.stopped < HOLD) return true; // the stop key pressed twice
      if (view.choice >= 0) return this.does.take.call(this, { index: view.choice });
      const command = intend(this.state, 'resume');
      if (view.cutting) return command ? this.steer('reject') : this.local({ type: 'clear' });
      this.go();
      if (command) this.ask(command, { resume: true });
      return true;
    },
    take({ index }) {
      const found = alternativesAt(this.state);
      const next = found && this.state.draft.doc.tokens.items[found.token];
      if (!next || found.token >= this.state.draft.doc.tokens.length || next.id !== found.all[index]?.id) return this.steer('take', { index });
      this.dispatch({ type: 'clear' }); // what the model wrote there already, not seen yet: nothing is corrected
      return this.does.resume.call(this, {});
    },
    'select-': function back({ unit = 'word' }) { return this.local({ type: 'move', unit, by: -1, extend: true }); },
    'select+': function on({ unit = 'word' }) { return this.local({ type: 'move', unit, by: 1, extend: true }); },
    'doubt-': function back() { return this.local({ type: 'doubt', by: -1 }); },
    'doubt+': function on() { return this.local({ type: 'doubt', by: 1 }); },
    'choice+': function on() { return this.choose(1); },
    'choice-': function back() { return this.choose(-1); },
    back() { return this.local({ type: 'cutBack', unit: 'token' }); },
    backWord() { return this.local({ type: 'cutBack', unit: 'word' }); },
    reject() {
      if (!this.state.view.cutting) this.dispatch({ type: 'cutBack', unit: 'token' });
      return this.steer('reject');
    },
    takeKeep() { return this.steer('takeKeep'); },
    remove() { return this.steer('remove'); },
    clear() { return this.local({ type: 'clear' }); },
    cancel() {
      kept.forget(this.state.draft.id);
      this.quietly({ cmd: 'typing', text: null });
      return this.local({ type: 'cancel' });
    },
    commit() { return this.commit('commit'); },
    commitKeep() { return this.commit('commitKeep'); },
    commitEnd() { return this.commit('commitEnd'); },
    endHere() { return this.steer('endHere'); },
    'units+': function more() { return this.local({ type: 'units', by: 1 }); },
    'units-': function fewer() { return this.local({ type: 'units', by: -1 }); },
    undo() { return this.steer('undo'); },
    redo() { return this.steer('redo'); },
    accept() { this.close('accept', false); },
    acceptNext() { this.close('accept', true); },
    discard() { this.close('discard', false); },
  };

  async commit(wish) {
    const { id } = this.state.draft;
    clearTimeout(this.saving);
    if (!(await this.steer(wish))) return;
    kept.forget(id);
    if (this.state.view.phase !== 'type') this.quietly({ cmd: 'typing', text: null });
  }

  choose(by) {
    const found = alternativesAt(this.state);
    if (!found?.all.length) return false;
    const index = (this.state.view.choice + by + found.all.length + (this.state.view.choice < 0 && by < 0 ? 1 : 0)) % found.all.length;
    this.dispatch({ type: 'choose', index });
    clearTimeout(this.ghostly);
    this.ghostly = setTimeout(() => this.ghost(index), 120);
    return true;
  }

  ghost(index) {
    const found = alternativesAt(this.state);
    const one = found?.all[index];
    if (one && !one.ends) this.quietly({ cmd: 'ghost', token: found.token, pick: one.id, most: 8 });
  }

  /** What is typed is kept here at once and on the server a moment later. */
  typed(text) {
    this.dispatch({ type: 'type', text });
    const { typed } = this.state.view;
    if (!typed) return;
    const { id, rev } = this.state.draft;
    kept.keepTyping(id, rev, typed);
    clearTimeout(this.saving);
    this.saving = setTimeout(() => {
      const now = this.state.view.typed;
      if (now) this.quietly({ cmd: 'typing', cut: now.cut, end: now.end, text: now.lead + now.text });
    }, 400);
  }

  // -- time ----------------------------------------------------------------------------------------------------------

  tick(now) {
    requestAnimationFrame((t) => this.tick(t));
    const elapsed = Math.min(now - this.last, 250);
    this.last = now;
    const { draft, view } = this.state;
    if (!draft || view.phase !== 'stream') return;
    const next = advance(this.pace, {
      doc: draft.doc, shown: view.shown, streaming: draft.mode === 'streaming' || Boolean(view.pending), now, elapsed,
      rate: this.settings.pace, sentences: this.settings.sentences, from: this.sentenceFrom,
    });
    this.pace = next.pace;
    this.dispatch({ type: 'reveal', groups: next.groups });
    if (next.rest && this.state.view.phase === 'stream') this.dispatch({ type: 'rest' });
    if (now - this.reported > 500) this.report(now);
  }

  /** What has been seen: now and then while it runs, and at once where the text came to rest. */
  report(now, rests = false) {
    this.reported = now;
    const shown = seenTokens(this.state);
    const cmd = rests && this.state.draft.mode !== 'streaming' ? 'stop' : 'shown';
    const mark = `${cmd}/${this.state.draft.id}/${this.state.draft.rev}/${shown}`;
    if (mark === this.told) return;
    this.told = mark;
    this.quietly({ cmd, shown });
  }

  /** Alternatives of a place that came without them are asked for. */
  wantAlternatives() {
    const { draft, view } = this.state;
    if (!draft || view.phase !== 'pause' || !tellsAlternatives(this.state) || alternativesAt(this.state)) return;
    const token = tokensIn(draft.doc, view.cursor);
    const own = draft.doc.tokens.items[token];
    if (token && draft.doc.tokens.items[token - 1].ends) return;
    if (own?.by === 'person' && token < draft.doc.tokens.length && pointsIn(draft.doc, view.cursor) === draft.doc.length) return;
    const key = `${draft.id}/${draft.rev}/${token}`;
    if (this.wanting === key) return;
    this.wanting = key;
    clearTimeout(this.wantSoon);
    this.wantSoon = setTimeout(() => this.quietly({ cmd: 'alternatives', token }), 60);
  }
}

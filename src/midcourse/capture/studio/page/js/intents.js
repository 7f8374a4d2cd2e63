/**
 * What a wish of the person means in a state: the command to send, if any, and whether the model writes on after it.
 *
 * Pure; `null` where the wish has no meaning now.
 */
import { pointsIn, tokensIn } from './doc.js';
import { selection, tailStart } from './hand.js';
import { behindBlank, behindWords } from './places.js';

const onText = (state) => ({ rev: state.draft.rev, shown: seenTokens(state) });

/** Tokens the person has seen. */
export const seenTokens = (state) => tokensIn(state.draft.doc, state.view.shown);

/** Whether the model has ended its text and all of it was seen. */
export const finished = ({ draft, view }) =>
  draft !== null && draft.mode === 'ended' && view.phase !== 'type' && view.shown >= draft.doc.groups.length;

/** The alternatives at the cursor, the written token left out; null where they are not known yet. */
export function alternativesAt({ draft, view }) {
  if (!draft || view.phase !== 'pause') return null;
  const token = tokensIn(draft.doc, view.cursor);
  const own = draft.doc.tokens.items[token];
  if (token && token <= draft.doc.tokens.length && draft.doc.tokens.items[token - 1].ends) return null; // nothing follows the end
  const known = token < draft.doc.tokens.length ? own.alternatives : null;
  const asked = view.found?.token === token && view.found.rev === draft.rev ? view.found.alternatives : null;
  const all = known?.length ? known : asked;
  if (!all) return null;
  const seen = view.cursor < view.shown ? own?.id : undefined;
  return { token, all: all.filter((a) => a.id !== seen).slice(0, 9), own: seen === undefined ? null : own };
}

const WISHES = {
  stop: ({ draft, view }) =>
    view.phase === 'stream' && draft.mode === 'streaming' ? { cmd: 'stop' } : null,
  resume: (state) => {
    const { draft, view } = state;
    if (view.cutting) return WISHES.reject(state);
    if (draft.mode === 'paused') return { cmd: 'continue', resume: true };
    return null; // it writes already, or has ended: only reveal
  },
  reject: (state) => {
    const { draft, view } = state;
    const cut = pointsIn(draft.doc, view.cursor);
    const nothing = view.cursor >= view.shown && draft.mode !== 'ended';
    return nothing ? null : { cmd: 'resample', cut, ...onText(state), resume: true };
  },
  take: (state, { index }) => {
    const found = alternativesAt(state);
    const one = found?.all[index];
    return one ? { cmd: 'pick', token: found.token, pick: one.id, ...onText(state), resume: !one.ends } : null;
  },
  commit: (state) => {
    const { typed } = state.view;
    const text = typed.lead + typed.text;
    if (!typed.text) return { cmd: 'resample', cut: typed.cut, ...onText(state), resume: true };
    return { cmd: 'replace', kind: 'typed', cut: typed.cut, text, ...onText(state), resume: true };
  },
  commitKeep: (state) => {
    const { typed } = state.view;
    return {
      cmd: 'replace', kind: 'local', cut: typed.cut, end: tailStart(state), text: typed.lead + typed.text,
      ...onText(state), resume: state.draft.mode !== 'ended',
    };
  },
  commitEnd: (state) => {
    const { typed } = state.view;
    return { cmd: 'end', cut: typed.cut, text: typed.text ? typed.lead + typed.text : '', ...onText(state), resume: false };
  },
  takeKeep: (state) => {
    const { draft, view } = state;
    const one = alternativesAt(state)?.all[view.choice];
    if (!one || one.ends || one.text.includes('\ufffd') || view.cursor >= view.shown) return null; // nothing there to put in its place
    const [cut, end] = [pointsIn(draft.doc, view.cursor), pointsIn(draft.doc, view.cursor + 1)];
    return { cmd: 'replace', kind: 'local', cut, end, text: one.text, ...onText(state), resume: draft.mode !== 'ended' };
  },
  remove: (state) => {
    const { draft, view } = state;
    const range = selection(view) ?? [view.cursor, view.cursor];
    if (view.cursor >= view.shown && view.anchor === null) return null;
    const start = pointsIn(draft.doc, range[0]);
    const end = range[1] > range[0]
      ? pointsIn(draft.doc, range[1])
      : behindWords(draft.doc, behindBlank(draft.doc, view.cursor), 1, pointsIn(draft.doc, view.shown));
    return { cmd: 'replace', kind: 'local', cut: start, end, text: '', ...onText(state), resume: draft.mode !== 'ended' };
  },
  endHere: (state) => ({ cmd: 'end', cut: pointsIn(state.draft.doc, state.view.cursor), text: '', ...onText(state), resume: false }),
  undo: ({ draft }) => (draft.status !== 'open' ? { cmd: 'reopen', resume: false } : draft.undo ? { cmd: 'undo', resume: false } : null),
  redo: ({ draft }) => (draft.redo ? { cmd: 'redo', resume: false } : null),
  accept: (state) => ({ cmd: 'accept', shown: seenTokens(state), resume: false }),
  discard: (state) => ({ cmd: 'discard', shown: seenTokens(state), resume: false }),
};

/** The command for a wish, or null. `resume` in it says whether the model writes on; it is sent only where it is known. */
export function intend(state, wish, more = {}) {
  if (!state.draft) return null;
  const made = WISHES[wish]?.(state, more);
  if (!made) return null;
  return wish === 'stop' ? { ...made, shown: seenTokens(state) } : made;
}

const KNOWS_RESUME = new Set(['replace', 'pick', 'resample', 'rewind']);

/** A command as it goes over the wire. */
export function wire({ resume, ...command }) {
  return KNOWS_RESUME.has(command.cmd) ? { ...command, resume } : command;
}

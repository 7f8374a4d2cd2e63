/** What the server's events change in the state. Pure. */
import { groupAt, groupOfToken, read, write } from './doc.js';
import { pauseAt } from './hand.js';

const DRAFT_FIELDS = {
  mode: 'mode', status: 'status', rev: 'rev', undo: 'undo', redo: 'redo',
  ended_by: 'endedBy', rate: 'rate', waiting: 'waiting', flagged: 'flagged', seconds: 'seconds',
};

const ON = {
  welcome: (state, e) => ({
    ...state, me: { name: e.name, role: e.role }, model: e.model, can: e.can, tags: e.tags, version: e.version,
    awayAfter: e.away_after,
  }),
  snapshot,
  tokens,
  state: drafted,
  steer: (state, e) => withDraft(state, { steers: putSteer(state.draft.steers, e.steer) }),
  presence: (state, e) => withDraft(state, { tabs: e.tabs }),
  saved_typing: (state, e) => withDraft(state, { elsewhere: e.typing }),
  trouble: (state, e) => ({
    ...state,
    trouble: e.code ? { code: e.code, message: e.message, passes: e.passes } : null,
  }),
  training: (state, e) => ({ ...state, training: e.run }),
  notice: (state, e) => ({
    ...state,
    stale: { ...state.stale, [e.about]: (state.stale[e.about] ?? 0) + 1 },
    view: e.message ? { ...state.view, toast: { message: e.about === 'model' ? `Now writing: ${e.message}` : e.message, tone: 'plain' } } : state.view,
  }),
  found: (state, e) => withView(state, { found: { rev: e.rev, token: e.token, alternatives: e.alternatives } }),
  ghost: (state, e) => withView(state, { ghost: { rev: e.rev, token: e.token, pick: e.pick, text: e.text } }),
  tree: (state, e) => withView(state, { tree: { rev: e.rev, branches: e.branches } }),
};

export const HEARD = new Set(Object.keys(ON));
const NO_DRAFT = new Set(['welcome', 'snapshot', 'training', 'notice']);

export function hear(state, event) {
  if (!state.draft && !NO_DRAFT.has(event.event)) return state;
  const next = ON[event.event](state, event);
  if (event.seq === undefined || !next.draft) return next;
  return { ...next, draft: { ...next.draft, seq: event.seq } };
}

const withDraft = (state, more) => ({ ...state, draft: { ...state.draft, ...more } });
const withView = (state, more) => ({ ...state, view: { ...state.view, ...more } });

function putSteer(steers, steer) {
  const at = steers.findIndex((s) => s.id === steer.id);
  return at < 0 ? [...steers, steer] : steers.map((s, i) => (i === at ? steer : s));
}

function snapshot(state, { draft: d }) {
  const doc = read(d.text, d.tokens, d.parts);
  const again = state.draft?.id === d.id;
  const draft = {
    id: d.id, epoch: d.epoch, seq: d.seq, rev: d.rev, mode: d.mode, status: d.status,
    prompt: d.prompt, promptText: d.prompt_text, item: d.item, practice: d.practice,
    doc, steers: [...d.steers], undo: d.undo, redo: d.redo, endedBy: d.ended_by, sampling: d.sampling,
    model: d.model, owner: d.owner, flagged: d.flagged, seconds: d.seconds, rate: null, waiting: 0, tabs: 1, elsewhere: null,
  };
  const seen = Math.min(doc.groups.length, groupOfToken(doc, d.shown));
  const shown = again ? Math.min(doc.groups.length, Math.max(seen, state.view.shown)) : seen;
  const view = {
    ...state.view, shown, found: null, ghost: null, tree: null, pending: null, choice: -1, anchor: null,
    cutting: false, hold: again && state.view.hold,
  };
  const next = { ...state, draft, trouble: null, model: d.model, view };
  if (d.mode === 'closed') return { ...next, view: { ...view, phase: 'closed', shown: doc.groups.length, typed: null } };
  const typed = again && view.typed ? view.typed : restored(d.typing, doc);
  if (typed) return { ...next, view: { ...view, phase: 'type', typed: fit(typed, doc), cursor: groupAt(doc, typed.cut) } };
  if (d.mode === 'streaming' && !view.hold) return { ...next, view: { ...view, phase: 'stream', typed: null } };
  return pauseAt({ ...next, view: { ...view, typed: null } }, again ? Math.min(state.view.cursor, shown) : endPlace(doc, shown));
}

const restored = (typing, doc) =>
  typing?.text ? { cut: Math.min(typing.cut, doc.length), lead: '', text: typing.text, units: 1, end: typing.end } : null;

const fit = (typed, doc) => ({ ...typed, cut: Math.min(typed.cut, doc.length) });

function tokens(state, e) {
  const { draft, view } = state;
  const doc = write(draft.doc, e);
  const next = { ...state, draft: { ...draft, doc, rev: e.rev } };
  if (e.rev === draft.rev) return { ...next, view: { ...view, shown: Math.min(view.shown, doc.groups.length) } };
  const changed = {
    ...view, shown: doc.groups.length, found: null, ghost: null, tree: null, choice: -1, anchor: null, cutting: false,
  };
  if (view.phase === 'type' && !view.pending) { // another tab was faster: what was typed here stays
    return { ...next, view: { ...changed, typed: fit(view.typed, doc), cursor: groupAt(doc, Math.min(view.typed.cut, doc.length)) } };
  }
  const cursor = Math.min(doc.groups.length, groupAt(doc, e.from));
  const resumes = view.pending?.resume ?? false;
  return {
    ...next,
    view: { ...changed, typed: null, cursor, phase: resumes ? 'stream' : view.phase === 'closed' ? 'closed' : 'pause', hold: !resumes },
  };
}

function drafted(state, e) {
  const was = state.draft.mode;
  const fields = Object.fromEntries(Object.entries(DRAFT_FIELDS).map(([from, to]) => [to, e[from]]));
  if (fields.rate === null) delete fields.rate; // the last one known stays in sight
  const next = withDraft(state, fields);
  const { view } = next;
  if (e.mode === 'closed') return withView(next, { phase: 'closed', shown: next.draft.doc.groups.length, typed: null });
  if (view.phase === 'closed') return pauseAt(next, next.draft.doc.groups.length);
  if (e.mode === 'streaming' && was !== 'streaming' && view.phase === 'pause' && !view.hold) {
    return withView(next, { phase: 'stream' });
  }
  return settle(next);
}

/** When all that came is shown and no more will come by itself, the text stands still. */
export function settle(state) {
  const { draft, view } = state;
  if (view.phase !== 'stream' || draft.mode === 'streaming' || view.shown < draft.doc.groups.length || view.pending) return state;
  return pauseAt(state, endPlace(draft.doc, view.shown));
}

/** Where the cursor stands at the end of a text: on its end token, so that what else could stand there is at hand. */
function endPlace(doc, shown) {
  return shown && doc.groups.items[shown - 1].ends ? shown - 1 : shown;
}

/** What the person does at the text: reveal, freeze, move, select, cut back, choose, type. Pure. */
import { groupAt, placeOf, pointsIn, slice, boundaries, textBetween } from './doc.js';
import { behindBlank, behindWords, blame, move, nextDoubt } from './places.js';
import { settle } from './heard.js';

const view = (state, more) => ({ ...state, view: { ...state.view, ...more } });
const PLAIN = { anchor: null, cutting: false, choice: -1, ghost: null, typed: null };

/** Standing still with the cursor at a place. */
export const pauseAt = (state, cursor) =>
  view(state, { ...PLAIN, phase: 'pause', cursor: Math.max(0, Math.min(cursor, state.view.shown)) });

const DO = {
  reveal: (state, { groups }) => {
    const shown = Math.min(groups, state.draft.doc.groups.length);
    return shown <= state.view.shown ? settle(state) : settle(view(state, { shown }));
  },
  freeze: (state, { recent }) => {
    if (state.view.phase !== 'stream') return state;
    const { doc } = state.draft;
    return view(pauseAt(state, blame(doc, state.view.shown, recent)), { hold: true });
  },
  rest: (state) => (state.view.phase === 'stream' ? pauseAt(state, state.view.shown) : state), // sentence by sentence
  go: (state) => view(state, { ...PLAIN, phase: 'stream', hold: false }),
  move: (state, { unit, by, extend }) => {
    const { doc } = state.draft;
    const { cursor, shown, anchor } = state.view;
    return to(state, move(doc, cursor, unit, by, shown), extend ? (anchor ?? cursor) : null);
  },
  doubt: (state, { by }) => to(state, nextDoubt(state.draft.doc, state.view.cursor, by, state.view.shown), null),
  place: (state, { group }) => (state.view.phase === 'pause' ? to(state, Math.min(group, state.view.shown), null) : state),
  placeAt: (state, { at }) => (state.view.phase === 'pause' ? to(state, Math.min(groupAt(state.draft.doc, at), state.view.shown), null) : state),
  select: (state, { from, until }) =>
    state.view.phase === 'pause' ? view(to(state, from, until), { cutting: false }) : state,
  cutBack: (state, { unit }) => {
    const { doc } = state.draft;
    const { cursor, shown, cutting } = state.view;
    if (cursor < shown && !cutting) return view(state, { cutting: true, anchor: null, choice: -1 });
    return view(state, { ...PLAIN, cursor: move(doc, cursor, unit, -1, shown), cutting: true });
  },
  clear: (state) => view(state, PLAIN),
  choose: (state, { index }) => view(state, { choice: index, ghost: null }),
  type: typing,
  units: (state, { by }) => retail(state, (t) => ({ end: null, units: Math.max(0, Math.min(200, t.units + by)) })),
  tail: (state, { at }) => retail(state, (t) => ({ end: Math.max(t.cut, Math.min(at, seen(state))) })),
  widen,
  restore: (state, { typed }) => view(state, { ...PLAIN, phase: 'type', hold: true, typed, cursor: placeOf(state.draft.doc, typed.cut) }),
  cancel: (state) => pauseAt(state, placeOf(state.draft.doc, state.view.typed?.cut ?? 0)),
};

export const HAND = new Set(Object.keys(DO));

export function hand(state, action) {
  return state.draft ? DO[action.type](state, action) : state;
}

const seen = (state) => pointsIn(state.draft.doc, state.view.shown);
const to = (state, cursor, anchor) => view(state, { cursor, anchor: anchor === cursor ? null : anchor, choice: -1, ghost: null });

function retail(state, change) {
  const { typed } = state.view;
  return typed ? view(state, { typed: { ...typed, ...change(typed) } }) : state;
}

/** First and last group of the selection, end not included; null without one. */
export function selection({ cursor, anchor }) {
  return anchor === null ? null : [Math.min(cursor, anchor), Math.max(cursor, anchor)];
}

function typing(state, { text }) {
  const { typed, phase } = state.view;
  if (phase === 'type') return view(state, { typed: { ...typed, text } });
  if (phase !== 'pause' || !text) return state;
  const { doc } = state.draft;
  const range = selection(state.view);
  const place = range ? range[0] : state.view.cursor;
  const behind = place >= state.view.shown || doc.groups.items[place].ends;
  const cut = behind ? Math.min(seen(state), doc.length) : behindBlank(doc, place, text);
  return view(state, {
    ...PLAIN, phase: 'type', hold: true,
    typed: {
      cut, text, units: 1,
      lead: blankBefore(doc, cut, text),
      end: range ? pointsIn(doc, range[1]) : null,
    },
  });
}

const NO_BLANKS = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/** The blank that a word put behind another needs in front: none within a word, or where none are written. */
function blankBefore(doc, cut, text) {
  const last = textBetween(doc, Math.max(0, cut - 1), cut);
  if (!last || /[\s(["'“‘/-]/.test(last) || !/^[\p{L}\p{N}]/u.test(text) || NO_BLANKS.test(last + text)) return '';
  const next = textBetween(doc, cut, cut + 1);
  return /[\p{L}\p{N}]/u.test(next) ? '' : ' ';
}

/** One cluster in front of the typed words goes too. */
function widen(state) {
  const { typed } = state.view;
  if (!typed) return state;
  if (typed.lead) return view(state, { typed: { ...typed, lead: '' } });
  if (!typed.cut) return state;
  const { doc } = state.draft;
  const group = doc.groups.items[groupAt(doc, typed.cut - 1)];
  const before = slice(group.text, 0, typed.cut - group.start);
  const ends = [0, ...boundaries(before)];
  const cut = group.start + ends.at(-2);
  return view(state, { typed: { ...typed, cut, end: typed.end ?? behindWords(doc, typed.cut, typed.units, seen(state)) } });
}

/** Where the replaced words of a local correction end. */
export function tailStart(state) {
  const { typed } = state.view;
  return typed.end ?? behindWords(state.draft.doc, typed.cut, typed.units, seen(state));
}

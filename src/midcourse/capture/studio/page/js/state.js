/**
 * The one state of the page and what changes it: `reduce(state, action) → state`, pure.
 *
 * What the server says is in `heard.js`, what the person does at the text in `hand.js`. Nothing here knows a DOM, a
 * socket or a clock.
 */
import { HAND, hand } from './hand.js';
import { HEARD, hear } from './heard.js';

export const QUIET = Object.freeze({
  phase: 'home', // home | stream | pause | type | closed
  shown: 0, // groups the person has seen
  cursor: 0, // place, 0 to `shown`
  anchor: null, // other end of a selection
  cutting: false, // Enter turns down what stands behind the cursor
  choice: -1, // highlighted alternative
  typed: null, // {cut, lead, text, units, end}
  hold: false, // the person stopped it: only the person lets it go on
  pending: null, // what waits for the server: {name, resume, command}
  found: null, // alternatives that were asked for: {rev, token, alternatives}
  ghost: null, // how an alternative would go on: {rev, token, pick, text}
  tree: null,
  toast: null, // {message, tone, at}
});

export const START = Object.freeze({
  link: { status: 'connecting', tries: 0 },
  me: null,
  model: null,
  can: [],
  tags: [],
  awayAfter: 60,
  draft: null,
  trouble: null,
  training: null,
  stale: {}, // what `notice` told to fetch again, counted
  view: QUIET,
});

/** The state after an action. Unknown actions change nothing. */
export function reduce(state, action) {
  if (action.type === 'heard') return HEARD.has(action.event.event) ? hear(state, action.event) : state;
  if (HAND.has(action.type)) return hand(state, action);
  switch (action.type) {
    case 'link':
      return { ...state, link: { ...state.link, ...action.link } };
    case 'toast':
      return { ...state, view: { ...state.view, toast: action.message ? action : null } };
    case 'pending':
      return { ...state, view: { ...state.view, pending: action.pending } };
    case 'adapter':
      return state.model ? { ...state, model: { ...state.model, adapter: action.name } } : state;
    case 'sampling':
      return state.draft ? { ...state, draft: { ...state.draft, sampling: action.sampling } } : state;
    case 'tags':
      return { ...state, tags: action.tags };
    case 'left':
      return { ...state, draft: null, trouble: null, view: QUIET };
    default:
      return state;
  }
}

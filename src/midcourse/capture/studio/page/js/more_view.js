/** What can be done beside what the bar offers, as buttons: for mouse and touch, which have no chords. */
import { onBar } from './bar_view.js';
import { WISHES, spell } from './keys.js';
import { el } from './dom.js';

const OFFERED = [
  'sentence-', 'sentence+', 'text-', 'text+', 'doubt-', 'doubt+', 'choice+', 'takeKeep', 'backWord',
  'reasons', 'flag', 'skip', 'discard', 'sentences', 'tint', 'guidelines', 'queue',
];

/** The wishes that mean something in a mode and are on no button of the bar. Pure. */
export function others(state, mode) {
  const there = onBar(mode);
  const able = { skip: state.draft.item !== null && mode !== 'closed', takeKeep: state.view.choice >= 0 };
  return OFFERED.filter((name) => !there.has(name) && (able[name] ?? true))
    .map((name) => WISHES.find((w) => w.wish === name && (w.modes[0] === '*' || w.modes.includes(mode))))
    .filter(Boolean);
}

export function showMore(dialog, state, mode, perform) {
  dialog.replaceChildren(
    el('h2', { id: 'more-title' }, 'More', el('button', { type: 'button', class: 'quiet', onclick: () => dialog.close() }, 'Close')),
    el('div', { class: 'more', 'data-testid': 'more' }, others(state, mode).map((w) => el('button', {
      type: 'button', 'data-wish': w.wish, onclick: () => { dialog.close(); perform(w.wish); },
    }, w.says, ' ', el('kbd', { 'aria-hidden': 'true' }, spell(w.keys[0]).join(' '))))));
  dialog.showModal();
}

/** What stands below a text that has come to its end: accept it, or go on with the conversation. */
import { el, fill, seconds } from './dom.js';
import { foreign } from './foreign.js';

const WHY = { end: 'The model has ended here.' };
const STUCK = { limit: 'This is as much as it writes at once. Enter lets it write on.', context: 'The model has no room for more: put an end to it here, or accept the text as it stands.' };

export function after(node, state, mode, does) {
  const { draft, view } = state;
  const stuck = mode === 'pause' && draft.mode === 'paused' && !view.cutting && view.shown >= draft.doc.groups.length ? STUCK[draft.endedBy] : undefined;
  const key = mode === 'done' || mode === 'closed' ? [mode, draft.id, draft.status, draft.endedBy, draft.steers.length] : [stuck ?? 'none'];
  fill(node, key, () => {
    if (mode === 'done') return el('p', {}, WHY[draft.endedBy] ?? 'The text is complete.');
    if (mode === 'closed') return closed(draft, does, Boolean(foreign(state)));
    return stuck ? el('p', {}, stuck) : [];
  });
}

function closed(draft, does, looksOn) {
  const steers = draft.steers.filter((s) => s.state !== 'withdrawn').length;
  const said = { accepted: 'Accepted', discarded: 'Discarded', skipped: 'Skipped' }[draft.status] ?? draft.status;
  const told = el('p', {}, `${said}, with ${steers} steer${steers === 1 ? '' : 's'}${draft.seconds ? ` in ${seconds(draft.seconds)}` : ''}.`);
  if (looksOn) return [told];
  const box = el('textarea', {
    'aria-label': 'Your next message', placeholder: 'Or go on talking: your next message', dir: 'auto',
    onkeydown: (e) => {
      if (e.key === 'Enter' && !e.shiftKey && !e.isComposing && box.value.trim()) {
        e.preventDefault();
        does.turn(box.value);
      }
      e.stopPropagation();
    },
  });
  return [
    told,
    el('div', { class: 'choices' },
      el('button', { type: 'button', class: 'main', onclick: () => does.perform('next') }, 'Next prompt'),
      el('button', { type: 'button', onclick: () => does.perform('undo') }, 'Open again')),
    draft.status === 'accepted' && draft.prompt.length ? box : null,
  ];
}

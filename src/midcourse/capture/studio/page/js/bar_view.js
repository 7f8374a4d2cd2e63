/** What can be done now, as buttons with their keys: the same by mouse, touch and keyboard. */
import { el, fill } from './dom.js';
import { foreign } from './foreign.js';
import { spell } from './keys.js';

const MORE = ['more', 'More…', ''];
const ACTIONS = {
  stream: [['stop', 'Stop', 'Space', true], ['slower', 'Slower', 'Mod+BracketLeft'], ['faster', 'Faster', 'Mod+BracketRight'], ['undo', 'Undo', 'Mod+KeyZ'], MORE],
  pause: [
    ['resume', 'Write on', 'Enter', true], ['word-', '‹ word', 'Word+ArrowLeft'], ['word+', 'word ›', 'Word+ArrowRight'], ['write', 'Type', 'a–z'],
    ['back', 'Strike', 'Backspace'], ['remove', 'Remove word', 'Delete'], ['endHere', 'End here', 'Mod+Enter'], ['undo', 'Undo', 'Mod+KeyZ'], ['redo', 'Redo', 'Mod+Shift+KeyZ'], ['accept', 'Accept', 'Mod+KeyS'], MORE,
  ],
  cutting: [['resume', 'Try again from here', 'Enter', true], ['back', 'Strike one more', 'Backspace'], ['write', 'Type', 'a–z'], ['clear', 'Back', 'Escape'], ['undo', 'Undo', 'Mod+KeyZ']],
  type: [
    ['commit', 'Write on from here', 'Enter', true], ['commitKeep', 'Keep the rest', 'Alt+Enter'], ['units-', 'fewer', 'Alt+ArrowUp'], ['units+', 'more words', 'Alt+ArrowDown'],
    ['commitEnd', 'End here', 'Mod+Enter'], ['cancel', 'Drop', 'Escape'],
  ],
  done: [['accept', 'Accept', 'Enter', true], ['acceptNext', 'Accept, next', 'Mod+Enter'], ['word-', '‹ word', 'Word+ArrowLeft'], ['word+', 'word ›', 'Word+ArrowRight'], ['write', 'Type', 'a–z'], ['back', 'Should not end', 'Backspace'], ['undo', 'Undo', 'Mod+KeyZ'], ['redo', 'Redo', 'Mod+Shift+KeyZ'], MORE],
  closed: [['next', 'Next prompt', 'Enter', true], ['undo', 'Open again', 'Mod+KeyZ'], MORE],
  home: [],
};

/** Wishes that have a button in a mode. */
export const onBar = (mode) => new Set((ACTIONS[mode] ?? []).map(([wish]) => wish));

export class BarView {
  constructor(node, perform) {
    Object.assign(this, { node, perform });
  }

  draw(state, mode) {
    const set = mode === 'pause' && state.view.cutting ? 'cutting' : mode === 'waiting' ? 'type' : mode;
    const { undo = 0, redo = 0 } = state.draft ?? {};
    this.node.hidden = !state.draft || Boolean(foreign(state));
    fill(this.node, [set, undo > 0, redo > 0, Boolean(state.view.pending)], () => ACTIONS[set]
      .filter(([wish]) => (wish !== 'undo' || undo > 0 || set === 'closed') && (wish !== 'redo' || redo > 0))
      .map(([wish, says, keys, main]) => el('button', {
        type: 'button', class: main ? 'main' : '', 'data-wish': wish, onmousedown: (e) => e.preventDefault(), onclick: () => this.perform(wish),
      }, says, !keys || keys.includes('–') ? null : el('kbd', { 'aria-hidden': 'true' }, spell(keys).join(' ')))));
  }
}

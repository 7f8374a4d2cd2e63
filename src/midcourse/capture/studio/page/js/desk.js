/** Draws the writing desk from the state: prompt, text, cursor, alternatives, what stands beside. */
import { AlternativesView } from './alternatives_view.js';
import { BarView } from './bar_view.js';
import { CaretView } from './caret_view.js';
import { after } from './after_view.js';
import { byId, el, fill } from './dom.js';
import { TextView } from './text_view.js';
import { TimelineView } from './timeline_view.js';
import { TreeView } from './tree_view.js';
import { selection } from './hand.js';

export const NARROW = matchMedia('(max-width: 900px)');

export class Desk {
  constructor(studio, does) {
    this.studio = studio;
    this.node = byId('desk');
    this.column = byId('column');
    this.text = new TextView(byId('text'));
    this.caret = new CaretView(this.text, (text) => studio.typed(text));
    this.alternatives = new AlternativesView(byId('alternatives'), {
      take: (index) => studio.perform('take', { index }),
      look: (index) => { studio.dispatch({ type: 'choose', index }); studio.ghost(index); },
    });
    this.timeline = new TimelineView(byId('side'), does);
    this.tree = new TreeView(byId('side'), does.jump, does.closeSide);
    this.bar = new BarView(byId('bar'), does.perform);
    this.does = does;
    this.pointer();
    new ResizeObserver(() => this.settle()).observe(this.column); // a window, a panel, guidelines that come a moment later
  }

  /** The lines broke anew: the alternatives go along with the cursor. */
  settle() {
    const spot = byId('alternatives').hidden ? null : this.spot();
    if (spot) this.alternatives.put(spot);
  }

  draw(state, before) {
    const { draft, view } = state;
    this.bar.draw(state, this.studio.mode);
    if (!draft) return;
    document.body.dataset.phase = this.node.dataset.phase = view.phase;
    if (before.draft?.id !== draft.id) this.begin(state);
    const grew = this.text.draw(draft.doc, view.shown);
    const still = view.phase === 'pause' || view.phase === 'type';
    if (view !== before.view || draft !== before.draft) this.caret.draw(state);
    if (still) this.still(state, before);
    else byId('alternatives').hidden = true;
    if (view.phase === 'stream' && grew) this.follow();
    after(byId('after'), state, this.studio.mode, this.does);
    this.beside(state);
  }

  begin(state) {
    this.text.clear();
    this.drawPrompt(state.draft);
    this.column.scrollTop = 0;
    requestAnimationFrame(() => this.follow(true));
  }

  drawPrompt(draft) {
    const node = byId('prompt');
    node.classList.toggle('raw', draft.promptText !== null);
    fill(node, [draft.id], () => (draft.promptText !== null ? [el('p', { dir: 'auto' }, draft.promptText)]
      : draft.prompt.map((m) => el('p', { class: m.role, dir: 'auto' }, m.role === 'user' && draft.prompt.length === 1 ? null : el('span', { class: 'role' }, m.role), m.content))));
  }

  still(state, before) {
    const { view } = state;
    if (!document.querySelector('dialog[open]') && (before.view.phase !== view.phase || document.activeElement === document.body || this.caret.box !== document.activeElement && before.view.cursor !== view.cursor)) this.caret.focus();
    const spot = this.spot();
    if (spot) this.alternatives.draw(state, spot, this.studio.settings.digits && this.studio.settings.single);
    if (before.view.cursor !== view.cursor || before.view.phase !== view.phase || before.view.typed !== view.typed) this.see(spot);
    this.studio.wantAlternatives();
  }

  /** Where the cursor is on the screen. */
  spot() {
    const { view } = this.studio.state;
    const span = this.text.spans[view.cursor];
    const node = view.typed || !span ? this.caret.box : span;
    return [...node.getClientRects()].find((r) => r.height) ?? node.getBoundingClientRect();
  }

  /** Scrolls only if the cursor would be out of sight. */
  see(spot) {
    const frame = this.column.getBoundingClientRect();
    if (spot.bottom > frame.bottom - 90) this.column.scrollTop += spot.bottom - frame.bottom + frame.height * 0.35;
    else if (spot.top < frame.top + 20) this.column.scrollTop -= frame.top - spot.top + frame.height * 0.35;
  }

  /** Keeps the line that is being written in sight, unless the person has scrolled away from it. */
  follow(always = false) {
    const last = this.text.spans.at(-1);
    if (!last) return;
    const frame = this.column.getBoundingClientRect();
    const bottom = last.getBoundingClientRect().bottom;
    const limit = frame.top + frame.height * 0.72;
    if (bottom > limit && (always || bottom < frame.bottom + 80)) this.column.scrollTop += bottom - limit;
  }

  beside(state) {
    const side = byId('side');
    const what = this.studio.settings.side;
    side.hidden = what === 'none' || (NARROW.matches && !this.sheet);
    if (side.hidden) return;
    if (what === 'timeline') this.timeline.draw(state);
    else if (what === 'tree') {
      side.setAttribute('aria-label', 'Everything tried');
      this.tree.draw(state);
    }
    if (what === 'timeline') side.setAttribute('aria-label', 'Steers');
  }

  // -- mouse and touch: click puts the cursor, dragging selects ----------------------------------------------------------

  pointer() {
    const text = byId('text');
    text.addEventListener('pointerdown', (e) => { this.down = this.text.placeOf(e.target); });
    text.addEventListener('pointerup', (e) => {
      const { phase } = this.studio.state.view;
      if (phase === 'stream') { this.studio.perform('stop'); return; }
      const range = getSelection();
      if (!range.isCollapsed && !this.caret.box.contains(range.anchorNode)) { this.selected(range); return; }
      const place = this.text.placeOf(e.target);
      if (place === null) {
        if (phase === 'pause' && !e.target.closest('.box, button')) this.studio.dispatch({ type: 'place', group: Infinity });
        if (phase === 'pause') this.caret.focus();
        return;
      }
      if (phase === 'type') this.studio.dispatch({ type: 'tail', at: this.studio.state.draft.doc.groups.items[place].end });
      else this.studio.dispatch({ type: 'place', group: place });
      this.caret.focus();
    });
  }

  selected(range) {
    const places = [range.anchorNode, range.focusNode].map((n) => this.text.placeOf(n)).filter((p) => p !== null);
    range.removeAllRanges();
    if (places.length < 2) return;
    const [from, until] = [Math.min(...places), Math.max(...places) + 1];
    this.studio.dispatch({ type: 'select', from, until });
    this.caret.focus();
  }

  hasSelection() { return selection(this.studio.state.view) !== null; }
}

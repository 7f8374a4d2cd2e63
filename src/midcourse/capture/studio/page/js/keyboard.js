/** Keys of the page: which are ours where they were pressed, and what they wish. */
import { wishOf } from './keys.js';

const FUNCTION = /^F\d/;

export class Keyboard {
  /** `mode()`: stream, pause, …; `table()` and `now`: bindings and settings; `perform(wish, more)`: what a wish does. */
  constructor({ studio, desk, now, table, mode, perform }) {
    Object.assign(this, { studio, desk, now, table, mode, perform });
    addEventListener('keydown', (e) => this.pressed(e));
  }

  pressed(e) {
    if (e.defaultPrevented || document.querySelector('dialog[open]')) return;
    const mode = this.mode();
    const wish = wishOf(e, mode, { table: this.table(), single: this.now.single, digits: this.now.digits });
    if (mode === 'waiting') this.waits(e, wish);
    else if (!wish) this.widens(e, mode);
    else this.does(e, mode, wish);
  }

  does(e, mode, wish) {
    const own = e.target.closest?.('button, a, input, select, textarea, summary');
    if (own && !chorded(e)) return; // buttons and fields keep their own keys
    if (mode === 'home' && /^(on|next)$/.test(wish.wish) && location.hash.length > 2) return;
    if (wish.wish !== 'stopTyping') e.preventDefault(); // else the letter goes into the box
    this.perform(wish.wish, wish.wish === 'stopTyping' ? {} : wish);
    if (wish.wish === 'stop' || wish.wish === 'stopTyping') frozen(e.timeStamp);
  }

  /** While a correction is on its way it stays as it was typed; Tab and the browser's own keys are the browser's. */
  waits(e, wish) {
    const edits = e.key !== 'Tab' && (chorded(e) ? /^[zyvx]$/i.test(e.key) : true);
    if (wish || edits) e.preventDefault();
    if (wish?.wish === 'stop') this.perform('stop');
  }

  /** Backspace at the beginning of what is typed takes the cluster in front of it too. */
  widens(e, mode) {
    const { caret } = this.desk;
    const inText = e.target === document.body || e.target.closest?.('#column') || e.target === caret.box;
    if (mode !== 'type' || e.key !== 'Backspace' || !inText || !caret.atStart) return;
    e.preventDefault();
    this.studio.local({ type: 'widen' });
  }
}

const chorded = (e) => e.ctrlKey || e.metaKey || e.altKey || FUNCTION.test(e.key);

/** How long a stop took to the first frame without motion, for the benchmark: `performance.getEntriesByName('freeze')`. */
function frozen(started) {
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => performance.measure('freeze', { start: started, end: performance.now() });
    port2.postMessage(0);
  });
}

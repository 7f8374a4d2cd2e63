/** What annotators are asked to do, beside the text; where there is no room for it, a sheet that comes when asked for. */
import { el, fill } from './dom.js';
import { markdown } from './markdown.js';
import { get } from './rest.js';

export const CROWDED = matchMedia('(max-width: 1180px)');

export class GuideView {
  /** `changed`: something is to be drawn anew. */
  constructor(node, changed) {
    Object.assign(this, { node, changed, text: '', sheet: false });
  }

  async fetch() {
    const { text } = await get('api/guidelines').catch(() => ({ text: this.text }));
    if (text === this.text) return;
    this.text = text;
    this.changed();
  }

  /** In sight or not; `beside` is what the person set for where there is room. */
  open(beside) { return Boolean(this.text) && (CROWDED.matches ? this.sheet : beside); }

  draw(beside) {
    fill(this.node, [this.text], () => [
      el('button', { type: 'button', class: 'quiet close', onclick: () => { this.sheet = false; this.changed(); } }, 'Close'),
      ...markdown(this.text),
    ]);
    this.node.hidden = !this.open(beside);
  }
}

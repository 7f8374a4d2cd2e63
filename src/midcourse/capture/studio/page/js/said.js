/** What a screen reader hears: whole sentences of the stream, politely; where the cursor stands, at once. */
import { pointsIn, textBetween } from './doc.js';
import { alternativesAt } from './intents.js';
import { byId, percent, visible } from './dom.js';
import { selection } from './hand.js';
import { starts } from './places.js';

export class Said {
  constructor() {
    this.upTo = 0;
    this.draft = null;
  }

  draw(state, before) {
    const { draft, view } = state;
    if (!draft) return;
    if (this.draft !== draft.id || this.rev !== draft.rev) {
      [this.draft, this.rev, this.upTo] = [draft.id, draft.rev, view.shown];
      this.cursor = null;
    }
    if (view.phase === 'stream') this.sentences(draft.doc, view.shown);
    if (view.phase === 'pause' && (view.cursor !== before.view.cursor || before.view.phase !== 'pause')) {
      if (view.shown > this.upTo) this.say(draft.doc, view.shown);
      this.place(state);
    }
    if (view.phase === 'pause') this.chosen(state, before);
    if (view.phase === 'type' && before.view.phase !== 'type') byId('place').textContent = 'Typing a correction. Enter writes on from it, Alt Enter keeps the rest, Escape drops it.';
    if (view.phase === 'closed' && before.view.phase !== 'closed') byId('place').textContent = `Text ${draft.status}.`;
  }

  sentences(doc, shown) {
    if (shown - this.upTo < 6) return;
    const last = starts(doc, 'sentence', this.upTo, shown).at(-1);
    if (last > this.upTo) this.say(doc, last);
  }

  say(doc, until) {
    byId('said').textContent = textBetween(doc, pointsIn(doc, this.upTo), pointsIn(doc, until)).trim();
    this.upTo = until;
  }

  /** What is highlighted, struck through or selected: seen by others in a colour. */
  chosen({ draft, view }, before) {
    const was = before.view;
    const one = view.choice >= 0 && view.choice !== was.choice ? alternativesAt({ draft, view })?.all[view.choice] : null;
    if (one) byId('place').textContent = `${view.choice + 1}: ${one.ends ? 'end of the answer' : one.text.trim() || visible(one.text)}, ${percent(one.logprob)}. Enter takes it.`;
    else if (view.cutting && (!was.cutting || view.cursor !== was.cursor)) byId('place').textContent = `Struck through from here on: ${words(draft.doc, view.cursor, view.cursor + 6)}. Enter lets the model try again.`;
    else if (view.anchor !== null && (view.anchor !== was.anchor || view.cursor !== was.cursor)) byId('place').textContent = `Selected: ${words(draft.doc, ...selection(view))}.`;
  }

  place(state) {
    const { draft, view } = state;
    const group = draft.doc.groups.items[view.cursor];
    const found = alternativesAt(state)?.all.slice(0, 3) ?? [];
    const here = view.cursor >= view.shown ? 'End of the text' : group.ends ? 'End of the answer' : `${group.text.trim() || visible(group.text)}${group.logprob === null ? '' : `, ${percent(group.logprob)}`}`;
    const others = found.map((a, i) => `${i + 1} ${a.ends ? 'end' : a.text.trim()}`).join(', ');
    byId('place').textContent = others ? `${here}. Instead: ${others}.` : `${here}.`;
  }
}

const words = (doc, from, until) => textBetween(doc, pointsIn(doc, from), pointsIn(doc, Math.min(until, doc.groups.length))).trim() || 'nothing';

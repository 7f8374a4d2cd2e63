/**
 * Draws the text: one span per group, appended as it is shown, never drawn again.
 *
 * Lines are blocks of their own, so that each finds its direction and those out of sight cost nothing. What is struck
 * through follows in the style sheet from where the caret stands, so that a stop touches a handful of elements.
 */
import { el } from './dom.js';

const FENCE = /^\s*(```|~~~)/;

/** How doubtful a token was, in four steps; 0 for sure. */
export function doubt(group) {
  if (group.logprob === null || group.by === 'person' || group.ends) return 0;
  const p = Math.exp(group.logprob);
  return p > 0.5 ? 0 : p > 0.3 ? 1 : p > 0.15 ? 2 : p > 0.05 ? 3 : 4;
}

/** The same but for how likely it is: words whose tail was kept are told about again. */
const alike = (a, b) => a.text === b?.text && a.start === b.start && a.by === b.by && a.ends === b.ends;

/** Puts a group's words and marks on its span; the tint is on the word, not on its blanks. */
function dress(span, group) {
  const marks = ['g'];
  const level = doubt(group);
  const word = group.text.trim();
  const apart = level && word && word !== group.text;
  if (level && !apart) marks.push(`d${level}`);
  if (group.by === 'person') marks.push('person');
  if (group.ends) marks.push('ends');
  else if (!word) marks.push(group.text.includes('\n') ? 'break' : 'blank');
  span.className = marks.join(' ');
  if (!apart) {
    span.textContent = group.text;
    return;
  }
  const at = group.text.indexOf(word);
  const tinted = document.createElement('i');
  tinted.className = `d${level}`;
  tinted.textContent = word;
  span.replaceChildren(group.text.slice(0, at), tinted, group.text.slice(at + word.length));
}

export class TextView {
  constructor(node) {
    this.node = node;
    this.clear();
  }

  clear() {
    this.groups = [];
    this.spans = [];
    this.lines = [];
    this.parts = [];
    this.open = new Set();
    this.node.replaceChildren();
  }

  /** Brings the page to the first `shown` groups of `doc`; returns whether anything changed. */
  draw(doc, shown) {
    let same = this.unchanged(doc, shown);
    if (same === this.groups.length && same === shown) return false;
    if (same < this.groups.length && this.groups.length <= shown && this.toldAgain(doc, same)) {
      for (; same < this.groups.length; same += 1) dress(this.spans[same], (this.groups[same] = doc.groups.items[same]));
    }
    this.cut(same);
    this.parts = doc.parts;
    const fresh = document.createDocumentFragment();
    const before = this.lines.length;
    for (let g = same; g < shown; g += 1) this.add(doc.groups.items[g], fresh);
    this.node.append(fresh);
    if (this.lines.length !== before || same < shown) this.fold();
    return true;
  }

  /** Whether only the doubts changed from a group on. */
  toldAgain(doc, same) {
    const part = (p, i) => p.start === this.parts[i].start && p.kind === this.parts[i].kind && p.end === this.parts[i].end;
    return doc.parts.length === this.parts.length && doc.parts.every(part) && this.groups.slice(same).every((g, i) => alike(g, doc.groups.items[same + i]));
  }

  unchanged(doc, shown) {
    let same = Math.min(this.groups.length, shown);
    while (same && this.groups[same - 1] !== doc.groups.items[same - 1]) same -= 1;
    if (doc.parts !== this.parts) {
      const differs = (p, i) => p.start !== this.parts[i]?.start || p.kind !== this.parts[i]?.kind || p.end !== this.parts[i]?.end;
      for (const [i, part] of doc.parts.entries()) {
        if (differs(part, i)) {
          while (same && this.groups[same - 1].end > part.start) same -= 1;
          break;
        }
      }
    }
    return same;
  }

  cut(length) {
    if (length >= this.groups.length) return;
    while (this.spans.length > length) this.spans.pop().remove();
    this.groups.length = length;
    while (this.lines.length && this.lines.at(-1).first >= length) {
      const line = this.lines.pop();
      line.header?.remove();
      line.node.remove();
    }
    const line = this.lines.at(-1);
    if (line) line.text = this.groups.slice(line.first).map((g) => g.text).join('');
  }

  add(group, fresh) {
    let line = this.lines.at(-1);
    const part = this.parts.findIndex((p) => group.start >= p.start && (p.end === null || group.start < p.end));
    if (!line || line.text.endsWith('\n') || line.part !== part) line = this.newLine(line, part, fresh);
    const span = document.createElement('span');
    dress(span, group);
    this.spans.push(span);
    this.groups.push(group);
    line.node.append(span);
    line.text += group.text;
    if (!line.code && !line.fence && FENCE.test(line.text)) {
      line.fence = true;
      line.node.classList.add('code');
    } else if (line.code && FENCE.test(line.text)) line.fence = true;
  }

  newLine(last, part, fresh) {
    const inside = last ? (last.fence ? !last.code : last.code) && last.part === part : false;
    const node = document.createElement('p');
    node.dir = 'auto';
    node.className = inside ? 'line code' : 'line';
    const line = { node, text: '', first: this.groups.length, part, code: inside, fence: false, header: null };
    if (part >= 0 && last?.part !== part) {
      line.header = this.header(part);
      fresh.append(line.header);
    }
    if (part >= 0) node.classList.add('part', this.parts[part].kind);
    fresh.append(node);
    this.lines.push(line);
    return line;
  }

  header(part) {
    return el('button', {
      class: 'fold', type: 'button', 'aria-expanded': 'true',
      onclick: () => { this.open.has(part) ? this.open.delete(part) : this.open.add(part); this.fold(); },
    }, this.parts[part].kind === 'thinking' ? 'Thinking' : 'Tool call');
  }

  /** Thinking folds when it is over, unless the person opened it. */
  fold() {
    for (const line of this.lines) {
      if (line.part < 0) continue;
      const part = this.parts[line.part];
      const closed = part?.kind === 'thinking' && part.end !== null && !this.open.has(line.part);
      line.node.hidden = closed;
      line.header?.setAttribute('aria-expanded', String(!closed));
    }
  }

  /** Opens the part in which a group lies. */
  unfold(place) {
    const line = this.lineOf(place);
    if (line && line.part >= 0 && line.node.hidden) {
      this.open.add(line.part);
      this.fold();
    }
  }

  lineOf(place) {
    let [low, high] = [0, this.lines.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.lines[middle].first <= place) low = middle + 1;
      else high = middle;
    }
    return this.lines[low - 1] ?? null;
  }

  /** The group to which a node of the page belongs; null outside. */
  placeOf(node) {
    const span = (node?.nodeType === Node.TEXT_NODE ? node.parentElement : node)?.closest?.('.g');
    if (!span) return null;
    const line = this.lines.find((l) => l.node === span.parentElement);
    if (!line) return null;
    for (let g = line.first; g < this.spans.length; g += 1) if (this.spans[g] === span) return g;
    return null;
  }

  /** Puts `nodes` in front of a group, or at the end of the text, moving no more than needed. */
  insert(place, nodes) {
    const [parent, next] = this.slot(place);
    for (const node of nodes) {
      if (node.parentNode === parent && node.nextSibling === next) continue;
      if (node.parentNode === parent && nodes.includes(node.nextSibling)) continue;
      if (node.isConnected && parent.moveBefore) parent.moveBefore(node, next);
      else parent.insertBefore(node, next);
    }
  }

  slot(place) {
    const span = this.spans[place];
    if (span) return [span.parentElement, span];
    const line = this.lines.at(-1);
    if (!line) {
      this.newLine(null, -1, this.node);
      return [this.lines[0].node, null];
    }
    if (line.text.endsWith('\n')) { // the next word will stand on a line of its own
      this.tailLine ??= el('p', { class: 'line tail', dir: 'auto' });
      if (this.tailLine.previousSibling !== line.node) line.node.after(this.tailLine);
      return [this.tailLine, null];
    }
    return [line.node, null];
  }
}

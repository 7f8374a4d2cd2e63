/**
 * The cursor in the text and the box in which a correction is typed, which is the same element: what has the focus
 * while the text stands still takes letters, dead keys and input methods as any text field does.
 */
import { groupAt, placeOf, pointsIn, slice } from './doc.js';
import { selection, tailStart } from './hand.js';
import { el } from './dom.js';

const TOUCH = matchMedia('(pointer: coarse)');

export class CaretView {
  constructor(text, typed) {
    this.text = text;
    this.box = el('span', {
      class: 'box', contentEditable: 'plaintext-only', spellcheck: false, autocapitalize: 'off', role: 'textbox',
      'aria-multiline': 'true', 'aria-label': 'Correction at the cursor', 'data-testid': 'box', tabIndex: 0,
    });
    this.box.setAttribute('autocorrect', 'off');
    this.box.setAttribute('autocomplete', 'off');
    this.silent();
    this.kept = el('span', { class: 'kept', 'aria-hidden': 'true' });
    this.marked = [];
    this.composing = false;
    this.box.addEventListener('compositionstart', () => { this.composing = true; });
    this.box.addEventListener('compositionend', () => { this.composing = false; typed(this.value); });
    this.box.addEventListener('input', () => typed(this.value));
  }

  /** What stands in the box, without the line break that browsers put behind the last one. */
  get value() {
    let out = '';
    for (const node of this.box.childNodes) out += node.nodeName === 'BR' ? '\n' : node.textContent;
    return out.replace(/\n$/, '');
  }

  set value(text) {
    this.box.replaceChildren(...(text ? [text.endsWith('\n') ? `${text}\n` : text] : []));
  }

  toEnd() {
    const range = getSelection();
    range.selectAllChildren(this.box);
    range.collapseToEnd();
  }

  get atStart() {
    const range = getSelection();
    if (!range.isCollapsed || !this.box.contains(range.anchorNode)) return false;
    const before = document.createRange();
    before.setStart(this.box, 0);
    before.setEnd(range.anchorNode, range.anchorOffset);
    return before.toString() === '';
  }

  /** A finger moves the cursor without the screen's keyboard coming up; it comes when somebody wants to type. */
  silent() { this.box.inputMode = TOUCH.matches ? 'none' : ''; }

  hide() {
    this.silent();
    this.unmark();
    this.box.remove();
    this.kept.remove();
    this.text.tailLine?.remove();
  }

  draw(state) {
    const { draft, view } = state;
    this.unmark();
    if (view.phase !== 'pause' && view.phase !== 'type') return this.hide();
    const typed = view.typed;
    const place = typed ? Math.min(placeOf(draft.doc, typed.cut), view.shown) : view.cursor;
    this.text.unfold(place);
    const group = draft.doc.groups.items[place];
    const before = typed && place < view.shown ? slice(group.text, 0, typed.cut - group.start) : '';
    this.kept.textContent = before + (typed?.lead ?? '');
    const text = typed ? typed.text : '';
    const put = !this.composing && this.value !== text;
    if (put) this.value = text;
    this.text.insert(place, this.kept.textContent ? [this.kept, this.box] : [this.box]);
    if (put && document.activeElement === this.box) this.toEnd(); // moved with the focus, it begins at its start again
    if (!this.kept.textContent) this.kept.remove();
    if (!typed && this.box.classList.contains('typing')) this.silent(); // dropped, or the rest was kept
    this.box.classList.toggle('typing', Boolean(typed));
    this.box.classList.toggle('waiting', Boolean(typed && view.pending));
    this.box.classList.toggle('cutting', view.cutting || Boolean(typed));
    this.struck = this.box.parentElement;
    this.struck.classList.add('struck', ...(view.cutting || typed ? ['cut-here'] : []), ...(typed ? ['type-here'] : []));
    if (typed) this.markTail(state, place);
    else this.markPlace(state, place);
    return undefined;
  }

  markTail(state, place) {
    const { doc } = state.draft;
    const tail = groupAt(doc, tailStart(state));
    for (let g = place; g < Math.min(tail + 1, this.text.spans.length); g += 1) {
      if (g < tail || pointsIn(doc, tail) < tailStart(state)) this.mark(g, 'replaced');
    }
    this.mark(tail, 'tail');
    const line = this.text.spans[tail]?.parentElement;
    line?.classList.add('keeps-here', ...(line === this.struck ? [] : ['tail-line']));
  }

  markPlace({ view }, place) {
    this.mark(place, 'at');
    const range = selection(view);
    if (range) for (let g = range[0]; g < range[1]; g += 1) this.mark(g, 'selected');
  }

  mark(g, name) {
    const span = this.text.spans[g];
    if (!span) return;
    span.classList.add(name);
    this.marked.push([span, name]);
  }

  unmark() {
    for (const [span, name] of this.marked) {
      span.classList.remove(name);
      span.parentElement?.classList.remove('tail-line', 'keeps-here');
    }
    this.marked = [];
    this.struck?.classList.remove('struck', 'cut-here', 'type-here');
    this.struck = null;
  }

  /** The focus goes to the box, without a jump of the page. `keyboard`: a touch device may show its keys. */
  focus(keyboard = false) {
    if (keyboard) {
      this.box.inputMode = 'text';
      this.box.blur(); // what has the focus already brings up no keyboard
    }
    if (document.activeElement === this.box) return;
    this.box.focus({ preventScroll: true });
    this.toEnd();
  }
}

/** Cases gone through by keys: one is picked, a key decides on it, the next comes up. */
import { el } from './dom.js';

export class Cases {
  /** `nodes`: one `.case` each; `empty`: what is said where none is left. */
  constructor(nodes, empty) {
    this.list = el('div', { class: 'cases', 'data-testid': 'cases' }, nodes);
    this.empty = empty;
    this.at = 0;
  }

  get picked() {
    const node = this.list.children[this.at];
    return node?.classList.contains('case') ? node : null;
  }

  pick(i) {
    const all = [...this.list.children];
    this.at = Math.max(0, Math.min(i, all.length - 1));
    all.forEach((c, n) => c.classList.toggle('picked', n === this.at));
    all[this.at]?.scrollIntoView({ block: 'nearest' });
    this.onPick?.(this.at);
    if (!all.length) this.list.replaceChildren(el('p', { class: 'lead' }, this.empty));
  }

  gone(node) {
    node?.remove();
    this.pick(this.at);
  }

  /** Letters decide on the picked case, arrows go from one to the next; fields and buttons keep their own keys. */
  listen(page, keys, single, at = 0) {
    page.onkeydown = (e) => {
      if (e.ctrlKey || e.metaKey || e.altKey || /^(TEXTAREA|INPUT)$/.test(e.target.tagName)) return;
      if (e.repeat && !/^Arrow/.test(e.key)) return;
      const by = { ArrowDown: 1, ArrowUp: -1 }[e.key];
      const does = keys[e.key];
      if (!by && (!does || !single())) return;
      e.preventDefault();
      if (by) this.pick(this.at + by);
      else if (this.picked) does(this.picked);
    };
    page.tabIndex = -1;
    page.focus({ preventScroll: true });
    this.pick(at);
  }
}

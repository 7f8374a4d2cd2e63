/** Everything tried, as an outline to jump back into. */
import { el, fill } from './dom.js';

/** Branches as nested lists: `[{branch, below: [...]}]`, parents before children. Pure. */
export function nest(branches) {
  const known = new Map(branches.map((b) => [b.node, { branch: b, below: [] }]));
  const roots = [];
  for (const b of branches) (known.get(b.parent)?.below ?? roots).push(known.get(b.node));
  return roots;
}

export class TreeView {
  constructor(node, jump) {
    Object.assign(this, { node, jump });
  }

  draw({ draft, view }) {
    const tree = view.tree;
    fill(this.node, ['tree', draft.id, tree?.rev ?? -1, tree?.branches.length ?? 0], () => [
      el('h2', {}, 'Everything tried', el('span', { class: 'count' }, tree ? String(tree.branches.filter((b) => b.by !== 'prompt').length) : '')),
      tree ? this.list(nest(tree.branches).flatMap((r) => (r.branch.by === 'prompt' ? r.below : [r])))
        : el('p', { class: 'none' }, 'Looking…'),
    ]);
  }

  /** Only forks indent: a span that goes on alone stays at its depth. */
  list(nodes) {
    const items = [];
    for (const { branch, below } of nodes) {
      let [now, next] = [branch, below];
      items.push(this.one(now, next.length > 1 ? this.list(next) : null));
      while (next.length === 1) {
        [now, next] = [next[0].branch, next[0].below];
        items.push(this.one(now, next.length > 1 ? this.list(next) : null));
      }
    }
    return el('ul', { class: 'tree' }, items);
  }

  one(branch, below) {
    return el('li', { class: `by-${branch.by}${branch.on_text ? ' on' : ''}`, 'data-node': branch.node },
      el('button', { type: 'button', 'aria-current': branch.on_text ? 'true' : null, onclick: () => this.jump(branch) },
        branch.text || '■',
        el('small', {}, `${branch.by === 'person' ? 'you' : 'the model'}, ${branch.tokens} token${branch.tokens === 1 ? '' : 's'}`)),
      below);
  }
}

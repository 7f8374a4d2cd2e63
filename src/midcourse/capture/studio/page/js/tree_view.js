/** Everything tried, as an outline to jump back into. */
import { el, fill, visible } from './dom.js';

/** Branches as nested lists: `[{branch, below: [...]}]`, parents before children. Pure. */
export function nest(branches) {
  const known = new Map(branches.map((b) => [b.node, { branch: b, below: [] }]));
  const roots = [];
  for (const b of branches) (known.get(b.parent)?.below ?? roots).push(known.get(b.node));
  return roots;
}

/** A span and those that go on from its very end alone: they stay at its depth; what forks off goes below. Pure. */
export function runOn(node) {
  const [next, ...others] = node.below;
  const goesOn = next && !others.length && next.branch.start >= node.branch.start + node.branch.tokens;
  return goesOn ? [{ branch: node.branch, below: [] }, ...runOn(next)] : [node];
}

export class TreeView {
  constructor(node, jump, close) {
    Object.assign(this, { node, jump, close });
  }

  draw({ draft, view }) {
    const tree = view.tree;
    fill(this.node, ['tree', draft.id, tree?.rev ?? -1, tree?.branches.length ?? 0], () => [
      el('h2', {}, 'Everything tried', el('span', { class: 'count' }, tree ? String(tree.branches.filter((b) => b.by !== 'prompt').length) : ''),
        el('button', { type: 'button', class: 'quiet close', onclick: () => this.close() }, 'Close')),
      tree ? this.list(nest(tree.branches).flatMap((r) => (r.branch.by === 'prompt' ? r.below : [r])))
        : el('p', { class: 'none' }, 'Looking…'),
    ]);
  }

  list(nodes) {
    const items = nodes.flatMap((node) => runOn(node)).map(({ branch, below }) => this.one(branch, below.length ? this.list(below) : null));
    return el('ul', { class: 'tree' }, items);
  }

  one(branch, below) {
    return el('li', { class: `by-${branch.by}${branch.on_text ? ' on' : ''}`, 'data-node': branch.node },
      el('button', { type: 'button', 'aria-current': branch.on_text ? 'true' : null, onclick: () => this.jump(branch) },
        branch.text.trim() ? branch.text : branch.text ? visible(branch.text) : '■',
        el('small', {}, `${branch.by === 'person' ? 'you' : 'the model'}, ${branch.tokens} token${branch.tokens === 1 ? '' : 's'}`)),
      below);
  }
}

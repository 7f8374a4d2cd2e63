/** Steers before a reviewer: read in their place, approved or refused, one key each. */
import { el } from './dom.js';
import { get, post } from './rest.js';

const STATES = [['pending', 'Waiting'], ['flagged', 'Flagged'], ['active', 'From the studio'], ['approved', 'Approved'], ['refused', 'Refused']];

export async function reviewPage(node, context) {
  const state = context.reviewing ?? 'pending';
  const cases = await get(`api/review?state=${state}`);
  const show = (next) => { context.reviewing = next; reviewPage(node, context); };
  const list = el('div', { class: 'cases', 'data-testid': 'cases' });
  let at = 0;
  const decide = async (steers, verdict) => {
    try {
      await post('api/review', { steers, state: verdict });
      for (const id of steers) list.querySelector(`[data-steer="${CSS.escape(id)}"]`)?.remove();
      pick(at);
    } catch (e) { context.toast(e.message, 'bad'); }
  };
  const pick = (i) => {
    const all = [...list.children];
    at = Math.max(0, Math.min(i, all.length - 1));
    all.forEach((c, n) => c.classList.toggle('picked', n === at));
    all[at]?.scrollIntoView({ block: 'nearest' });
    if (!all.length) list.replaceChildren(el('p', { class: 'lead' }, 'Nothing is waiting here.'));
  };
  list.append(...cases.map((c) => one(c, decide)));
  node.replaceChildren(
    el('h1', {}, 'Review'),
    el('p', { class: 'lead' }, 'What was steered, in its place. A approves, R refuses, ↑ and ↓ go from one to the next. Refused steers are kept and never train.'),
    el('p', { class: 'row', role: 'tablist' }, STATES.map(([name, says]) => el('button', { type: 'button', role: 'tab', 'aria-selected': String(name === state), onclick: () => show(name) }, says)),
      cases.length > 1 ? el('button', { type: 'button', class: 'quiet', onclick: () => decide([...list.querySelectorAll('[data-steer]')].map((c) => c.dataset.steer), 'approved') }, `Approve all ${cases.length}`) : null),
    list);
  pick(0);
  node.onkeydown = (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.repeat && !/^Arrow/.test(e.key)) return;
    const now = list.children[at]?.dataset.steer;
    const does = { a: () => now && decide([now], 'approved'), r: () => now && decide([now], 'refused'), ArrowDown: () => pick(at + 1), ArrowUp: () => pick(at - 1) }[e.key];
    if (!does || !context.studio.settings.single && e.key.length === 1) return;
    e.preventDefault();
    does();
  };
  node.tabIndex = -1;
  node.focus({ preventScroll: true });
}

function one(c, decide) {
  return el('article', { class: 'case', 'data-steer': c.steer },
    el('p', { class: 'where' }, [c.prompt, c.annotator, c.kind, c.source === 'studio' ? null : c.source, c.flagged ? `flagged: ${c.flagged}` : null].filter(Boolean).join(' · ')),
    el('p', { class: 'passage', dir: 'auto' }, c.before, c.rejected ? el('del', {}, c.rejected) : null, c.chosen ? el('ins', {}, c.chosen) : null, c.after),
    el('p', { class: 'row' },
      el('button', { type: 'button', onclick: () => decide([c.steer], 'approved') }, 'Approve'),
      el('button', { type: 'button', onclick: () => decide([c.steer], 'refused') }, 'Refuse'),
      ...[...c.tags, c.reason].filter(Boolean).map((t) => el('span', { class: 'tag' }, t)),
      el('a', { href: `#/draft/${c.draft}` }, 'open the text')));
}

/** Steers before a reviewer: read in their place, approved or refused, one key each. */
import { Cases } from './cases.js';
import { el } from './dom.js';
import { get, post } from './rest.js';

const STATES = [['pending', 'Waiting'], ['flagged', 'Flagged'], ['active', 'From the studio'], ['approved', 'Approved'], ['refused', 'Refused']];

export async function reviewPage(node, context) {
  const state = context.reviewing ?? 'pending';
  const cases = await get(`api/review?state=${state}`);
  const show = (next) => { context.reviewing = next; reviewPage(node, context); };
  const decide = async (steers, verdict) => {
    try {
      await post('api/review', { steers, state: verdict });
      for (const id of steers) all.gone(all.list.querySelector(`[data-steer="${CSS.escape(id)}"]`));
    } catch (e) { context.toast(e.message, 'bad'); }
  };
  const all = new Cases(cases.map((c) => one(c, decide)), 'Nothing is waiting here.');
  node.replaceChildren(
    el('h1', {}, 'Review'),
    el('p', { class: 'lead' }, 'What was steered, in its place. A approves, R refuses, ↑ and ↓ go from one to the next. Refused steers are kept and never train.'),
    el('p', { class: 'row', role: 'tablist' }, STATES.map(([name, says]) => el('button', { type: 'button', role: 'tab', 'aria-selected': String(name === state), onclick: () => show(name) }, says)),
      cases.length > 1 ? el('button', { type: 'button', class: 'quiet', onclick: () => decide([...all.list.querySelectorAll('[data-steer]')].map((c) => c.dataset.steer), 'approved') }, `Approve all ${cases.length}`) : null),
    all.list);
  all.listen(node, { a: (c) => decide([c.dataset.steer], 'approved'), r: (c) => decide([c.dataset.steer], 'refused') }, () => context.studio.settings.single);
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

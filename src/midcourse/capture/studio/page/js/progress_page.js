/** The dashboard: how much was done, how fast, by whom, how alike; export and one's own data. */
import { el, seconds } from './dom.js';
import { ownData } from './own_view.js';
import { line } from './plot.js';
import { get, post } from './rest.js';

const number = (value, says) => el('div', {}, el('b', {}, value), el('span', {}, says));
const share = (v) => (v === null || v === undefined ? '–' : `${Math.round(v * 100)} %`);
const few = (v) => (v === null || v === undefined ? '–' : v < 10 ? v.toFixed(1) : String(Math.round(v)));

export async function progressPage(node, context) {
  const admin = context.studio.state.me?.role === 'admin';
  const [stats, me, agreement, differences] = await Promise.all([
    get('api/stats'), get('api/me'), admin ? get('api/agreement').catch(() => null) : null, admin ? get('api/differences').catch(() => []) : [],
  ]);
  const again = () => progressPage(node, context);
  node.replaceChildren(...[
    el('h1', {}, 'Progress'),
    el('div', { class: 'numbers' },
      number(stats.target ? `${stats.steers} of ${stats.target}` : String(stats.steers), stats.steers === 1 ? 'steer' : 'steers'),
      number(seconds(stats.seconds_per_steer), 'a steer'),
      number(String(stats.accepted), `of ${stats.drafts} texts accepted`),
      number(few(stats.tokens ? (100 * stats.steers) / stats.tokens : null), 'steers per hundred tokens')),
    ...rounds(stats.rounds), ...days(stats.days), ...counts(stats), ...people(stats.people),
    ...(agreement?.pairs ? alike(agreement) : []), ...settle(differences, context, again), ...ownData(me, context, again),
  ].filter(Boolean));
}

/** Steers per hundred tokens falling from round to round. */
export function rounds(all) {
  const known = all.filter((r) => r.per_hundred !== null);
  if (!known.length) return [];
  return [
    el('h2', {}, 'Steers per hundred tokens, by who wrote'),
    known.length > 1 ? line(known.map((r, i) => [i, r.per_hundred]), { title: 'Steers per hundred tokens', dots: true, zero: true, label: (i) => known[i]?.adapter ?? 'base' }) : null,
    table(['Written with', 'Texts', 'Tokens seen', 'Steers', 'Per hundred'], known.map((r) => [r.adapter ?? 'the base', r.drafts, r.tokens, r.steers, few(r.per_hundred)]), 1),
  ];
}

function days(all) {
  return all.length > 1 ? [el('h2', {}, 'By day'), line(all.map(([, n], i) => [i, n]), { title: 'Steers a day', zero: true, label: (i) => all[i]?.[0] ?? '' })] : [];
}

const counted = (title, counts) => {
  const rows = Object.entries(counts).sort((a, b) => b[1] - a[1]);
  return rows.length ? [el('h2', {}, title), table([title.slice(0, -1), 'Steers'], rows, 1)] : [];
};
const counts = (stats) => [...counted('Kinds', stats.kinds), ...counted('Reasons', stats.tags)];

function people(all) {
  return all.length > 1 ? [el('h2', {}, 'People'), table(['Name', 'Texts', 'Steers', 'Time', 'Median a steer'], all.map((p) => [p.name, p.drafts, p.steers, seconds(p.seconds), seconds(p.median_seconds)]), 1)] : [];
}

function alike(a) {
  return [
    el('h2', {}, 'Agreement'),
    el('div', { class: 'numbers' }, number(few(a.fork_distance), 'tokens between forks, median'), number(share(a.same_sentence), 'steer in the same sentence'), number(share(a.similarity), 'similarity of corrections'), number(String(a.both_untouched), 'texts both left alone')),
    table(['Between', 'Prompts', 'Distance', 'Same sentence', 'Similarity'], a.by_pair.map((p) => [`${p.a} and ${p.b}`, p.prompts, few(p.fork_distance), share(p.same_sentence), share(p.similarity)]), 1),
  ];
}

function settle(all, { toast }, again) {
  if (!all.length) return [];
  const stands = (d, draft) => post(`api/differences/${d.item}`, { draft }).then(() => { toast('Settled: the other steers are refused.'); again(); }, (e) => toast(e.message, 'bad'));
  return [
    el('h2', {}, 'Differences to settle'),
    ...all.slice(0, 50).map((d) => el('article', { class: 'case' },
      el('p', { class: 'where' }, [d.prompt, d.distance === null ? null : `${few(d.distance)} tokens apart`, d.similarity === null ? null : `${share(d.similarity)} alike`, d.settled ? 'settled' : null].filter(Boolean).join(' · ')),
      ...d.forks.map((f) => el('div', {},
        el('p', { class: 'passage', dir: 'auto' }, f.text, f.rejected ? el('del', {}, f.rejected) : null, f.chosen ? el('ins', {}, f.chosen) : null),
        el('p', { class: 'row' }, el('span', { class: 'where' }, f.at === null ? `${f.annotator}: accepted as it was` : `${f.annotator}: ${f.kind} at token ${f.at}`),
          el('button', { type: 'button', disabled: d.settled === f.draft, onclick: () => stands(d, f.draft) }, d.settled === f.draft ? 'This stands' : 'Let this stand'),
          el('a', { href: `#/draft/${f.draft}` }, 'open')))))),
  ];
}


export function table(head, rows, numbersFrom) {
  return el('table', {},
    el('thead', {}, el('tr', {}, head.map((h, i) => el('th', { scope: 'col', class: i >= numbersFrom ? 'n' : '' }, h)))),
    el('tbody', {}, rows.map((r) => el('tr', {}, r.map((c, i) => el('td', { class: i >= numbersFrom ? 'n' : '' }, String(c)))))));
}

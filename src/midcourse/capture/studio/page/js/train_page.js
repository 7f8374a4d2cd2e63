/** Train from the page: start, watch the curves, read the report, write with the new adapter. */
import { el, seconds } from './dom.js';
import { line } from './plot.js';
import { rounds } from './progress_page.js';
import { get, post } from './rest.js';

const BUSY = new Set(['starting', 'training', 'evaluating']);
const CURVES = [['loss', 'Loss'], ['rewards/margins', 'Margin: how far chosen is ahead of rejected'], ['rewards/accuracies', 'Share of steers where chosen is ahead'], ['retain_kl', 'Change where nothing was steered (KL, nats)']];

export async function trainPage(node, context) {
  const [run, adapters, stats] = await Promise.all([get('api/train'), get('api/adapters'), get('api/stats')]);
  context.again = () => trainPage(node, context);
  const act = (promise, said) => promise.then(() => { if (said) context.toast(said); return context.again(); }, (e) => context.toast(e.message, 'bad'));
  node.replaceChildren(...[
    el('h1', {}, 'Train'),
    el('p', { class: 'lead' }, `${stats.steers} steers are in the store. A run makes a fresh adapter from the base on all of them, in a process of its own: you can go on writing.`),
    BUSY.has(run?.state) ? null : form(act, stats.steers),
    run ? watch(run, act) : null,
    ...writeWith(adapters, act), ...rounds(stats.rounds), run?.report ? report(run) : null,
  ].filter(Boolean));
}

function form(act, steers) {
  const field = (name, says, given, more = {}) => [el('label', { for: `train-${name}` }, says), el('input', { id: `train-${name}`, name, placeholder: given, ...more })];
  const evaluate = el('input', { type: 'checkbox', checked: true });
  const start = (e) => {
    e.preventDefault();
    const asked = { evaluate: evaluate.checked };
    for (const input of e.target.querySelectorAll('input[name]')) if (input.value) asked[input.name] = input.type === 'number' ? Number(input.value) : input.value;
    act(post('api/train', asked));
  };
  return el('form', { class: 'first', onsubmit: start, 'data-testid': 'train-form' },
    el('div', { class: 'row' }, el('button', { type: 'submit', class: 'main', disabled: steers === 0 }, 'Train on these steers'), el('label', { class: 'check' }, evaluate, 'and measure it on held-out prompts')),
    el('details', {}, el('summary', {}, 'Settings of the run'), el('div', { class: 'fields' },
      field('name', 'Name', 'round-1', { pattern: '[a-z0-9][a-z0-9-]{0,40}', autocomplete: 'off' }),
      field('epochs', 'Epochs', '6', { type: 'number', min: 0.01, step: 'any' }), field('beta', 'Beta', '0.4', { type: 'number', min: 0.01, step: 'any' }),
      field('learning_rate', 'Learning rate', '0.0001', { type: 'number', min: 1e-7, step: 'any' }), field('max_drift', 'Drift budget', 'none', { type: 'number', min: 1e-4, step: 'any' }))));
}

function watch(run, act) {
  const busy = BUSY.has(run.state);
  const took = (run.ended ?? Date.now() / 1000) - run.started;
  const left = busy && run.step > 1 && run.steps ? `, about ${seconds((took / run.step) * (run.steps - run.step))} to go` : '';
  const says = {
    starting: 'Starting…', training: `Step ${run.step} of ${run.steps || '…'}${left}`, evaluating: 'Measuring on held-out prompts…',
    done: `Done in ${seconds(took)}${run.message ? `. It could not be measured: ${run.message}` : ''}`, failed: run.message ?? 'It failed.', stopped: 'Stopped.',
  }[run.state];
  const bar = el('progress', { max: 1, value: run.steps ? run.step / run.steps : busy ? undefined : 1, 'aria-label': 'Training' });
  const series = (key) => run.curve.filter((p) => Number.isFinite(p[key])).map((p) => [p.step ?? 0, p[key]]);
  const plots = keysOf(run.curve).map(([key, title]) => [key, title, series(key)]).filter(([, , s]) => s.length > 1);
  return el('section', { 'data-testid': 'run', 'data-state': run.state },
    el('h2', {}, run.name), el('p', { class: run.state === 'failed' ? 'lead bad' : 'lead' }, says), busy ? el('p', {}, bar) : null,
    busy ? el('p', { class: 'row' }, el('button', { type: 'button', onclick: () => act(post('api/train/stop')) }, 'Stop it')) : null,
    el('div', { class: 'plots' }, plots.map(([, title, s]) => el('figure', {}, el('figcaption', {}, title), line(s, { title, label: (v) => `step ${v}` })))));
}

/** The curves worth a look, the known ones first; at most four. */
function keysOf(curve) {
  const present = new Set(curve.flatMap((p) => Object.keys(p)));
  const known = CURVES.filter(([k]) => present.has(k));
  const others = [...present].filter((k) => /drift|margin|accurac|kl/.test(k) && !known.some(([n]) => n === k)).map((k) => [k, k]);
  return [...known, ...others].slice(0, 4);
}

function writeWith(adapters, act) {
  if (!adapters.names.length) return [];
  const choose = (name) => act(post('api/adapters', { name }), name ? `Writing with ${name} from the next stretch on.` : 'Writing with the base from the next stretch on.');
  return [
    el('h2', {}, 'Write with'),
    el('p', { class: 'row', 'data-testid': 'adapters' }, [null, ...adapters.names].map((name) => el('button', { type: 'button', 'aria-pressed': String(adapters.active === name), disabled: adapters.switching, onclick: () => choose(name) }, name ?? 'the base')),
      adapters.switching ? 'loading…' : null),
  ];
}

function report(run) {
  const frame = el('iframe', { class: 'report', title: `Report of ${run.name}`, src: `api/train/report/${encodeURIComponent(run.name)}` });
  frame.setAttribute('sandbox', 'allow-scripts');
  return el('section', {}, el('h2', {}, 'Report'), frame);
}

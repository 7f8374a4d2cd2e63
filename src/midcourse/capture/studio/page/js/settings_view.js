/** The sheet of settings: what is changed shows at once. */
import { el } from './dom.js';
import { AS_IT_COMES } from './pace.js';
import { CHOICES } from './settings.js';

const NAMES = {
  theme: 'Light or dark', contrast: 'Contrast', motion: 'Motion', font: 'Typeface',
  system: 'as the system', light: 'light', dark: 'dark', normal: 'normal', high: 'high', less: 'less', serif: 'serif', sans: 'sans serif', mono: 'monospace',
};
const RANGES = [
  ['size', 'Size', 14, 30, 1, (v) => `${v} px`], ['width', 'Width of the column', 28, 60, 1, (v) => `${v} em`],
  ['line', 'Line height', 1.3, 2.2, 0.05, (v) => v.toFixed(2)],
  ['pace', 'Pace', 60, AS_IT_COMES, 20, (v) => (v >= AS_IT_COMES ? 'as it comes' : `${v} words a minute`)],
];
const SWITCHES = [
  ['sentences', 'Sentence by sentence: wait after each until I go on'], ['tint', 'Tint where the model was in doubt'],
  ['digits', 'Digits take alternatives (else they type)'], ['single', 'Single keys command (else only chords do; Esc stops)'], ['guidelines', 'Guidelines beside the text'],
];

export function showSettings(dialog, settings, change, draft, draw) {
  const field = (name, label, control, output) => [el('label', { for: `set-${name}` }, label), el('span', {}, control, output)];
  const choice = (name) => field(name, NAMES[name], el('select', { id: `set-${name}`, onchange: (e) => change({ [name]: e.target.value }) },
    CHOICES[name].map((v) => el('option', { value: v, selected: settings[name] === v }, NAMES[v]))));
  const range = ([name, label, min, max, step, say]) => {
    const output = el('output', { for: `set-${name}` }, say(settings[name]));
    return field(name, label, el('input', {
      id: `set-${name}`, type: 'range', min, max, step, value: settings[name],
      oninput: (e) => { const v = Number(e.target.value); output.value = say(v); change({ [name]: v }); },
    }), output);
  };
  const toggle = ([name, label]) => el('label', { class: 'check' },
    el('input', { type: 'checkbox', id: `set-${name}`, checked: settings[name], onchange: (e) => change({ [name]: e.target.checked }) }), label);
  dialog.replaceChildren(
    el('h2', { id: 'settings-title' }, 'Settings', el('button', { type: 'button', class: 'quiet', onclick: () => dialog.close() }, 'Close')),
    el('div', { class: 'fields' }, ...RANGES.flatMap(range), ...Object.keys(CHOICES).flatMap(choice)),
    el('h3', {}, 'Reading and keys'),
    ...SWITCHES.map(toggle),
    ...(draft ? sampling(draft, draw) : []),
    el('p', { class: 'row end' }, el('button', { type: 'button', onclick: () => { change({ reset: true }); dialog.close(); } }, 'As they were')),
  );
  if (!dialog.open) dialog.showModal();
}

function sampling(draft, draw) {
  const now = { ...draft.sampling };
  const field = (name, label, min, max, step) => [
    el('label', { for: `draw-${name}` }, label),
    el('input', { id: `draw-${name}`, type: 'number', min, max, step, value: now[name], onchange: (e) => { if (e.target.checkValidity()) draw(Object.assign(now, { [name]: Number(e.target.value) })); } }),
  ];
  return [
    el('h3', {}, 'How the model draws, in this text from here on'),
    el('div', { class: 'fields' }, field('temperature', 'Temperature', 0, 5, 0.05), field('top_p', 'Top p', 0.01, 1, 0.01), field('max_new_tokens', 'Longest answer, tokens', 1, 100000, 1)),
  ];
}

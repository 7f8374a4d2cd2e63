/** All keys on one sheet; each can be given another chord. */
import { WISHES, chord, plain, spell } from './keys.js';
import { el } from './dom.js';

const MODES = [
  ['stream', 'While the model writes'], ['pause', 'When it stands still'], ['type', 'While you type a correction'],
  ['done', 'When the text is complete'], ['closed', 'Between texts'], ['home', 'On the first page'], ['*', 'Always'],
];

export function showHelp(dialog, settings, change) {
  const draw = () => dialog.replaceChildren(
    el('h2', { id: 'help-title' }, 'Keys', el('button', { type: 'button', class: 'quiet', onclick: () => dialog.close() }, 'Close')),
    el('p', {}, 'Letters and symbols always type where the cursor is: what follows is struck through, and Enter lets the model write on from your words. Click a key to give it another chord.'),
    ...MODES.flatMap(([mode, title]) => section(mode, title)),
    el('p', { class: 'row end' }, el('button', { type: 'button', onclick: () => { change({ keys: {} }); settings.keys = {}; draw(); } }, 'All keys as they were')),
  );
  const section = (mode, title) => {
    const own = WISHES.filter((w) => w.modes[0] === mode);
    return own.length ? [el('h3', {}, title), el('dl', { class: 'keys' }, own.flatMap((w) => line(w)))] : [];
  };
  const line = (w) => {
    const id = `${w.wish}@${w.modes[0]}`;
    const keys = settings.keys[id] ?? w.keys;
    const fixed = w.wish === 'take';
    return [
      el('dt', {}, keys.map((k, i) => [i ? ' ' : null, el('button', { type: 'button', disabled: fixed, 'aria-label': `Change ${spell(k).join(' ')}: ${w.says}`, onclick: (e) => capture(e.currentTarget, id, keys, i) }, spell(k).map((p, n) => [n ? ' ' : '', el('kbd', {}, p)]).flat())]).flat()),
      el('dd', {}, w.says),
    ];
  };
  const capture = (button, id, keys, i) => {
    button.classList.add('catching');
    button.replaceChildren(el('kbd', {}, 'press a key'));
    const take = (e) => {
      if (['Shift', 'Control', 'Alt', 'Meta', 'AltGraph'].includes(e.key)) return;
      e.preventDefault();
      e.stopPropagation();
      removeEventListener('keydown', take, true);
      if (e.key !== 'Escape' && e.key !== 'Tab') {
        const named = plain(chord(e));
        settings.keys = { ...settings.keys, [id]: keys.map((k, n) => (n === i ? named : k)) };
        change({ keys: settings.keys });
      }
      draw();
    };
    addEventListener('keydown', take, true);
  };
  draw();
  if (!dialog.open) dialog.showModal();
}

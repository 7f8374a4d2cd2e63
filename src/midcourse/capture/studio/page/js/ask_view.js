/** One question in a dialog: reason tags, a reason to skip. The answer is a promise; null when it was closed. */
import { el } from './dom.js';

export function ask(dialog, { title, tags = [], chosen = [], note = '', free = 'In your own words', yes = 'Done', more = [] }) {
  return new Promise((answer) => {
    const picked = new Set(chosen);
    const text = el('input', { type: 'text', 'aria-label': free, placeholder: free, value: note, autocomplete: 'off', dir: 'auto' });
    const done = (extra = {}) => { answer({ tags: [...picked], note: text.value.trim(), ...extra }); dialog.close(); };
    const tag = (name) => el('button', {
      type: 'button', 'aria-pressed': String(picked.has(name)),
      onclick: (e) => { picked.has(name) ? picked.delete(name) : picked.add(name); e.currentTarget.setAttribute('aria-pressed', String(picked.has(name))); },
    }, name);
    const form = el('form', { onsubmit: (e) => { e.preventDefault(); done(); } },
      el('h2', { id: 'ask-title' }, title),
      tags.length ? el('p', { class: 'row', role: 'group', 'aria-label': 'Tags' }, tags.map(tag)) : null,
      el('p', { class: 'row' }, text),
      el('p', { class: 'row end' },
        el('button', { type: 'button', class: 'quiet', onclick: () => dialog.close() }, 'Cancel'),
        ...more.map(([says, extra]) => el('button', { type: 'button', onclick: () => done(extra) }, says)),
        el('button', { type: 'submit', class: 'main' }, yes)));
    dialog.replaceChildren(form);
    dialog.onclose = () => answer(null);
    dialog.showModal();
    text.focus();
  });
}

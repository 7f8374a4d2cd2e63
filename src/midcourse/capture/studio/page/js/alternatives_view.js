/** The alternatives at the cursor, with their probabilities, where the eyes are. */
import { alternativesAt } from './intents.js';
import { el, fill, percent, visible } from './dom.js';

export class AlternativesView {
  constructor(node, { take, look }) {
    Object.assign(this, { node, take, look });
  }

  draw(state, spot, digits) {
    const found = alternativesAt(state);
    const { view } = state;
    const show = Boolean(found?.all.length) && !view.pending;
    this.node.hidden = !show;
    if (!show) return;
    const ghost = view.ghost?.token === found.token && view.ghost.rev === state.draft.rev ? view.ghost : null;
    const key = [state.draft.id, state.draft.rev, found.token, found.all.map((a) => a.id), digits, found.own?.id ?? -1];
    fill(this.node, key, () => [found.own ? this.own(found.own) : null, ...found.all.map((a, i) => this.one(a, i, digits))]);
    this.mark(view.choice, ghost);
    this.put(spot);
  }

  own(token) {
    return el('div', { class: 'own', 'aria-hidden': 'true' }, 'written', el('span', { class: 'p' }, token.logprob === null ? '' : percent(token.logprob)));
  }

  one(alternative, index, digits) {
    const name = alternative.ends ? 'end the answer' : visible(alternative.text);
    const bar = el('i');
    bar.style.width = `${Math.exp(alternative.logprob) * 100}%`;
    return el('button', {
      type: 'button', role: 'option', tabIndex: -1, 'aria-selected': 'false', 'data-pick': String(alternative.id),
      'aria-label': `${index + 1}: ${name}, ${percent(alternative.logprob)}`,
      onmousedown: (e) => e.preventDefault(), onclick: () => this.take(index), onpointerenter: (e) => e.pointerType === 'mouse' && this.look(index),
    },
    el('span', { class: 'number' }, digits ? String(index + 1) : ''),
    el('span', { class: 'word' }, alternative.ends ? '■ end' : name),
    el('span', { class: 'p' }, percent(alternative.logprob)),
    el('span', { class: 'bar' }, bar));
  }

  mark(choice, ghost) {
    for (const [i, button] of [...this.node.querySelectorAll('button')].entries()) {
      const on = i === choice;
      button.setAttribute('aria-selected', String(on));
      const word = button.querySelector('.word');
      const tail = ghost && String(ghost.pick) === button.dataset.pick ? ghost.text : '';
      let after = word.querySelector('.ghost');
      if (!tail) after?.remove();
      else {
        after ??= word.appendChild(el('span', { class: 'ghost' }));
        const own = word.firstChild.textContent.replaceAll('·', ' ');
        after.textContent = (tail.startsWith(own) ? tail.slice(own.length) : tail).replaceAll('\n', '↵');
      }
      if (on) button.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    }
  }

  /** Under the cursor's line, above it where there is no room below. */
  put(spot) {
    const column = this.node.parentElement;
    const frame = column.getBoundingClientRect();
    const width = this.node.offsetWidth;
    const left = Math.max(16, Math.min(spot.left - frame.left - 10, column.clientWidth - width - 16));
    const below = spot.bottom + 6 + this.node.offsetHeight < frame.bottom;
    const top = below ? spot.bottom + 6 : spot.top - this.node.offsetHeight - 6;
    this.node.style.left = `${left}px`;
    this.node.style.top = `${top - frame.top + column.scrollTop}px`;
  }
}

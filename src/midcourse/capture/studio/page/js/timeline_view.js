/** The steers of this text, in the order in which they were made. */
import { el, fill, seconds, visible } from './dom.js';
import { foreign } from './foreign.js';

const KINDS = {
  typed: 'typed', picked: 'alternative', resampled: 'tried again', local: 'kept the rest', ended: 'ended here',
  continued: 'went on', stepwise: 'stepwise', edit: 'edit',
};

const short = (text, most = 90) => {
  const points = [...text];
  return points.length > most ? `${points.slice(0, most).join('')}…` : text;
};

export class TimelineView {
  /** @param does `{go(steer), withdraw(steer), reasons(steer)}` */
  constructor(node, does) {
    Object.assign(this, { node, does });
  }

  draw(state) {
    const { draft } = state;
    const looksOn = Boolean(foreign(state));
    const counted = draft.steers.filter((s) => s.state !== 'withdrawn');
    fill(this.node, ['steers', draft.id, looksOn, draft.steers.map((s) => [s.id, s.state, s.on_text, s.tags, s.reason])], () => [
      el('h2', {}, 'Steers', el('span', { class: 'count' }, String(counted.length)), el('button', { type: 'button', class: 'quiet close', onclick: () => this.does.closeSide() }, 'Close')),
      draft.steers.length
        ? el('ol', { class: 'steers', 'data-testid': 'steers' }, draft.steers.map((s) => this.one(s, looksOn)))
        : el('p', { class: 'none' }, 'None yet. Stop the model where it goes wrong, and put it right.'),
    ]);
  }

  one(s, looksOn) {
    const withdrawn = s.state === 'withdrawn';
    const marks = [withdrawn && 'withdrawn', !s.on_text && 'off'].filter(Boolean).join(' ');
    const ended = s.kind === 'ended';
    return el('li', { class: marks, 'data-steer': s.id, 'data-kind': s.kind },
      el('button', { class: 'pair', type: 'button', onclick: () => this.does.go(s), 'aria-label': `Go to: ${s.rejected || 'nothing'} became ${s.chosen || (ended ? 'the end' : 'another try')}` },
        s.rejected ? el('del', {}, short(s.rejected)) : null,
        s.rejected ? ' ' : null,
        s.chosen ? el('ins', {}, s.chosen.trim() ? short(s.chosen) : visible(s.chosen)) : ended ? el('ins', {}, '■') : null),
      el('p', { class: 'about' },
        el('span', {}, KINDS[s.kind] ?? s.kind),
        s.seconds ? el('span', {}, seconds(s.seconds)) : null,
        withdrawn ? el('span', {}, 'taken back') : null,
        ...s.tags.map((t) => el('span', { class: 'tag' }, t)),
        s.reason && !s.tags.includes(s.reason) ? el('span', { class: 'tag' }, visible(short(s.reason, 40))) : null,
        withdrawn ? null : el('button', { type: 'button', onclick: () => this.does.reasons(s) }, s.tags.length || s.reason ? 'why' : 'say why'),
        withdrawn || looksOn ? null : el('button', { type: 'button', onclick: () => this.does.withdraw(s) }, 'take back')));
  }
}

/** The head of the page and what stands at its edges: what is the matter, who writes, how far the queue is, the tools. */
import { byId, el, fill, put, seconds } from './dom.js';
import { foreign } from './foreign.js';
import { lacking } from './lacking.js';
import { outgrown } from './outgrown.js';
import { get } from './rest.js';

const LINKS = {
  connecting: 'Connecting…',
  lost: 'The line to the studio is broken. Trying again by itself; what you typed is kept.',
  'signed-out': 'You are not signed in here. Ask for a link: midcourse studio users add NAME.',
  refused: 'The studio refuses this page: it was opened from another address.',
  outdated: 'The studio has been renewed. Reload the page.',
};

export class Head {
  /** `open(panel)`: whether it is in sight; `perform(wish)`: what a button does; `now`: the settings; `guide`: guidelines. */
  constructor({ studio, now, perform, open, guide }) {
    Object.assign(this, { studio, now, perform, open, guide, toastShown: null, toastOver: 0 });
  }

  draw(state) {
    const { draft, link } = state;
    document.body.dataset.link = link.status;
    this.banner(state);
    this.toast(state.view.toast);
    facts(draft, state);
    const [steers, tree, guidelines] = [this.open('timeline'), this.open('tree'), this.open('guidelines')];
    const asked = Boolean(this.guide.text);
    fill(byId('tools'), [steers, tree, guidelines, asked, Boolean(draft)], () => [
      ...(draft && asked ? [this.tool('guidelines', 'Guidelines', guidelines)] : []),
      ...(draft ? [this.tool('timeline', 'Steers', steers), this.tool('tree', 'Tree', tree)] : []),
      this.tool('settings', 'Settings'), this.tool('help', 'Keys'),
    ]);
  }

  banner(state) {
    const { link, trouble } = state;
    const live = link.status === 'live';
    const banner = byId('banner');
    const says = live ? trouble?.message ?? (foreign(state) || outgrown(state, this.now.pace) || lacking(state)) : link.tries < 2 && link.status !== 'signed-out' ? '' : LINKS[link.status];
    banner.hidden = !says;
    put(banner, says ?? '');
    banner.className = trouble && !trouble.passes ? 'banner bad' : live && !trouble ? 'banner hint' : 'banner';
  }

  toast(toast) {
    const note = byId('toast');
    note.hidden = !toast;
    if (!toast) return;
    put(note, toast.message);
    note.className = `toast ${toast.tone}`;
    if (this.toastShown === toast) return;
    this.toastShown = toast;
    clearTimeout(this.toastOver);
    this.toastOver = setTimeout(() => this.studio.dispatch({ type: 'toast' }), toast.tone === 'plain' ? 2600 : 6000);
  }

  tool(wish, says, on) {
    return el('button', { type: 'button', class: 'quiet', 'aria-pressed': on === undefined ? null : String(on), onclick: () => this.perform(wish) }, says);
  }

  /** How much of the queue is done, as a line under the head of the page. */
  async queue() {
    const queue = await get('api/queue').catch(() => null);
    const bar = byId('progress');
    const all = queue ? queue.waiting + queue.open + queue.done + queue.skipped : 0;
    const part = all ? Math.round((100 * (queue.done + queue.skipped)) / all) : 0;
    bar.setAttribute('aria-valuenow', String(part));
    bar.setAttribute('aria-valuetext', queue ? `${queue.done} of ${all} prompts done` : 'no queue');
    bar.title = all ? `${queue.done} of ${all} prompts done, ${queue.waiting} waiting` : '';
    bar.firstElementChild.style.width = `${part}%`;
  }
}

function facts(draft, state) {
  const steers = draft?.steers.filter((s) => s.state !== 'withdrawn') ?? [];
  const times = steers.map((s) => s.seconds).filter(Boolean).sort((a, b) => a - b);
  const { name = '', adapter = null } = state.model ?? {};
  const list = [adapter && !name.includes(adapter) ? `${name} + ${adapter}` : name];
  if (draft) {
    list.push(`${steers.length} steer${steers.length === 1 ? '' : 's'}`);
    if (times.length) list.push(`${seconds(times[times.length >> 1])} a steer`);
    if (draft.rate) list.push(`${draft.rate.toFixed(draft.rate < 10 ? 1 : 0)} tokens/s`);
    if (draft.waiting) list.push(`shared with ${draft.waiting}`);
    if (draft.tabs > 1) list.push(`${draft.tabs} tabs`);
    if (draft.practice) list.push('practice');
  }
  fill(byId('facts'), list, () => list.filter(Boolean).map((t) => el('span', {}, t)));
}

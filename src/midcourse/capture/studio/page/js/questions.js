/** What the person is asked about a text, each in one dialog: why, what for, and what else there is to do. */
import { ask } from './ask_view.js';
import { byId } from './dom.js';
import { showMore } from './more_view.js';

export class Questions {
  constructor({ studio, toast, perform }) {
    Object.assign(this, { studio, toast, perform });
  }

  get state() { return this.studio.state; }

  halt() {
    if (this.studio.mode === 'stream') this.studio.freeze();
  }

  async reasons(steer) {
    const last = steer ?? this.state.draft?.steers.findLast((s) => s.state !== 'withdrawn');
    if (!last) return this.toast('There is no steer yet to give a reason for.');
    const answer = await ask(byId('ask'), { title: 'Why?', tags: this.state.tags, chosen: last.tags, note: last.reason ?? '' });
    return answer && this.studio.ask({ cmd: 'reason', steer: last.id, tags: answer.tags, note: answer.note || null });
  }

  async skip() {
    if (!this.state.draft) return;
    this.halt();
    const answer = await ask(byId('ask'), { title: 'Skip this prompt', tags: this.state.tags, yes: 'Skip for good', free: 'Why', more: [['Ask me later', { again: true }]] });
    if (!answer) return;
    const reason = [...answer.tags, answer.note].filter(Boolean).join('; ');
    if (await this.studio.ask({ cmd: 'skip', reason, again: Boolean(answer.again) })) location.hash = '#/';
  }

  async flag() {
    const { draft } = this.state;
    if (!draft) return;
    this.halt();
    const answer = await ask(byId('ask'), { title: 'For whoever reviews', free: 'What should they look at', note: draft.flagged ?? '', yes: 'Flag', more: draft.flagged !== null ? [['Take the flag away', { off: true }]] : [] });
    if (answer) this.studio.ask({ cmd: 'flag', note: answer.off ? null : answer.note });
  }

  more() {
    if (!this.state.draft) return;
    this.halt();
    showMore(byId('more'), this.state, this.studio.mode, (wish) => this.perform(wish));
  }
}

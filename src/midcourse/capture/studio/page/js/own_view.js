/** What somebody made goes with them, or away: export, withdraw, delete; and the way out. */
import { ask } from './ask_view.js';
import { byId, el } from './dom.js';
import { post } from './rest.js';

export function ownData(me, { toast }, again) {
  const confirmed = async (title, yes, said, more = {}) => {
    const answer = await ask(byId('ask'), { title, free: `Type ${me.name} to confirm`, yes });
    if (answer) await post('api/forget', { confirm: answer.note, ...more }).then((r) => { toast(said(r)); again(); }, (e) => toast(e.message, 'bad'));
  };
  const withdraw = () => confirmed('Withdraw all my steers', 'Withdraw them', (r) => `${count(r.withdrawn, 'steer')} withdrawn.`);
  const erase = () => confirmed('Delete all my texts for good', 'Delete them', deleted, { erase: true });
  const leave = () => post('api/leave').finally(() => location.reload());
  return [
    el('h2', {}, me.role === 'admin' ? 'Export' : 'My data'),
    el('p', { class: 'row' },
      el('a', { href: 'api/export?format=jsonl', download: 'steers.jsonl' }, 'Steers as JSONL'),
      el('a', { href: 'api/export?format=trl', download: 'steers-trl.jsonl' }, 'Preference rows for TRL')),
    el('p', { class: 'row' },
      el('button', { type: 'button', class: 'quiet', onclick: withdraw }, 'Withdraw all my steers'),
      el('button', { type: 'button', class: 'quiet', onclick: erase }, 'Delete all my texts'),
      me.alone ? null : el('button', { type: 'button', class: 'quiet', onclick: leave }, 'Sign out')),
  ];
}

function deleted({ erased, made_of: still }) {
  const made = still ? ` ${still} of the exports and adapters made before still hold them: tell whoever runs this studio.` : '';
  return `${count(erased, 'text')} deleted for good.${made}`;
}

const count = (n, what) => `${n} ${what}${n === 1 ? '' : 's'}`;

/** The first page: continue where you stopped, the next prompt, a prompt of one's own, the queue. */
import { el } from './dom.js';
import { spell } from './keys.js';
import { get, patch, post, put } from './rest.js';

const STATES = { waiting: 'waiting', open: 'open', done: 'done', skipped: 'skipped', removed: 'removed' };

export async function homePage(node, context) {
  const { go, studio, toast } = context;
  const [drafts, queue] = await Promise.all([get('api/drafts').catch(() => []), get('api/queue').catch(() => null)]);
  const written = node.querySelector('[data-testid=own-prompt]');
  if (written?.value && written === document.activeElement) return; // somebody began to write while it was fetched
  const open = drafts.filter((d) => d.status === 'open');
  const closed = drafts.filter((d) => d.status !== 'open');
  context.begun = open[0]?.id ?? null;
  const admin = studio.state.me?.role !== 'annotator';
  node.replaceChildren(...[
    el('h1', {}, open.length ? 'Where you stopped' : 'What shall it write?'),
    studio.state.model?.lacks ? el('p', { class: 'lead', 'data-testid': 'lacks' }, studio.state.model.lacks) : null,
    open.length ? el('ul', { class: 'lines', 'data-testid': 'open-drafts' }, open.slice(0, 20).map((d, i) => draftLine(d, i === 0))) : null,
    queue && (queue.waiting || queue.practice_left) ? nextPrompt(queue, go, open.length > 0) : null,
    ownPrompt(go, open.length || queue?.waiting),
    ...(queue ? queueList(queue, admin, toast, () => homePage(node, context)) : []),
    ...finished(closed),
  ].filter(Boolean));
}

const SHORT = 12;

/** The newest in sight, the others behind one click: what was accepted can be put right at any time. */
function finished(closed) {
  if (!closed.length) return [];
  const older = closed.slice(SHORT);
  return [
    el('h2', {}, 'Finished'), el('ul', { class: 'lines', 'data-testid': 'finished' }, closed.slice(0, SHORT).map((d) => draftLine(d))),
    older.length ? el('details', {}, el('summary', {}, `${older.length} older`), el('ul', { class: 'lines' }, older.map((d) => draftLine(d)))) : null,
  ];
}

function draftLine(d, first = false) {
  return el('li', {}, el('a', { href: `#/draft/${d.id}`, 'data-draft': d.id },
    el('span', { class: 'what', dir: 'auto' }, d.prompt || 'Untitled'), el('span', { class: 'state' }, `${d.steers} steer${d.steers === 1 ? '' : 's'} · ${d.tokens} tokens`, first ? [' ', el('kbd', { 'aria-hidden': 'true' }, 'Enter')] : null),
    el('span', { class: 'then', dir: 'auto' }, d.text ? `… ${d.text}` : 'nothing written yet'), el('span', { class: 'state' }, d.flagged ? 'flagged' : d.status === 'open' ? '' : d.status)));
}

function nextPrompt(queue, go, begun) {
  const first = queue.prompts.find((p) => p.state === 'waiting');
  const practice = queue.practice_left > 0;
  return el('div', { class: 'first' },
    el('p', { class: 'lead' }, practice ? `Practice: ${queue.practice_left} to go. These do not count.` : `Next of ${queue.waiting}`),
    first ? el('p', { class: 'what', dir: 'auto' }, first.text) : null,
    el('div', { class: 'row' },
      el('button', { type: 'button', class: 'main', 'data-testid': 'next', onclick: () => go({ cmd: 'next', practice }) }, practice ? 'Practise' : 'Start', ' ', el('kbd', { 'aria-hidden': 'true' }, (begun ? spell('Mod+Enter') : ['Enter']).join(' '))),
      practice && queue.waiting ? el('button', { type: 'button', onclick: () => go({ cmd: 'next', practice: false }) }, 'Skip the practice') : null));
}

function ownPrompt(go, others) {
  const text = el('textarea', { 'aria-label': 'A prompt of your own', placeholder: 'Ask for something, or begin a text', dir: 'auto', 'data-testid': 'own-prompt' });
  const raw = el('input', { type: 'checkbox' });
  const start = () => text.value.trim() && go({ cmd: 'new', text: text.value, raw: raw.checked });
  text.addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) { e.preventDefault(); start(); }
    e.stopPropagation();
  });
  return el('div', {},
    others ? el('h2', {}, 'A prompt of your own') : null, text,
    el('div', { class: 'row' }, el('button', { type: 'button', class: others ? '' : 'main', onclick: start }, 'Let it write'), el('label', { class: 'check' }, raw, 'Raw text, to be continued without a chat template')));
}

function queueList(queue, admin, toast, again) {
  const rows = queue.prompts.slice(0, 200);
  const change = (p, body) => patch(`api/queue/${p.id}`, body).then(again, (e) => toast(e.message, 'bad'));
  return [
    el('h2', {}, 'Queue'),
    el('p', { class: 'lead' }, `${queue.waiting} waiting, ${queue.open} open, ${queue.done} done, ${queue.skipped} skipped.`),
    rows.length ? el('ul', { class: 'lines', 'data-testid': 'queue' }, rows.map((p) => el('li', {}, el('div', { class: 'line-row' },
      el('span', { class: 'what', dir: 'auto' }, p.text),
      el('span', { class: 'state' }, p.practice ? 'practice · ' : '', STATES[p.state], p.wanted > 1 ? ` · ${p.done}/${p.wanted} people` : ''),
      p.skipped_for ? el('span', { class: 'then' }, p.skipped_for) : null,
      admin && p.state === 'waiting' ? el('span', { class: 'row' }, el('button', { class: 'quiet', type: 'button', onclick: () => change(p, { first: true }) }, 'First'), el('button', { class: 'quiet', type: 'button', onclick: () => change(p, { removed: true }) }, 'Remove')) : null)))) : null,
    admin ? addPrompts(toast, again) : null,
    admin ? writtenDown(toast) : null,
  ];
}

function addPrompts(toast, again) {
  const file = el('input', { type: 'file', accept: '.jsonl,.txt,.json,.md,text/plain', 'aria-label': 'File of prompts' });
  const text = el('textarea', { 'aria-label': 'Prompts', placeholder: 'One prompt a line, paragraphs apart, or JSONL', dir: 'auto' });
  const people = el('input', { type: 'number', min: 1, max: 100, value: 1, 'aria-label': 'People each goes to' });
  const practice = el('input', { type: 'checkbox' });
  const add = async () => {
    const all = file.files[0] ? await file.files[0].text() : text.value;
    if (!all.trim()) return;
    try {
      const { added } = await post('api/queue', { text: all, people: Number(people.value), practice: practice.checked });
      toast(`${added} prompt${added === 1 ? '' : 's'} added.`);
      again();
    } catch (e) { toast(e.message, 'bad'); }
  };
  return el('details', {}, el('summary', {}, 'Add prompts'), text,
    el('div', { class: 'row' }, file, el('label', { class: 'check' }, 'people each', people), el('label', { class: 'check' }, practice, 'practice'), el('button', { type: 'button', onclick: add }, 'Add')));
}

/** Guidelines and reason tags: what annotators are asked, and what they can say. */
function writtenDown(toast) {
  const text = el('textarea', { 'aria-label': 'Guidelines, in Markdown', placeholder: 'What annotators are asked to do, in Markdown', dir: 'auto' });
  const tags = el('input', { type: 'text', 'aria-label': 'Reason tags, with commas between', placeholder: 'wrong fact, tone, too long', size: 40 });
  const box = el('details', {}, el('summary', {}, 'Guidelines and reasons'), text,
    el('div', { class: 'row' }, tags, el('button', {
      type: 'button',
      onclick: () => Promise.all([put('api/guidelines', { text: text.value }), put('api/tags', { tags: tags.value.split(',').map((t) => t.trim()).filter(Boolean) })])
        .then(() => toast('Kept.'), (e) => toast(e.message, 'bad')),
    }, 'Keep these')));
  box.addEventListener('toggle', async () => {
    if (!box.open) return;
    const [guide, reasons] = await Promise.all([get('api/guidelines'), get('api/tags')]);
    text.value = guide.text;
    tags.value = reasons.tags.join(', ');
  }, { once: true });
  return box;
}

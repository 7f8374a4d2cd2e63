/** Steers that a proxy recognised in other programs' traffic: taken as they are, with better words, or not; one key each. */
import { Cases } from './cases.js';
import { el } from './dom.js';
import { get, post } from './rest.js';

const KINDS = { cut: 'cut off and continued', changed: 'words changed', extended: 'words added', history_edit: 'changed later' };

export async function inboxPage(node, context) {
  const { waiting, lines } = await get('api/inbox');
  if (node.querySelector('textarea.put')) return; // somebody began to edit while it was fetched
  const tell = (promise, one) => promise.then(() => all.gone(one), (e) => context.toast(e.message, 'bad'));
  const does = {
    accept: (one) => tell(post(`api/inbox/${one.dataset.review}/accept`, { chosen: words(one) }), one),
    reject: (one) => tell(post(`api/inbox/${one.dataset.review}/reject`), one),
    edit: (one) => edit(one, does, node),
  };
  const all = new Cases(lines.map((line) => draw(line, does)), 'Nothing is waiting here.');
  node.replaceChildren(...[
    el('h1', {}, 'Inbox'),
    el('p', { class: 'lead' }, 'Corrections that a proxy recognised and is not sure of. A accepts one as a steer, E puts better words first, R rejects it; ↑ and ↓ go from one to the next. Nothing here trains before it is accepted.'),
    waiting > lines.length ? el('p', { class: 'lead' }, `The first ${lines.length} of ${waiting}.`) : null,
    all.list,
  ].filter(Boolean));
  all.onPick = (at) => { context.inboxAt = at; }; // drawn anew when there is more of it
  all.listen(node, { a: does.accept, e: does.edit, r: does.reject }, () => context.studio.settings.single, context.inboxAt);
}

function draw(line, does) {
  const one = el('article', { class: 'case', 'data-review': line.id },
    el('p', { class: 'where' }, [line.prompt, KINDS[line.kind] ?? line.kind, line.model, line.client, new Date(line.at * 1000).toLocaleString()].filter(Boolean).join(' · ')),
    line.passages.map((p) => el('p', { class: 'passage', dir: 'auto' }, p.before, p.rejected.map((r) => el('del', {}, r)), put(p), p.after)),
    el('p', { class: 'then', 'data-testid': 'why' }, `${line.certain ? 'Likely' : 'Uncertain'}: ${line.why}`),
    el('p', { class: 'row' }, Object.entries({ accept: 'Accept', edit: 'Edit', reject: 'Reject' }).map(([name, says]) => el('button', { type: 'button', onclick: () => does[name](one) }, says))));
  return one;
}

const put = (p) => el('ins', { 'data-put': '' }, p.chosen || (p.ended ? '■ end' : ''));

/** The words to put, one text a passage; null where none was edited. */
function words(one) {
  const boxes = [...one.querySelectorAll('textarea')];
  return boxes.length ? boxes.map((box) => box.value) : null;
}

/** A box in place of what was put: Enter accepts, Shift Enter is a new line, Escape leaves it as it was. */
function edit(one, does, page) {
  if (words(one)) return;
  const was = [...one.querySelectorAll('[data-put]')];
  const back = () => { boxes.forEach((box, i) => box.replaceWith(was[i])); page.focus({ preventScroll: true }); };
  const boxes = was.map((node) => el('textarea', {
    class: 'put', dir: 'auto', rows: 2, autocomplete: 'off', 'aria-label': 'What should stand there', value: node.textContent === '■ end' ? '' : node.textContent,
    onkeydown: (e) => {
      if (e.isComposing || !(e.key === 'Escape' || e.key === 'Enter' && !e.shiftKey)) return;
      e.preventDefault();
      e.stopPropagation();
      if (e.key === 'Escape') back();
      else Promise.resolve(does.accept(one)).then(() => page.focus({ preventScroll: true }));
    },
  }));
  was.forEach((node, i) => node.replaceWith(boxes[i]));
  boxes[0]?.focus();
}

/** Boots the page: wires socket, state, keys, views and the pages around them. */
import { ask } from './ask_view.js';
import { Desk, NARROW } from './desk.js';
import { byId, fill } from './dom.js';
import { Head } from './head_view.js';
import { showHelp } from './help_view.js';
import { seenTokens } from './intents.js';
import { bindings, wishOf } from './keys.js';
import { markdown } from './markdown.js';
import { AS_IT_COMES } from './pace.js';
import { Pages } from './pages.js';
import { get } from './rest.js';
import { Said } from './said.js';
import * as settings from './settings.js';
import { showSettings } from './settings_view.js';
import { Socket } from './socket.js';
import { Studio } from './studio.js';

const now = settings.load();
settings.apply(now);
let table = bindings(now.keys);

const url = new URL('ws', document.baseURI);
url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
const socket = new Socket({ url, event: (e) => studio.heard(e), link: (link) => studio.dispatch({ type: 'link', link }), place: () => studio.place(), gone });
const studio = new Studio(socket, now);
const pages = new Pages({ node: byId('page'), studio, go, toast });
const said = new Said();
const head = new Head({ studio, now, perform, open: (what) => now.side === what && (!NARROW.matches || Boolean(desk.sheet)) });

/** The draft that was shown is not there any more, or never was. */
function gone(error) {
  if (error.code === 'offline' || error.code === 'lost') return;
  toast(error.message, 'bad');
  location.hash = '#/';
}

function toast(message, tone = 'plain') { studio.dispatch({ type: 'toast', message, tone }); }

function change(given) {
  Object.assign(now, given.reset ? settings.checked({}) : given);
  settings.save(now);
  settings.apply(dark(now));
  table = bindings(now.keys);
  render(studio.state, studio.state);
}

/** The theme of the system, said to the style sheets as ours. */
function dark(given) {
  const wanted = given.theme === 'system' ? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light') : given.theme;
  return { ...given, theme: wanted };
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => settings.apply(dark(now)));
settings.apply(dark(now));

/** A command after which another draft is shown. */
async function go(command) {
  const done = await studio.ask(command);
  if (done?.draft) location.hash = `#/draft/${done.draft}`;
}

const does = {
  perform,
  go: (s) => {
    if (studio.state.view.phase === 'stream') studio.freeze();
    studio.dispatch({ type: 'placeAt', at: s.at });
    desk.caret.focus();
  },
  withdraw: (s) => studio.ask({ cmd: 'withdraw', steer: s.id }),
  reasons,
  closeSide: () => { desk.sheet = false; render(studio.state, studio.state); },
  jump: (b) => studio.ask({ cmd: 'jump', node: b.node, rev: studio.state.draft.rev, shown: seenTokens(studio.state) }, { name: 'jump' }),
  turn: (text) => go({ cmd: 'turn', text }),
};
const desk = new Desk(studio, does);
studio.onNext = () => go({ cmd: 'next' });

async function reasons(steer) {
  const last = steer ?? studio.state.draft?.steers.findLast((s) => s.state !== 'withdrawn');
  if (!last) return toast('There is no steer yet to give a reason for.');
  const answer = await ask(byId('ask'), { title: 'Why?', tags: studio.state.tags, chosen: last.tags, note: last.reason ?? '' });
  if (answer) studio.ask({ cmd: 'reason', steer: last.id, tags: answer.tags, note: answer.note || null });
  return undefined;
}

async function skip() {
  if (studio.mode === 'stream') studio.freeze();
  const answer = await ask(byId('ask'), { title: 'Skip this prompt', tags: studio.state.tags, yes: 'Skip for good', free: 'Why', more: [['Ask me later', { again: true }]] });
  if (!answer) return;
  const reason = [...answer.tags, answer.note].filter(Boolean).join('; ');
  if (await studio.ask({ cmd: 'skip', reason, again: Boolean(answer.again) })) location.hash = '#/';
}

async function flag() {
  const { draft } = studio.state;
  const answer = await ask(byId('ask'), { title: 'For whoever reviews', free: 'What should they look at', note: draft.flagged ?? '', yes: 'Flag', more: draft.flagged !== null ? [['Take the flag away', { off: true }]] : [] });
  if (answer) studio.ask({ cmd: 'flag', note: answer.off ? null : answer.note });
}

/** On a narrow screen the panel is a sheet that comes and goes; on a wide one it stays as the person left it. */
function side(what) {
  if (NARROW.matches) {
    const same = now.side === what;
    desk.sheet = !(desk.sheet && same);
    change({ side: what });
    if (what === 'tree' && desk.sheet) studio.quietly({ cmd: 'tree' });
    return;
  }
  change({ side: now.side === what ? 'none' : what });
  if (now.side === 'tree') studio.quietly({ cmd: 'tree' });
}

function pace(by) {
  const next = Math.round((now.pace * (by > 0 ? 1.25 : 0.8)) / 20) * 20;
  change({ pace: Math.max(60, Math.min(AS_IT_COMES, next)) });
  toast(now.pace >= AS_IT_COMES ? 'Pace: as it comes' : `Pace: ${now.pace} words a minute`);
}

const VIEWS = {
  help: () => { if (studio.mode === 'stream') studio.freeze(); showHelp(byId('help'), now, change); },
  settings: () => { if (studio.mode === 'stream') studio.freeze(); showSettings(byId('settings'), now, change, studio.state.draft, (sampling) => studio.ask({ cmd: 'settings', sampling })); },
  timeline: () => side('timeline'),
  tree: () => side('tree'),
  tint: () => change({ tint: !now.tint }),
  guidelines: () => change({ guidelines: !now.guidelines }),
  sentences: () => { change({ sentences: !now.sentences }); toast(now.sentences ? 'Sentence by sentence: Enter shows the next' : 'Without a pause after sentences'); },
  slower: () => pace(-1),
  faster: () => pace(1),
  queue: () => { location.hash = '#/'; },
  next: () => go({ cmd: 'next' }),
  reasons: () => reasons(),
  skip: () => studio.state.draft && skip(),
  flag: () => studio.state.draft && flag(),
  write: () => desk.caret.focus(true),
  stopTyping: () => { studio.freeze(); desk.caret.focus(); },
  newline: () => document.execCommand('insertLineBreak'),
  nothing: () => {},
};

/** Does what a key or a button wishes; returns whether the key was ours. */
function perform(wish, more = {}) {
  if (VIEWS[wish]) { VIEWS[wish](more); return true; }
  return studio.perform(wish, more);
}

addEventListener('keydown', (e) => {
  if (e.defaultPrevented || document.querySelector('dialog[open]')) return;
  const inText = e.target === document.body || e.target.closest?.('#column') || e.target === desk.caret.box;
  const other = e.target.closest?.('button, a, input, select, textarea, summary');
  const mode = studio.state.draft && !byId('desk').hidden ? studio.mode : 'home';
  const wish = wishOf(e, mode, { table, single: now.single, digits: now.digits });
  if (mode === 'waiting' && (!wish || wish.wish !== 'undo')) { e.preventDefault(); if (wish?.wish === 'stop') perform('stop'); return; }
  if (!wish) {
    if (mode === 'type' && e.key === 'Backspace' && inText && desk.caret.atStart) { e.preventDefault(); studio.local({ type: 'widen' }); }
    return;
  }
  const chorded = e.ctrlKey || e.metaKey || e.altKey || /^F\d/.test(e.key);
  if (other && !chorded) return; // buttons and fields keep their own keys
  if (mode === 'home' && wish.wish === 'next' && location.hash.length > 2) return;
  const started = e.timeStamp;
  const mine = wish.wish === 'stopTyping' ? (perform('stopTyping'), false) : (perform(wish.wish, wish), true);
  if (mine) e.preventDefault();
  if (wish.wish === 'stop' || wish.wish === 'stopTyping') frozen(started);
});

/** How long a stop took to the first frame without motion, for the benchmark: `performance.getEntriesByName('freeze')`. */
function frozen(started) {
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => performance.measure('freeze', { start: started, end: performance.now() });
    port2.postMessage(0);
  });
}

// -- drawing ---------------------------------------------------------------------------------------------------------------

let drawn = studio.state;
studio.listen((state, before, action) => {
  if (action.type === 'heard' && action.event.event === 'notice') pages.again(action.event.about);
  if (state.stale.queue !== before.stale.queue || (state.view.phase === 'closed') !== (before.view.phase === 'closed')) head.queue();
  if (state.stale.model !== before.stale.model) get('api/adapters').then((a) => studio.dispatch({ type: 'adapter', name: a.active }), () => {});
  if (state.training !== before.training) pages.again('training');
  render(state, drawn);
  drawn = state;
});

function render(state, before) {
  desk.draw(state, before);
  said.draw(state, before);
  head.draw(state);
  pages.links(state);
  if (now.side === 'tree' && state.draft && state.view.phase !== 'stream' && state.view.tree?.rev !== state.draft.rev && treeFor !== state.draft.rev) {
    treeFor = state.draft.rev;
    studio.quietly({ cmd: 'tree' });
  }
}
let treeFor = -1;

async function guidelines() {
  const { text } = await get('api/guidelines').catch(() => ({ text: '' }));
  const guide = byId('guide');
  fill(guide, [text], () => markdown(text));
  guide.hidden = !text || !now.guidelines;
}

// -- pages -----------------------------------------------------------------------------------------------------------------

async function route() {
  const [, name = '', id] = location.hash.replace(/^#/, '').split('/');
  const onDesk = name === 'draft' && id;
  if (onDesk) {
    byId('page').hidden = pages.left = true;
    byId('desk').hidden = false;
    guidelines();
    if (studio.state.draft?.id !== id) {
      studio.wanted = id;
      if (socket.live) await studio.ask({ cmd: 'open', draft: id });
    }
    render(studio.state, studio.state);
    return;
  }
  if (studio.state.draft) {
    if (studio.state.view.phase === 'stream') studio.freeze();
    studio.quietly({ cmd: 'leave' });
    studio.dispatch({ type: 'left' });
  }
  studio.wanted = null;
  byId('desk').hidden = true;
  byId('bar').hidden = true;
  document.body.dataset.phase = 'home';
  await pages.show(name);
}

addEventListener('hashchange', route);
let welcomed = false;
studio.listen((state, before, action) => {
  if (action.type === 'heard' && action.event.event === 'welcome') {
    head.queue();
    if (!welcomed) route();
    else if (!state.draft) pages.again('all');
    welcomed = true;
  }
});

// -- away ------------------------------------------------------------------------------------------------------------------

let away = false;
let awayLater = 0;
function active() {
  if (away) studio.quietly({ cmd: 'idle', away: (away = false) });
  clearTimeout(awayLater);
  awayLater = setTimeout(() => {
    away = true;
    if (studio.state.view.phase === 'stream') studio.freeze();
    studio.quietly({ cmd: 'idle', away: true });
  }, studio.state.awayAfter * 1000);
}
for (const kind of ['keydown', 'pointermove', 'pointerdown', 'wheel', 'touchmove']) addEventListener(kind, active, { passive: true, capture: true });

studio.wanted = /^#\/draft\/(.+)$/.exec(location.hash)?.[1] ?? null;
socket.open();
globalThis.midcourse = studio; // for the curious, and for tests

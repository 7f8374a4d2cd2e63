/** Boots the page: wires socket, state, keys, views and the pages around them. */
import { Away } from './away.js';
import { Desk, NARROW } from './desk.js';
import { byId } from './dom.js';
import { CROWDED, GuideView } from './guide_view.js';
import { Head } from './head_view.js';
import { showHelp } from './help_view.js';
import { seenTokens } from './intents.js';
import { Keyboard } from './keyboard.js';
import { bindings } from './keys.js';
import { AS_IT_COMES } from './pace.js';
import { Pages } from './pages.js';
import { Questions } from './questions.js';
import { get } from './rest.js';
import { Said } from './said.js';
import * as settings from './settings.js';
import { showSettings } from './settings_view.js';
import { Socket } from './socket.js';
import { Studio } from './studio.js';

const now = settings.load();
let table = bindings(now.keys);

const url = new URL('ws', document.baseURI);
url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
const socket = new Socket({ url, event: (e) => studio.heard(e), link: (link) => studio.dispatch({ type: 'link', link }), place: () => studio.place(), gone });
const studio = new Studio(socket, now);
const pages = new Pages({ node: byId('page'), studio, go, toast });
const said = new Said();
const guide = new GuideView(byId('guide'), again);
const questions = new Questions({ studio, toast, perform });
const inSight = (panel) => (panel === 'guidelines' ? guide.open(now.guidelines) : now.side === panel && (!NARROW.matches || Boolean(desk.sheet)));
const head = new Head({ studio, now, perform, open: inSight, guide });

/** The draft that was shown is not there any more, or never was. */
function gone(error) {
  if (error.code === 'offline' || error.code === 'lost') return;
  toast(error.message, 'bad');
  location.hash = '#/';
}

function toast(message, tone = 'plain') { studio.dispatch({ type: 'toast', message, tone }); }

// -- settings --------------------------------------------------------------------------------------------------------------

function change(given) {
  Object.assign(now, given.reset ? settings.checked({}) : given);
  settings.save(now);
  settings.apply(dark(now));
  table = bindings(now.keys);
  again();
}

/** The theme of the system, said to the style sheets as ours. */
function dark(given) {
  const wanted = given.theme === 'system' ? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light') : given.theme;
  return { ...given, theme: wanted };
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => settings.apply(dark(now)));
settings.apply(dark(now));

// -- what a wish does ------------------------------------------------------------------------------------------------------

/** A command after which another draft is shown. */
async function go(command) {
  const done = await studio.ask(command);
  if (done?.draft) location.hash = `#/draft/${done.draft}`;
}

/** Where the person stopped; with nothing begun, the next prompt. */
function on() {
  if (pages.context.begun) location.hash = `#/draft/${pages.context.begun}`;
  else go({ cmd: 'next' });
}

const desk = new Desk(studio, {
  perform,
  go: (s) => {
    questions.halt();
    studio.dispatch({ type: 'placeAt', at: s.at });
    desk.caret.focus();
  },
  withdraw: (s) => studio.ask({ cmd: 'withdraw', steer: s.id }),
  reasons: (s) => questions.reasons(s),
  closeSide: () => { desk.sheet = false; again(); },
  jump: (b) => studio.ask({ cmd: 'jump', node: b.node, rev: studio.state.draft.rev, shown: seenTokens(studio.state) }, { name: 'jump' }),
  turn: (text) => go({ cmd: 'turn', text }),
});
studio.onNext = () => go({ cmd: 'next' });

/** On a narrow screen the panel is a sheet that comes and goes; on a wide one it stays as the person left it. */
function side(what) {
  if (NARROW.matches) {
    desk.sheet = !(desk.sheet && now.side === what);
    guide.sheet = false;
    change({ side: what });
    if (what === 'tree' && desk.sheet) studio.quietly({ cmd: 'tree' });
    return;
  }
  change({ side: now.side === what ? 'none' : what });
  if (now.side === 'tree') studio.quietly({ cmd: 'tree' });
}

function guidelines() {
  if (!CROWDED.matches) return change({ guidelines: !now.guidelines });
  guide.sheet = !guide.sheet;
  if (guide.sheet) desk.sheet = false;
  return again();
}

function pace(by) {
  const next = Math.round((now.pace * (by > 0 ? 1.25 : 0.8)) / 20) * 20;
  change({ pace: Math.max(60, Math.min(AS_IT_COMES, next)) });
  toast(now.pace >= AS_IT_COMES ? 'Pace: as it comes' : `Pace: ${now.pace} words a minute`);
}

/** How the model draws from here on. */
async function draw(sampling) {
  if (await studio.ask({ cmd: 'settings', sampling })) studio.dispatch({ type: 'sampling', sampling });
}

const VIEWS = {
  help: () => { questions.halt(); showHelp(byId('help'), now, change); },
  settings: () => { questions.halt(); showSettings(byId('settings'), now, change, studio.state.draft, draw); },
  timeline: () => side('timeline'),
  tree: () => side('tree'),
  tint: () => change({ tint: !now.tint }),
  guidelines,
  sentences: () => { change({ sentences: !now.sentences }); toast(now.sentences ? 'Sentence by sentence: Enter shows the next' : 'Without a pause after sentences'); },
  slower: () => pace(-1),
  faster: () => pace(1),
  queue: () => { location.hash = '#/'; },
  on,
  next: () => go({ cmd: 'next' }),
  reasons: () => questions.reasons(),
  skip: () => questions.skip(),
  flag: () => questions.flag(),
  more: () => questions.more(),
  write: () => desk.caret.focus(true),
  stopTyping: () => { studio.freeze(); desk.caret.focus(); },
  newline: () => document.execCommand('insertLineBreak'),
  nothing: () => {},
};

/** Does what a key or a button wishes; returns whether it was ours. */
function perform(wish, more = {}) {
  if (VIEWS[wish]) { VIEWS[wish](more); return true; }
  return studio.perform(wish, more);
}

const mode = () => (studio.state.draft && !byId('desk').hidden ? studio.mode : 'home');
new Keyboard({ studio, desk, now, table: () => table, mode, perform });
new Away(studio);

// -- drawing ---------------------------------------------------------------------------------------------------------------

let drawn = studio.state;
studio.listen((state, before, action) => {
  if (action.type === 'heard' && action.event.event === 'notice') told(action.event.about);
  if (state.stale.queue !== before.stale.queue || (state.view.phase === 'closed') !== (before.view.phase === 'closed')) head.queue();
  if (state.training !== before.training) pages.again('training');
  render(state, drawn);
  drawn = state;
});

/** Something changed on the server: fetched again where it is shown. */
function told(about) {
  pages.again(about);
  if (about === 'model') get('api/adapters').then((a) => studio.dispatch({ type: 'adapter', name: a.active }), () => {});
  if (about === 'tags') get('api/tags').then((t) => studio.dispatch({ type: 'tags', tags: t.tags }), () => {});
  if (about === 'guidelines') guide.fetch();
}

function again() { render(studio.state, studio.state); }

function render(state, before) {
  desk.draw(state, before);
  said.draw(state, before);
  guide.draw(now.guidelines);
  head.draw(state);
  pages.links(state);
  if (now.side === 'tree' && state.draft && state.view.phase !== 'stream' && state.view.tree?.rev !== state.draft.rev && treeFor !== state.draft.rev) {
    treeFor = state.draft.rev;
    studio.quietly({ cmd: 'tree' });
  }
}
let treeFor = -1;
for (const room of [NARROW, CROWDED]) room.addEventListener('change', again);

// -- pages -----------------------------------------------------------------------------------------------------------------

async function route() {
  const [, name = '', id] = location.hash.replace(/^#/, '').split('/');
  guide.sheet = false;
  if (name === 'draft' && id) {
    byId('page').hidden = pages.left = true;
    byId('desk').hidden = false;
    guide.fetch();
    if (studio.state.draft?.id !== id) {
      studio.wanted = id;
      if (socket.live) await studio.ask({ cmd: 'open', draft: id });
    }
    again();
    return;
  }
  if (studio.state.draft) {
    questions.halt();
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
  if (action.type !== 'heard' || action.event.event !== 'welcome') return;
  head.queue();
  if (!welcomed) route();
  else if (!state.draft) pages.again('all');
  welcomed = true;
});

studio.wanted = /^#\/draft\/(.+)$/.exec(location.hash)?.[1] ?? null;
socket.open();
globalThis.midcourse = studio; // for the curious, and for tests

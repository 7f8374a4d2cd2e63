/**
 * Which wish a key means in a mode. Pure: a description of the key goes in, a wish or null comes out.
 *
 * In PAUSE every letter and symbol types; only digits, arrows, Enter, Space, Backspace, Delete and chords command.
 * Chords with letters follow the physical key where the layout is not Latin. Tab is never touched.
 */

export const MAC = /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? '');

/** What each wish is called and on which keys it is, by mode. `Mod` is Ctrl, on macOS Cmd; `Word` Ctrl, on macOS Option. */
export const WISHES = [
  { wish: 'stop', modes: ['stream', 'waiting'], keys: ['Space', 'Escape'], says: 'Stop the model' },
  { wish: 'resume', modes: ['pause'], keys: ['Enter', 'Space'], says: 'Nothing is wrong: write on (or turn down what is struck through)' },
  { wish: 'accept', modes: ['done'], keys: ['Enter'], says: 'Accept the finished text' },
  { wish: 'next', modes: ['closed'], keys: ['Enter'], says: 'The next prompt' },
  { wish: 'on', modes: ['home'], keys: ['Enter'], says: 'Go on where you stopped; with nothing begun, the next prompt' },
  { wish: 'next', modes: ['home'], keys: ['Mod+Enter'], says: 'The next prompt' },
  { wish: 'token-', modes: ['pause', 'done'], keys: ['ArrowLeft'], says: 'One token back', repeats: true },
  { wish: 'token+', modes: ['pause', 'done'], keys: ['ArrowRight'], says: 'One token on', repeats: true },
  { wish: 'word-', modes: ['pause', 'done'], keys: ['Word+ArrowLeft'], says: 'One word back', repeats: true },
  { wish: 'word+', modes: ['pause', 'done'], keys: ['Word+ArrowRight'], says: 'One word on', repeats: true },
  { wish: 'sentence-', modes: ['pause', 'done'], keys: ['ArrowUp'], says: 'One sentence back', repeats: true },
  { wish: 'sentence+', modes: ['pause', 'done'], keys: ['ArrowDown'], says: 'One sentence on', repeats: true },
  { wish: 'text-', modes: ['pause', 'done'], keys: ['Home'], says: 'To the beginning' },
  { wish: 'text+', modes: ['pause', 'done'], keys: ['End'], says: 'To the end' },
  { wish: 'select-', modes: ['pause', 'done'], keys: ['Shift+ArrowLeft', 'Shift+Word+ArrowLeft'], says: 'Select back', repeats: true },
  { wish: 'select+', modes: ['pause', 'done'], keys: ['Shift+ArrowRight', 'Shift+Word+ArrowRight'], says: 'Select on: the words that a correction replaces', repeats: true },
  { wish: 'doubt-', modes: ['pause', 'done'], keys: ['Mod+ArrowUp'], says: 'To the doubtful token before', repeats: true },
  { wish: 'doubt+', modes: ['pause', 'done'], keys: ['Mod+ArrowDown'], says: 'To the next doubtful token', repeats: true },
  { wish: 'take', modes: ['pause', 'done'], keys: ['1…9'], says: 'Take that alternative and write on' },
  { wish: 'choice+', modes: ['pause', 'done'], keys: ['Alt+ArrowDown'], says: 'Look at the next alternative, with how it would go on; Enter takes it', repeats: true },
  { wish: 'choice-', modes: ['pause', 'done'], keys: ['Alt+ArrowUp'], says: 'Look at the alternative before', repeats: true },
  { wish: 'takeKeep', modes: ['pause', 'done'], keys: ['Alt+Enter'], says: 'Put the alternative looked at and keep the rest of the text' },
  { wish: 'nothing', modes: ['done'], keys: ['Space'], says: 'Nothing: a stop that came a moment too late' },
  { wish: 'back', modes: ['pause', 'done'], keys: ['Backspace'], says: 'Strike through from here, then one token more; Enter lets the model try again', repeats: true },
  { wish: 'backWord', modes: ['pause', 'done'], keys: ['Word+Backspace'], says: 'Strike through by words', repeats: true },
  { wish: 'remove', modes: ['pause', 'done'], keys: ['Delete'], says: 'Remove the selection or the word here, keep the rest' },
  { wish: 'clear', modes: ['pause', 'done'], keys: ['Escape'], says: 'Back to a plain cursor' },
  { wish: 'endHere', modes: ['pause'], keys: ['Mod+Enter'], says: 'The answer should have ended here' },
  { wish: 'acceptNext', modes: ['done'], keys: ['Mod+Enter'], says: 'Accept and go to the next prompt' },
  { wish: 'commit', modes: ['type'], keys: ['Enter'], says: 'Put this, write on from here' },
  { wish: 'commitKeep', modes: ['type'], keys: ['Alt+Enter'], says: 'Put this, keep the rest of the text' },
  { wish: 'commitEnd', modes: ['type'], keys: ['Mod+Enter'], says: 'Put this and end the answer' },
  { wish: 'units+', modes: ['type'], keys: ['Alt+ArrowDown'], says: 'Replace one word more (with Alt+Enter)', repeats: true },
  { wish: 'units-', modes: ['type'], keys: ['Alt+ArrowUp'], says: 'Replace one word fewer', repeats: true },
  { wish: 'newline', modes: ['type'], keys: ['Shift+Enter'], says: 'A new line' },
  { wish: 'cancel', modes: ['type'], keys: ['Escape'], says: 'Drop what you typed' },
  { wish: 'undo', modes: ['stream', 'pause', 'done', 'closed'], keys: ['Mod+KeyZ'], says: 'Take the last step back (while typing: the typing)' },
  { wish: 'redo', modes: ['stream', 'pause', 'done'], keys: ['Mod+Shift+KeyZ', 'Mod+KeyY'], says: 'Do it again' },
  { wish: 'accept', modes: ['stream', 'pause', 'type', 'done'], keys: ['Mod+KeyS'], says: 'Accept the text as it stands' },
  { wish: 'skip', modes: ['stream', 'pause', 'done'], keys: ['Mod+Shift+KeyS'], says: 'Skip this prompt, with a reason' },
  { wish: 'discard', modes: ['stream', 'pause', 'done'], keys: ['Mod+Shift+KeyX'], says: 'Discard the text' },
  { wish: 'flag', modes: ['*'], keys: ['Mod+Shift+KeyF'], says: 'Mark it for review' },
  { wish: 'reasons', modes: ['*'], keys: ['Mod+KeyE'], says: 'Say why: tags of the last steer' },
  { wish: 'sentences', modes: ['*'], keys: ['Mod+Shift+KeyE'], says: 'Sentence by sentence, on or off' },
  { wish: 'slower', modes: ['*'], keys: ['Mod+BracketLeft'], says: 'Slower', repeats: true },
  { wish: 'faster', modes: ['*'], keys: ['Mod+BracketRight'], says: 'Faster', repeats: true },
  { wish: 'timeline', modes: ['*'], keys: ['Mod+KeyJ'], says: 'Steers of this text' },
  { wish: 'tree', modes: ['*'], keys: ['Mod+KeyK'], says: 'Everything tried' },
  { wish: 'tint', modes: ['*'], keys: ['Mod+KeyU'], says: 'Tint of doubt, on or off' },
  { wish: 'guidelines', modes: ['*'], keys: ['Mod+KeyG'], says: 'Guidelines' },
  { wish: 'queue', modes: ['*'], keys: ['Mod+KeyO'], says: 'First page: drafts and queue' },
  { wish: 'settings', modes: ['*'], keys: ['Mod+Comma'], says: 'Settings' },
  { wish: 'help', modes: ['*'], keys: ['F1', 'Mod+Slash'], says: 'These keys' },
];

const LATIN = /^[\x21-\x7e]$/;
const CODES = { ',': 'Comma', '/': 'Slash', '[': 'BracketLeft', ']': 'BracketRight', '.': 'Period', ';': 'Semicolon', "'": 'Quote', '-': 'Minus', '=': 'Equal' };

/** Name of the key itself: by what it prints where that is Latin, else by where it is. */
function named(key) {
  if (key.key === ' ' || key.code === 'Space') return 'Space';
  if (!LATIN.test(key.key)) return key.key.length > 1 && key.key !== 'Dead' ? key.key : key.code;
  if (/[a-z]/i.test(key.key)) return `Key${key.key.toUpperCase()}`;
  return CODES[key.key] ?? key.code;
}

/** A key as a chord, `Mod+Shift+KeyZ`; the names of modifiers as on this system. */
export function chord(key, mac = MAC) {
  const parts = [];
  const mod = mac ? key.metaKey : key.ctrlKey;
  if (mod) parts.push('Mod');
  if (mac && key.ctrlKey) parts.push('Ctrl');
  if (!mac && key.metaKey) parts.push('Meta');
  if (key.shiftKey) parts.push('Shift');
  if (key.altKey) parts.push('Alt');
  return [...parts, named(key)].join('+');
}

/** `Word` and order of modifiers made plain, so that two spellings of one chord are one. */
export function plain(spelled, mac = MAC) {
  const parts = spelled.split('+').map((p) => (p === 'Word' ? (mac ? 'Alt' : 'Mod') : p));
  const order = ['Mod', 'Ctrl', 'Meta', 'Shift', 'Alt'];
  const name = parts.pop();
  return [...order.filter((m) => parts.includes(m)), name].join('+');
}

/** All bindings: chord → wishes, with the person's own in place of the given ones. */
export function bindings(own = {}, mac = MAC) {
  const table = new Map();
  WISHES.forEach((entry, i) => {
    for (const keys of own[`${entry.wish}@${entry.modes[0]}`] ?? entry.keys) {
      const at = plain(keys, mac);
      table.set(at, [...(table.get(at) ?? []), WISHES[i]]);
    }
  });
  return table;
}

const DIGIT = /^\p{Nd}$/u;

/** 1 to 9 for a digit of any script; null else. */
export function digit(key) {
  if (!DIGIT.test(key.key) || key.ctrlKey || key.altKey || key.metaKey) return null;
  const point = key.key.codePointAt(0);
  let zero = point;
  while (DIGIT.test(String.fromCodePoint(zero - 1)) && point - zero < 9) zero -= 1;
  const value = point - zero;
  return value >= 1 ? value : null;
}

/** Whether a key alone prints something. */
export const prints = (key) => [...key.key].length === 1 && !key.ctrlKey && !key.metaKey && key.key !== ' ';

/**
 * The wish of a key: `{wish, index?}`, or null where the key is not ours.
 *
 * @param key what `KeyboardEvent` says: key, code, the four modifiers, repeat, isComposing
 * @param mode stream | pause | done | type | closed | home
 * @param options `{table, single, digits, mac}`: bindings, single-key commands on, digits take alternatives
 */
export function wishOf(key, mode, { table, single = true, digits = true, mac = MAC }) {
  if (key.isComposing || key.key === 'Process' || key.key === 'Tab' || key.key === 'AltGraph') return null;
  if (key.getModifierState?.('AltGraph')) return null;
  const choosing = mode === 'pause' || mode === 'done';
  const value = digit(key);
  if (choosing && value && digits && single) return key.repeat ? { wish: 'nothing' } : { wish: 'take', index: value - 1 };
  const found = (table.get(chord(key, mac)) ?? []).find((w) => w.modes.includes(mode) || w.modes[0] === '*');
  if (found && (single || named(key) !== 'Space')) {
    if (key.repeat && !found.repeats) return { wish: 'nothing' };
    return { wish: found.wish, space: named(key) === 'Space' };
  }
  if (key.key === '?' && single && mode !== 'pause' && mode !== 'done' && mode !== 'type') return { wish: 'help' };
  if (mode === 'stream' && single && prints(key)) return { wish: 'stopTyping' };
  return null;
}

const SHOWN = {
  Space: 'Space', ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓', Escape: 'Esc', Comma: ',', Slash: '/',
  BracketLeft: '[', BracketRight: ']', Enter: 'Enter', Backspace: '⌫', Delete: 'Del',
};
const SHOWN_MAC = { Mod: '⌘', Alt: '⌥', Shift: '⇧', Ctrl: '⌃', Enter: '↩' };
const SHOWN_ELSE = { Mod: 'Ctrl', Meta: 'Win' };

/** A chord as people read it. */
export function spell(keys, mac = MAC) {
  const names = { ...SHOWN, ...(mac ? SHOWN_MAC : SHOWN_ELSE) };
  return plain(keys, mac).split('+').map((p) => names[p] ?? p.replace(/^(Key|Digit)/, ''));
}

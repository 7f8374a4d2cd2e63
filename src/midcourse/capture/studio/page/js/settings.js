/** What a person set, kept in this browser. Values are checked when read, so that an old page cannot break a new one. */
import { AS_IT_COMES } from './pace.js';

export const CHOICES = {
  theme: ['system', 'light', 'dark'],
  contrast: ['normal', 'high'],
  motion: ['system', 'less'],
  font: ['serif', 'sans', 'mono'],
};
const RANGES = { size: [14, 30], width: [28, 60], line: [1.3, 2.2], pace: [60, AS_IT_COMES] };
const SWITCHES = ['tint', 'digits', 'single', 'sentences', 'guidelines'];

export const GIVEN = Object.freeze({
  theme: 'system', contrast: 'normal', motion: 'system', font: 'serif',
  size: 19, width: 38, line: 1.65, pace: 600,
  tint: true, digits: true, single: true, sentences: false, guidelines: true,
  side: 'timeline', // timeline | tree | none
  keys: {},
});

/** Settings out of anything that was stored. */
export function checked(raw) {
  const out = { ...GIVEN };
  if (typeof raw !== 'object' || raw === null) return out;
  for (const [name, all] of Object.entries(CHOICES)) if (all.includes(raw[name])) out[name] = raw[name];
  for (const [name, [low, high]] of Object.entries(RANGES)) {
    if (Number.isFinite(raw[name])) out[name] = Math.max(low, Math.min(high, raw[name]));
  }
  for (const name of SWITCHES) if (typeof raw[name] === 'boolean') out[name] = raw[name];
  if (['timeline', 'tree', 'none'].includes(raw.side)) out.side = raw.side;
  out.keys = {};
  if (typeof raw.keys === 'object' && raw.keys !== null) {
    for (const [wish, keys] of Object.entries(raw.keys)) {
      if (Array.isArray(keys) && keys.every((k) => typeof k === 'string')) out.keys[wish] = keys;
    }
  }
  return out;
}

const PLACE = 'midcourse.settings';

export function load() {
  try {
    return checked(JSON.parse(localStorage.getItem(PLACE)));
  } catch {
    return { ...GIVEN };
  }
}

export function save(settings) {
  try {
    localStorage.setItem(PLACE, JSON.stringify(settings));
  } catch { /* a browser that keeps nothing: the settings hold for this page */ }
}

/** Puts settings on the page: attributes and custom properties that the style sheets read. */
export function apply(settings, root = document.documentElement) {
  for (const name of ['theme', 'contrast', 'motion', 'font']) root.dataset[name] = settings[name];
  root.dataset.tint = settings.tint ? 'on' : 'off';
  root.style.setProperty('--size', `${settings.size}px`);
  root.style.setProperty('--column', `${settings.width}em`);
  root.style.setProperty('--line', String(settings.line));
}

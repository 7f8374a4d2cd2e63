/**
 * The text as the page draws it: groups of tokens that end between two grapheme clusters.
 *
 * No part of a cluster is ever drawn alone, so a token that ends inside one shares its group with those that complete
 * it. Offsets are in Unicode code points, as on the wire. Knows no DOM.
 */
import { EMPTY, append, from as listOf, keep } from './list.js';

const clusters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
const ASCII = /^[\x20-\x7e\n\t]*$/;

/** Code points of a string. */
export const size = (text) => (ASCII.test(text) ? text.length : [...text].length);

/** Code points `start` to `end` of a string. */
export const slice = (text, start, end) =>
  ASCII.test(text) ? text.slice(start, end) : [...text].slice(start, end).join('');

/** Offsets after each cluster, in code points. */
export function boundaries(text) {
  const ends = new Set();
  let at = 0;
  if (ASCII.test(text)) {
    while (at < text.length) ends.add((at += 1));
    return ends;
  }
  for (const { segment } of clusters.segment(text)) ends.add((at += [...segment].length));
  return ends;
}

/** A text without tokens. */
export const BLANK = Object.freeze({ tokens: EMPTY, groups: EMPTY, parts: [], length: 0 });

/** The text of a snapshot. */
export const read = (text, tokens, parts = []) => write(BLANK, { at: 0, from: 0, text, tokens, parts });

/** The document after a `tokens` event: keep `at` tokens and `from` code points, then append. */
export function write(doc, { at, from, text, tokens, parts }) {
  const kept = keptGroups(doc.groups, at, from);
  const dropped = doc.groups.items.slice(kept, doc.groups.length);
  const begin = kept ? doc.groups.items[kept - 1] : { end: 0, last: 0 };
  const again = slice(dropped.map((g) => g.text).join(''), 0, from - begin.end) + text;
  const all = append(keep(doc.tokens, at), tokens);
  return {
    tokens: all,
    groups: append(keep(doc.groups, kept), group(all.items.slice(begin.last, all.length), again, begin)),
    parts: parts ?? doc.parts.filter((p) => p.start < from),
    length: from + size(text),
  };
}

function keptGroups(groups, at, from) {
  let kept = groups.length;
  const changed = (g) => g.end > from || g.last > at || (g.start === g.end && !g.ends);
  while (kept && changed(groups.items[kept - 1])) kept -= 1;
  return kept;
}

function group(tokens, text, begin) {
  const points = ASCII.test(text) ? null : [...text];
  const cut = (a, b) => (points ? points.slice(a, b).join('') : text.slice(a, b));
  const ends = boundaries(text);
  const groups = [];
  let [start, first] = [begin.end, begin.last];
  const close = (end, last) => {
    const own = tokens.slice(first - begin.last, last - begin.last);
    groups.push(oneGroup(own, cut(start - begin.end, end - begin.end), start, end, first, last));
    [start, first] = [end, last];
  };
  tokens.forEach((token, i) => {
    const index = begin.last + i;
    if (token.ends) {
      if (index > first) close(Math.max(start, token.end), index);
      close(token.end, index + 1);
    } else if (token.end > start && ends.has(token.end - begin.end)) close(token.end, index + 1);
  });
  const last = begin.last + tokens.length;
  const end = begin.end + (points ?? text).length;
  if (last > first || end > start) close(end, last);
  return groups;
}

function oneGroup(tokens, text, start, end, first, last) {
  const known = tokens.map((t) => t.logprob).filter((p) => p !== null && p !== undefined);
  return {
    text, start, end, first, last,
    by: tokens.some((t) => t.by === 'person') ? 'person' : 'model',
    logprob: known.length ? Math.min(...known) : null,
    ends: tokens.some((t) => t.ends),
  };
}

/** Index of the group in which code point `at` lies; the number of groups for the end of the text. */
export function groupAt(doc, at) {
  let [low, high] = [0, doc.groups.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (doc.groups.items[middle].end > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The place at which something put at code point `at` stands: in front of the end token, not behind it. */
export function placeOf(doc, at) {
  const place = groupAt(doc, at);
  return place && doc.groups.items[place - 1].ends ? place - 1 : place;
}

/** Index of the first group that `tokens` tokens do not complete. */
export function groupOfToken(doc, tokens) {
  let [low, high] = [0, doc.groups.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (doc.groups.items[middle].last > tokens) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Tokens in the first `groups` groups. */
export const tokensIn = (doc, groups) => (groups ? doc.groups.items[groups - 1].last : 0);

/** Code points in the first `groups` groups. */
export const pointsIn = (doc, groups) => (groups ? doc.groups.items[groups - 1].end : 0);

/** Text between two code points, end not included. */
export function textBetween(doc, start, end) {
  let out = '';
  for (let g = groupAt(doc, start); g < doc.groups.length; g += 1) {
    const group = doc.groups.items[g];
    if (group.start >= end) break;
    out += slice(group.text, Math.max(0, start - group.start), end - group.start);
  }
  return out;
}

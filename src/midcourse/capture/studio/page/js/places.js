/**
 * Where the cursor can go: by token, word, sentence, to the next doubtful token, to the likeliest place of the error.
 *
 * Places are indices of groups, 0 to their number (the end of the text). Knows no DOM and no keys.
 */
import { groupAt, pointsIn, textBetween } from './doc.js';

const AROUND = 400;
const segmenters = {
  word: new Intl.Segmenter(undefined, { granularity: 'word' }),
  sentence: new Intl.Segmenter(undefined, { granularity: 'sentence' }),
};

/** Groups in which a word or sentence begins, between two groups, ascending. */
export function starts(doc, unit, low, high) {
  const base = pointsIn(doc, low);
  const text = textBetween(doc, base, pointsIn(doc, high));
  const found = [];
  let at = base;
  for (const { segment, isWordLike } of segmenters[unit].segment(text)) {
    if (unit === 'sentence' || isWordLike) {
      const blank = unit === 'sentence' ? /^\s*/.exec(segment)[0].length : 0;
      const group = groupAt(doc, at + blank);
      if (found.at(-1) !== group) found.push(group);
    }
    at += [...segment].length;
  }
  return found;
}

/** The place one `unit` (token, word, sentence, text) in front of or behind `place`, among the first `limit` groups. */
export function move(doc, place, unit, by, limit) {
  if (unit === 'token') return Math.max(0, Math.min(limit, place + by));
  if (unit === 'text') return by < 0 ? 0 : limit;
  const low = by < 0 ? Math.max(0, place - AROUND) : Math.max(0, place - 40);
  const high = Math.min(limit, by < 0 ? place + 1 : place + AROUND);
  const all = starts(doc, unit, low, high);
  if (by < 0) return all.filter((g) => g < place).at(-1) ?? low;
  return all.find((g) => g > place) ?? high;
}

/** Whether a group reads as a doubt of the model. */
export const doubtful = (group, below = 0.5) =>
  group.by === 'model' && group.logprob !== null && group.logprob < Math.log(below);

/** The next doubtful place in a direction; `place` itself where there is none. */
export function nextDoubt(doc, place, by, limit, below = 0.5) {
  for (let g = place + by; g >= 0 && g < limit; g += by) if (doubtful(doc.groups.items[g], below)) return g;
  return place;
}

function entropy(token) {
  return (token?.alternatives ?? []).reduce((sum, a) => sum - Math.exp(a.logprob) * a.logprob, 0);
}

/**
 * The most likely place of the error when a person stops: the least probable token of the model among those shown in
 * the last `recent` groups, at least 12; of equals the one with the higher entropy. A person's own words and the end
 * are never blamed.
 */
export function blame(doc, limit, recent = 12) {
  let best = null;
  for (let g = limit - 1; g >= Math.max(0, limit - Math.max(12, recent)); g -= 1) {
    const group = doc.groups.items[g];
    if (group.by === 'person') break;
    if (group.logprob === null || group.ends || !group.text.trim()) continue;
    const key = [group.logprob, -entropy(doc.tokens.items[group.first])];
    if (!best || key[0] < best.key[0] - 1e-6 || (key[0] < best.key[0] + 1e-6 && key[1] < best.key[1])) {
      best = { key, g };
    }
  }
  return best ? best.g : limit;
}

/** Where words begin behind the blanks of a cut: the blank stays, so that what is typed needs none of its own. */
export function behindBlank(doc, place, typed = '') {
  const group = doc.groups.items[place];
  if (!group || place >= doc.groups.length) return doc.length;
  if (/^[\s.,;:!?)\]}%…’”]/u.test(typed)) return group.start;
  const blank = /^ +(?=\S)/.exec(group.text);
  return group.start + (blank ? blank[0].length : 0);
}

/** Where the replaced words end: behind `units` words or signs after the code point `cut`, at most at `limit`. */
export function behindWords(doc, cut, units, limit) {
  let at = cut;
  let left = units;
  if (!left) return cut;
  for (const { segment } of segmenters.word.segment(textBetween(doc, cut, Math.min(limit, cut + 2000)))) {
    const length = [...segment].length;
    if (segment.trim()) left -= 1;
    at += length;
    if (!left) break;
  }
  return at;
}

/** How many groups from `shown` on make one more sentence; 0 where the sentence is not complete yet. */
export function sentenceAhead(doc, shown, complete) {
  const high = Math.min(doc.groups.length, shown + AROUND);
  const text = textBetween(doc, pointsIn(doc, shown), pointsIn(doc, high));
  const [first, second] = segmenters.sentence.segment(text);
  if (!second) return complete ? high - shown : 0;
  return Math.max(1, groupAt(doc, pointsIn(doc, shown) + [...first.segment].length) - shown);
}

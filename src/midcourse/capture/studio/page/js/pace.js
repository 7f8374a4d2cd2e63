/** How much of the text is shown when: at the pace a person reads, while the model runs ahead. Pure. */
import { sentenceAhead } from './places.js';

/** Words a minute that mean: as it comes. */
export const AS_IT_COMES = 2000;
export const POINTS_A_WORD = 6;

export const IDLE = Object.freeze({ credit: 0, trail: [] });

/**
 * Groups to show after `elapsed` milliseconds.
 *
 * @returns `{groups, pace, rest}`: groups shown then; what to remember; whether a whole sentence stands, in
 *   sentence-by-sentence mode, so that it waits for the person
 */
export function advance(pace, { doc, shown, streaming, now, elapsed, rate, sentences, from }) {
  let limit = doc.groups.length;
  let rest = false;
  if (sentences) {
    const ahead = sentenceAhead(doc, from, !streaming);
    limit = ahead ? Math.min(limit, from + ahead) : shown;
    if (ahead && shown >= limit) rest = limit < doc.groups.length || streaming;
  }
  const open = rate >= AS_IT_COMES;
  let credit = open ? Infinity : Math.min(pace.credit + (elapsed * rate * POINTS_A_WORD) / 60000, 240);
  let groups = shown;
  while (groups < limit && credit > 0) {
    credit -= doc.groups.items[groups].end - doc.groups.items[groups].start;
    groups += 1;
  }
  if (groups >= limit || open) credit = Math.min(credit, 1);
  const trail = groups > shown ? [...pace.trail.filter(([t]) => now - t < 2000), [now, groups]] : pace.trail;
  return { groups, pace: { credit, trail }, rest };
}

/** Groups shown within the last two seconds. */
export function recent(pace, now, shown) {
  const old = pace.trail.find(([t]) => now - t < 2000);
  return old ? Math.max(0, shown - old[1]) + 1 : 0;
}

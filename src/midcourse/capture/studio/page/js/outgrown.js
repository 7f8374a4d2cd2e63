/** When a model inside the studio's own process is no longer enough for who writes with it. Pure. */
import { AS_IT_COMES, POINTS_A_WORD } from './pace.js';

const READING = 240; // words a minute of a person who reads silently, where the text comes as it comes
const MANY = 2; // other texts that wait for their turn
const FEW = 16; // tokens after which a rate says something

/** What to say, or nothing: the model is slower than the person reads, or several texts wait for it. */
export function outgrown({ draft, model }, pace) {
  if (!draft || (draft.model ?? model)?.backend !== 'local') return '';
  if (draft.waiting >= MANY) return 'Several texts share this one model. It is time for a server that writes many at once, such as vLLM or llama.cpp: midcourse studio --backend URL';
  const { doc, rate } = draft;
  if (!rate || doc.tokens.length < FEW) return '';
  const words = (rate * (doc.length / doc.tokens.length) * 60) / POINTS_A_WORD;
  const wanted = pace >= AS_IT_COMES ? READING : Math.min(pace, READING);
  return words < wanted ? `The model writes ${Math.round(words)} words a minute, slower than one reads. A smaller model would be quicker, or a server such as vLLM or llama.cpp: midcourse studio --backend URL` : '';
}

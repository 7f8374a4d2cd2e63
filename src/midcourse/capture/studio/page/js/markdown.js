/** Guidelines in Markdown, drawn without markup of their own: headings, paragraphs, lists, code, emphasis, links. */
import { el } from './dom.js';

const INLINE = /(`[^`]+`)|(\*\*[^*]+\*\*)|(\*[^*]+\*|_[^_]+_)|(\[[^\]]+\]\((https?:[^)\s]+)\))/;

/** A line as text and elements. Links go only to http(s). */
export function inline(text) {
  const out = [];
  let rest = text;
  for (let found = INLINE.exec(rest); found; found = INLINE.exec(rest)) {
    if (found.index) out.push(rest.slice(0, found.index));
    const [all, code, bold, italic, link, url] = found;
    if (code) out.push(el('code', {}, all.slice(1, -1)));
    else if (bold) out.push(el('strong', {}, all.slice(2, -2)));
    else if (italic) out.push(el('em', {}, all.slice(1, -1)));
    else if (link) out.push(el('a', { href: url, rel: 'noopener noreferrer', target: '_blank' }, all.slice(1, all.indexOf(']('))));
    rest = rest.slice(found.index + all.length);
  }
  if (rest) out.push(rest);
  return out;
}

const ITEM = /^\s*([-*+]|\d+[.)])\s+(.*)$/;

export function markdown(text) {
  const out = [];
  const blocks = text.replaceAll('\r\n', '\n').split(/\n{2,}/);
  for (const block of blocks) {
    const lines = block.split('\n').filter((l) => l.trim());
    if (!lines.length) continue;
    const heading = /^(#{1,3})\s+(.*)$/.exec(lines[0]);
    if (heading) {
      out.push(el(`h${heading[1].length}`, {}, inline(heading[2])));
      lines.shift();
    }
    if (!lines.length) continue;
    if (lines.every((l) => ITEM.test(l) || /^\s+\S/.test(l))) {
      const items = [];
      for (const line of lines) {
        const item = ITEM.exec(line);
        if (item) items.push(item[2]);
        else items[items.length - 1] = `${items.at(-1) ?? ''} ${line.trim()}`;
      }
      out.push(el(/^\s*\d/.test(lines[0]) ? 'ol' : 'ul', {}, items.map((i) => el('li', {}, inline(i)))));
    } else out.push(el('p', {}, inline(lines.join(' '))));
  }
  return out;
}

/** Making elements without markup: every text is text. */

/** An element: properties that begin with `on` are listeners, `data-*`, `aria-*` and `role` attributes, others properties. */
export function el(tag, given = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.className = value;
    else if (/^(data-|aria-|role$|for$|colspan$|scope$)/.test(name)) node.setAttribute(name, value === true ? '' : value);
    else node[name] = value;
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

/** Puts children in place of what is there, only if `key` differs from last time. */
export function fill(node, key, make) {
  const mark = typeof key === 'string' ? key : JSON.stringify(key);
  if (node.dataset.key === mark) return false;
  node.dataset.key = mark;
  node.replaceChildren(...[make()].flat().filter(Boolean));
  return true;
}

export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const percent = (logprob) => {
  const p = Math.exp(logprob) * 100;
  return p >= 10 ? `${Math.round(p)} %` : p >= 1 ? `${p.toFixed(1)} %` : '< 1 %';
};

/** A token's text with what does not show made visible. */
export const visible = (text) =>
  text === '' ? '∅' : text.replace(/^ +| +$/g, (b) => '·'.repeat(b.length)).replaceAll('\n', '↵').replaceAll('\t', '⇥');

export const seconds = (s) =>
  s === null || s === undefined ? '–' : s < 60 ? `${s.toFixed(s < 10 ? 1 : 0)} s` : `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;

/** A list that grows at its end without being copied, and of which older values stay true. */

export const EMPTY = Object.freeze({ items: [], length: 0 });

/** The list with `more` behind it. Older values see none of it. */
export function append(list, more) {
  if (!more.length) return list;
  const items = list.items.length === list.length && list !== EMPTY ? list.items : list.items.slice(0, list.length);
  for (const item of more) items.push(item);
  return { items, length: items.length };
}

/** The first `length` items. */
export function keep(list, length) {
  return length >= list.length ? list : { items: list.items.slice(0, length), length };
}

export const from = (items) => ({ items: [...items], length: items.length });

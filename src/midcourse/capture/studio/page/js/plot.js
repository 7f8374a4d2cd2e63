/** Small line plots in SVG. */

const NS = 'http://www.w3.org/2000/svg';

export function svg(tag, given = {}, ...children) {
  const node = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(given)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

const round = (v) => (Math.abs(v) >= 100 ? v.toFixed(0) : Math.abs(v) >= 1 ? v.toFixed(2) : v.toFixed(3)).replace(/\.?0+$/, '') || '0';

/** A line through points `[[x, y], …]`, with its lowest, highest and last value written beside it. */
export function line(points, { title, width = 420, height = 120, dots = false, zero = false, label = String }) {
  const [left, right, top, bottom] = [8, 56, 10, 22];
  const ys = points.map((p) => p[1]);
  const xs = points.map((p) => p[0]);
  const low = zero ? Math.min(0, ...ys) : Math.min(...ys);
  const high = Math.max(...ys, low + 1e-9);
  const span = Math.max(Math.max(...xs) - Math.min(...xs), 1e-9);
  const x = (v) => left + ((v - Math.min(...xs)) / span) * (width - left - right);
  const y = (v) => top + (1 - (v - low) / (high - low)) * (height - top - bottom);
  const path = points.map(([a, b], i) => `${i ? 'L' : 'M'}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join('');
  const last = points.at(-1);
  return svg('svg', { class: 'plot', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${title}: last ${round(last[1])}, lowest ${round(low)}, highest ${round(high)}` },
    svg('line', { class: 'axis', x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }),
    svg('path', { class: 'mark', d: path }),
    ...(dots ? points.map(([a, b]) => svg('circle', { class: 'dot', cx: x(a), cy: y(b), r: 3.5 })) : [svg('circle', { class: 'dot', cx: x(last[0]), cy: y(last[1]), r: 3 })]),
    svg('text', { x: x(last[0]) + 8, y: y(last[1]) + 4 }, round(last[1])),
    svg('text', { x: left, y: height - 7 }, label(xs[0])),
    svg('text', { x: width - right, y: height - 7, 'text-anchor': 'end' }, points.length > 1 ? label(xs.at(-1)) : ''));
}

/** The routes beside the socket: JSON both ways, paths relative to the page. */

export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

async function ask(method, path, body) {
  const answer = await fetch(path, {
    method, credentials: 'same-origin', cache: 'no-store',
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  }).catch(() => { throw new Refused(0, 'offline', 'The studio does not answer.'); });
  const text = await answer.text();
  let data = null;
  try {
    data = text ? JSON.parse(text) : null;
  } catch { /* not ours: said below */ }
  if (!answer.ok) throw new Refused(answer.status, data?.error?.code ?? 'http', data?.error?.message ?? `The studio answered ${answer.status}.`);
  return data;
}

export const get = (path) => ask('GET', path);
export const post = (path, body = {}) => ask('POST', path, body);
export const put = (path, body) => ask('PUT', path, body);
export const patch = (path, body) => ask('PATCH', path, body);

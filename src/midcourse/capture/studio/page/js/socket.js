/**
 * The line to the server: one WebSocket, answers by number, reconnecting by itself.
 *
 * After a break it says which events it has, so that exactly the missed ones come, or a whole draft. Knows nothing of
 * what commands and events mean.
 */
const PROTOCOL = 1;
const PATIENCE = [200, 500, 1000, 2000, 4000];
const PING = 20_000;
const SILENCE = 10_000;
const DOUBT = 3_000;
const LOOKS = new Set(['alternatives', 'ghost']); // the model is asked: that takes as long as it takes
const FINAL = { 4401: 'signed-out', 4403: 'refused', 4409: 'outdated' };

export class Socket {
  /** @param given `{url, event(e), link(l), place(), gone(e)}`: place says draft, epoch and seq of the last event
   *   handled, gone that this draft cannot be shown */
  constructor(given) {
    Object.assign(this, given);
    this.asked = new Map();
    this.count = 0;
    this.tries = 0;
    this.live = false;
    this.due = Infinity; // when something must have been heard
    addEventListener('online', () => this.hurry());
    addEventListener('offline', () => this.doubt());
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.hurry());
  }

  open() {
    clearTimeout(this.again);
    this.rest();
    const [socket, before] = [new WebSocket(this.url), this.socket];
    this.socket = socket;
    before?.close();
    this.expect(SILENCE); // on a line that swallows everything a browser would try for minutes
    socket.onopen = () => socket === this.socket && this.send({ cmd: 'hello', protocol: PROTOCOL, ...this.place() }).catch((error) => this.gone?.(error));
    socket.onmessage = ({ data }) => socket === this.socket && this.heard(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.socket && this.closed(code);
  }

  heard(event) {
    this.listening();
    if (event.event === 'welcome') {
      this.live = true;
      this.tries = 0;
      this.link({ status: 'live', tries: 0 });
    }
    const asked = this.asked.get(event.re);
    if (event.event !== 'pong') this.event(event);
    if (asked && ['ok', 'error', 'found', 'ghost', 'tree', 'pong'].includes(event.event)) {
      this.asked.delete(event.re);
      if (event.event === 'error') asked.no(event);
      else asked.yes(event);
    }
  }

  closed(code) {
    this.live = false;
    this.rest();
    const lost = [...this.asked.values()];
    this.asked.clear();
    for (const { no } of lost) no({ code: 'lost', message: 'The connection broke.', retry: true });
    if (FINAL[code]) return this.link({ status: FINAL[code], tries: this.tries });
    const wait = PATIENCE[Math.min(this.tries, PATIENCE.length - 1)] * (0.8 + 0.4 * Math.random());
    this.tries += 1;
    this.link({ status: 'lost', tries: this.tries });
    this.again = setTimeout(() => this.open(), wait);
  }

  /** Any sign of life puts the next ping off; silence after one means: reconnect. */
  listening() {
    this.rest();
    this.beat = setTimeout(() => this.send({ cmd: 'ping' }).catch(() => {}), PING);
  }

  rest() {
    clearTimeout(this.beat);
    clearTimeout(this.watch);
    this.due = Infinity;
  }

  /** Nothing heard within this time: the line is dead, whatever the browser thinks of it. The shortest time counts. */
  expect(within) {
    const due = performance.now() + within;
    if (due >= this.due) return;
    clearTimeout(this.watch);
    this.due = due;
    this.watch = setTimeout(() => this.reconnect(), within);
  }

  /** The browser says that a line is down: whether it is ours shows within moments. */
  doubt() {
    if (!this.live) return;
    this.send({ cmd: 'ping' }).catch(() => {});
    this.expect(DOUBT);
  }

  reconnect() {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.closed(0);
  }

  hurry() {
    if (!this.live && this.tries) this.open(); // one that has waited for an answer since the line was down is given up
  }

  /** Sends a command; the promise is its `ok` (or answer), or its `error` thrown. */
  send(command) {
    const id = (this.count += 1);
    return new Promise((yes, no) => {
      if (this.socket?.readyState !== WebSocket.OPEN) {
        no({ code: 'offline', message: 'Not connected.', retry: true });
        return;
      }
      this.asked.set(id, { yes, no });
      this.socket.send(JSON.stringify({ ...command, id }));
      if (!LOOKS.has(command.cmd)) this.expect(SILENCE);
    });
  }
}

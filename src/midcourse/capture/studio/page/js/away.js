/** Whether the person is here: after a while without a key, a pointer or a wheel they are not, and time does not count. */

const SIGNS = ['keydown', 'pointermove', 'pointerdown', 'wheel', 'touchmove'];

export class Away {
  constructor(studio) {
    Object.assign(this, { studio, away: false, later: 0 });
    for (const sign of SIGNS) addEventListener(sign, () => this.here(), { passive: true, capture: true });
  }

  here() {
    if (this.away) this.studio.quietly({ cmd: 'idle', away: (this.away = false) });
    clearTimeout(this.later);
    this.later = setTimeout(() => this.gone(), this.studio.state.awayAfter * 1000);
  }

  gone() {
    this.away = true;
    if (this.studio.state.view.phase === 'stream') this.studio.freeze();
    this.studio.quietly({ cmd: 'idle', away: true });
  }
}

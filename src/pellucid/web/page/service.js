// Whether the service is there: where it has stopped, work waits, and goes on when it is back.

const EVERY = 2000; // milliseconds between two looks for a service that is away

export class Service {
  // `turned(away)` is called when it has gone, and when it is back.
  constructor(turned) {
    this.turned = turned;
    this.away = false;
    this.waiting = []; // those who wait until it is there
  }

  // Resolves once it is there.
  there() { return this.away ? new Promise((resolve) => { this.waiting.push(resolve); }) : Promise.resolve(); }

  async answers() {
    try {
      await fetch("/healthz", { cache: "no-store" });
      return true;
    } catch {
      return false;
    }
  }

  // Looks whether it is there; from then on until it is back.
  async look() {
    if (this.away) return false;
    if (await this.answers()) return true;
    if (this.away) return false;
    this.away = true;
    this.turned(true);
    const again = async () => {
      if (await this.answers()) {
        this.away = false;
        this.turned(false);
        for (const resolve of this.waiting.splice(0)) resolve();
      } else setTimeout(again, EVERY);
    };
    setTimeout(again, EVERY);
    return false;
  }
}

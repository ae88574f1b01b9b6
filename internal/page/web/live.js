// The connection to the server: one event stream for the board that is shown.

const silence = 3500; // ms without a word: the server says something about every second
const retry = 1000;

// Live opens the stream and tells what comes: on.panel(answer), on.state(state),
// on.link(up). It connects again by itself, also where the browser has given up.
export class Live {
  constructor(on) {
    this.on = on;
    this.source = null;
    this.timers = [];
  }

  open(query) {
    this.close();
    this.query = query;
    this.heard = performance.now();
    this.connect();
    this.timers.push(setInterval(() => this.watch(), 500));
  }

  connect() {
    this.source = new EventSource("/api/live?" + this.query);
    const hear = (fn) => (event) => {
      this.heard = performance.now();
      this.on.link(true);
      if (fn) fn(JSON.parse(event.data));
    };
    this.source.addEventListener("open", hear(null));
    this.source.addEventListener("panel", hear(this.on.panel));
    this.source.addEventListener("state", hear(this.on.state));
    this.source.addEventListener("error", () => this.on.link(false));
  }

  // watch notices a stream that is silent or closed, which EventSource leaves so.
  watch() {
    const quiet = performance.now() - this.heard;
    if (quiet > silence) this.on.link(false);
    if (this.source.readyState === EventSource.CLOSED || quiet > silence * 2) {
      if (performance.now() - (this.tried ?? 0) < retry) return;
      this.tried = this.heard = performance.now();
      this.source.close();
      this.connect();
    }
  }

  close() {
    this.source?.close();
    this.source = null;
    for (const t of this.timers) clearInterval(t);
    this.timers = [];
  }
}

// get is a JSON answer, or an error in the server's words.
export async function get(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.error?.message ?? body?.error ?? `${response.status} ${response.statusText}`);
  return body;
}

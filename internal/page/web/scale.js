// Axes that hold still, and the clock of a chart: pure, no DOM.

const steps = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

// niceCeil is the next round number at or above x.
export function niceCeil(x) {
  if (!(x > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(x));
  const top = (steps.find((s) => s * power >= x * 0.999999) ?? 10) * power;
  return Number(top.toPrecision(12)); // 3 * 0.1 is not quite 0.3
}

// Ceiling is the top of an axis with hysteresis: it grows at once, and shrinks only
// after the data has stayed below 60 % of it for `patience` ms, so that it does not
// jump at every tick.
export class Ceiling {
  constructor(patience = 8000) {
    this.patience = patience;
    this.top = 0;
    this.lowSince = null;
  }

  // next returns the top for data whose maximum is max at the time now (ms).
  next(max, now) {
    const want = niceCeil((max > 0 ? max : 0) * 1.06);
    if (this.top === 0 || want > this.top) {
      this.top = want;
      this.lowSince = null;
    } else if (want > this.top * 0.6) {
      this.lowSince = null;
    } else if (this.lowSince === null) {
      this.lowSince = now;
    } else if (now - this.lowSince >= this.patience) {
      this.top = want;
      this.lowSince = null;
    }
    return this.top;
  }

  reset() {
    this.top = 0;
    this.lowSince = null;
  }
}

// openTail is what the newest finished bucket lags behind the end of the range,
// besides its own width: events of the last second may be on their way, and the next
// answer comes a second later.
const openTail = 2000;

// timeWindow is what a chart shows elapsed ms after the answer came: the range
// without the part that no finished bucket covers yet, moving with the clock. Bars are
// as wide as their bucket, so theirs moves from bucket to bucket and cuts none.
export function timeWindow({ from, to, interval_ms: interval }, elapsed, bars = false) {
  if (bars && interval && interval <= (to - from) / 3) {
    const begin = (t) => Math.floor(t / interval) * interval;
    return [begin(from + elapsed), begin(to + elapsed - openTail / 2)];
  }
  const tail = Math.min((interval || 0) + openTail, (to - from) / 4);
  return [from + elapsed, to + elapsed - tail];
}

// finished is how many of the times belong to buckets that ended before `to`: the
// bucket still filling would be drawn as a drop.
export function finished(times, to, interval) {
  let n = times.length;
  while (n > 0 && interval && times[n - 1] + interval > to) n--;
  return n;
}

// ease moves shown a part of the way to want; it lands when it is close.
export function ease(shown, want, part = 0.35) {
  const next = shown + (want - shown) * part;
  return Math.abs(want - next) < Math.abs(want) * 0.002 ? want : next;
}

const timeSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400].map((s) => s * 1000);

const labelHalf = 26; // px: half a label, which at an edge would be cut

// timeTicks are the ticks of a time axis: whole steps of the local clock, at most
// one per `space` pixels.
export function timeTicks(min, max, width, space = 90) {
  const most = Math.max(1, Math.floor(width / space));
  const step = timeSteps.find((s) => (max - min) / s <= most) ?? timeSteps.at(-1);
  const zone = new Date(max).getTimezoneOffset() * 60000;
  const ticks = [], edge = ((max - min) / width) * labelHalf;
  for (let t = Math.ceil((min + edge - zone) / step) * step + zone; t <= max - edge; t += step) ticks.push(t);
  return ticks;
}

// Numbers and times as text: pure, no DOM. The server formats what a panel shows as
// its value (items[].text); this is for axes, legends, tooltips and table views.

const none = "–";

// scales of the units that grow by a prefix.
const si = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]];
const iec = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]];
const decimalBytes = [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]];
const seconds = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]];

const rates = {
  reqps: "req/s", cps: "/s", ops: "ops/s", rps: "reads/s", wps: "writes/s", eps: "events/s", mps: "msg/s",
  iops: "io/s", pps: "p/s", recps: "rec/s", rowsps: "rows/s",
};
const currencies = { currencyUSD: "$", currencyEUR: "€", currencyGBP: "£", currencyJPY: "¥" };
const spans = { ns: 1e-9, µs: 1e-6, us: 1e-6, ms: 1e-3, s: 1, dtdurations: 1, m: 60, h: 3600, d: 86400, clockms: 1e-3, clocks: 1 };

// number returns value with thousands separated. Without decimals it keeps about
// three significant digits, as a person would.
export function number(value, decimals) {
  const size = Math.abs(value);
  const most = decimals ?? (size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.01 ? 3 : 5);
  const text = Math.abs(value).toLocaleString("en-US", {
    minimumFractionDigits: decimals ?? 0, maximumFractionDigits: most,
  });
  return (value < 0 && /[1-9]/.test(text) ? "-" : "") + text;
}

// scaled writes value in the largest step of steps that it reaches.
function scaled(value, steps, decimals, gap) {
  const size = Math.abs(value);
  const step = steps.find(([from]) => size >= from) ?? (size === 0 ? steps.find(([from]) => from === 1) : steps.at(-1));
  if (!step) return number(value, decimals);
  return number(value / step[0], decimals) + gap + step[1];
}

function short(value, decimals) {
  return Math.abs(value) < 1000 ? number(value, decimals) : scaled(value, si, decimals, "");
}

// format returns value in a Grafana unit, for example format(0.25, "percentunit") is "25%".
export function format(value, unit = "", decimals = undefined) {
  if (value === null || value === undefined || value === "") return none;
  if (typeof value !== "number") return String(value);
  if (!Number.isFinite(value)) return value > 0 ? "∞" : value < 0 ? "-∞" : none;
  if (currencies[unit]) {
    const text = Math.abs(value) >= 1e6 ? short(Math.abs(value), decimals) : number(Math.abs(value), decimals ?? 2);
    return (value < 0 ? "-" : "") + currencies[unit] + text;
  }
  if (rates[unit]) return short(value, decimals) + " " + rates[unit];
  if (spans[unit]) return scaled(value * spans[unit], seconds, decimals, " ");
  if (unit.startsWith("suffix:")) return short(value, decimals) + " " + unit.slice(7).trim();
  if (unit.startsWith("prefix:")) return unit.slice(7) + short(value, decimals);
  switch (unit) {
    case "percentunit": return number(value * 100, decimals) + "%";
    case "percent": return number(value, decimals) + "%";
    case "bytes": return scaled(value, iec, decimals, " ");
    case "decbytes": return scaled(value, decimalBytes, decimals, " ");
    case "bool": return value ? "yes" : "no";
    case "none": case "locale": case "": return number(value, decimals);
    case "dateTimeAsIso": case "dateTimeAsLocal": case "time": return dateTime(value);
    case "dateTimeFromNow": return age(Date.now() - value) + " ago";
    default: return short(value, decimals);
  }
}

// axis is format for the ticks of an axis: shorter, and without trailing zeros.
export function axis(value, unit, step = 0) {
  const digits = value !== 0 && Math.abs(value) < 1000 && step >= 1 ? 0 : undefined;
  if (currencies[unit]) return (value < 0 ? "-" : "") + currencies[unit] + short(Math.abs(value), digits);
  if (rates[unit]) return short(value, digits);
  return value === 0 && !spans[unit] ? "0" : format(value, unit);
}

const pad = (n, width = 2) => String(n).padStart(width, "0");

// clock is the time of day; with seconds where the axis is that fine.
export function clock(ms, withSeconds = true) {
  const d = new Date(ms);
  return `${pad(d.getHours())}:${pad(d.getMinutes())}` + (withSeconds ? `:${pad(d.getSeconds())}` : "");
}

// dateTime is a moment in the viewer's zone; milliseconds only where there are some.
export function dateTime(ms) {
  const d = new Date(ms);
  if (Number.isNaN(d.getTime())) return none;
  const rest = d.getMilliseconds();
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${clock(ms)}` + (rest ? "." + pad(rest, 3) : "");
}

// age is a length of time as a person says it: "0.4 s", "12 s", "3 min", "2 h".
export function age(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 9.95) return s.toFixed(1) + " s";
  if (s < 120) return Math.round(s) + " s";
  if (s < 7200) return Math.round(s / 60) + " min";
  if (s < 172800) return Math.round(s / 3600) + " h";
  return Math.round(s / 86400) + " days";
}

// brief cuts what came from outside to a length that no layout minds.
export function brief(text, most = 200) {
  const whole = String(text);
  return whole.length > most ? whole.slice(0, most).replace(/[\uD800-\uDBFF]$/, "") + "…" : whole;
}

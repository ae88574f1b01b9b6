// What a chart draws, out of the fields of an answer: pure, no DOM.

import { finished } from "./scale.js";

// split parts an answer into its times and its number fields, without the bucket
// that is still filling.
export function split(answer) {
  const time = answer.fields?.find((f) => f.kind === "time");
  const numbers = (answer.fields ?? []).filter((f) => f.kind === "number");
  if (!time) return { times: [], lines: [] };
  const n = finished(time.values, answer.to, answer.interval_ms);
  return {
    times: time.values.slice(0, n),
    lines: numbers.map((f) => ({
      name: f.display || f.name, color: f.color, unit: f.unit, decimals: f.decimals, min: f.min, max: f.max,
      custom: f.custom ?? {}, legend: f.legend, values: f.values.slice(0, n),
    })),
  };
}

// stacked reports whether a line stands on the ones before it.
const stacked = (line) => (line.custom.stacking?.mode ?? "none") !== "none";

// plot returns the columns to draw, last line first: for stacked lines the running
// sum, first line at the bottom, and between which columns the fill goes. What is drawn
// later covers what is under it, so a type that does not occur hides no other. Hidden
// lines take no part.
export function plot(times, lines, hidden) {
  const columns = [], bands = [], below = new Array(times.length).fill(0);
  let last = null;
  lines.forEach((line, i) => {
    const at = lines.length - i;
    if (hidden.has(line.name)) {
      columns.unshift(new Array(times.length).fill(null));
    } else if (!stacked(line)) {
      columns.unshift(line.values);
    } else {
      columns.unshift(line.values.map((v, k) => (v === null ? null : (below[k] += v))));
      if (last !== null) bands.push({ series: [at, last] });
      last = at;
    }
  });
  return { data: [times, ...columns], bands };
}

// extent is the smallest and the largest value of the drawn columns.
export function extent(data, from = -Infinity) {
  let low = 0, high = 0;
  for (const column of data.slice(1)) {
    column.forEach((v, k) => {
      if (v === null || data[0][k] < from) return;
      if (v > high) high = v;
      if (v < low) low = v;
    });
  }
  return [low, high];
}

const present = (values) => values.filter((v) => v !== null && v !== undefined);

// calcs are the figures that a legend shows, by Grafana's names.
export const calcs = {
  lastNotNull: { label: "last", of: (v) => present(v).at(-1) ?? null },
  last: { label: "last", of: (v) => v.at(-1) ?? null },
  mean: { label: "mean", of: (v) => { const p = present(v); return p.length ? p.reduce((a, b) => a + b, 0) / p.length : null; } },
  max: { label: "max", of: (v) => present(v).reduce((a, b) => (a === null || b > a ? b : a), null) },
  min: { label: "min", of: (v) => present(v).reduce((a, b) => (a === null || b < a ? b : a), null) },
  sum: { label: "total", of: (v) => (present(v).length ? present(v).reduce((a, b) => a + b, 0) : null) },
};

// arc is the donut's ring, part by part: where each begins and how long it is, both
// as shares of the whole ring.
export function arcs(items) {
  const total = items.reduce((sum, i) => sum + Math.max(0, i.value ?? 0), 0);
  let at = 0;
  return items.map((i) => {
    const size = total > 0 ? Math.max(0, i.value ?? 0) / total : 0;
    const arc = { at, size };
    at += size;
    return arc;
  });
}

// sparkline is the path of a small line over a box of width x height, and the area
// under it. Nothing for fewer than two points.
export function sparkline(values, width, height) {
  const p = present(values);
  if (p.length < 2) return null;
  const low = Math.min(0, ...p), high = Math.max(...p, low + 1e-9);
  const x = (k) => (k / (values.length - 1)) * width;
  const y = (v) => height - ((v - low) / (high - low)) * (height * 0.92);
  let line = "", first = null, last = 0, pen = false;
  values.forEach((v, k) => {
    if (v === null || v === undefined) { pen = false; return; }
    line += `${pen ? "L" : "M"}${x(k).toFixed(2)} ${y(v).toFixed(2)}`;
    pen = true;
    first ??= k;
    last = k;
  });
  return { line, area: `${line}L${x(last).toFixed(2)} ${height}L${x(first).toFixed(2)} ${height}Z` };
}

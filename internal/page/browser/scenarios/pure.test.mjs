// The pure modules: run with `node --test`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { format, axis, age, brief, number } from "../../web/format.js";
import { Ceiling, niceCeil, timeWindow, finished, timeTicks, ease } from "../../web/scale.js";
import { split, plot, extent, calcs, arcs, sparkline } from "../../web/series.js";
import { sections, place } from "../../web/layout.js";

test("numbers in their units", () => {
  for (const [value, unit, decimals, want] of [
    [0, "short", undefined, "0"], [1234567, "short", undefined, "1.23M"], [999, "short", undefined, "999"], [-1500, "short", undefined, "-1.5K"],
    [4440, "locale", 0, "4,440"], [0.1234, "percentunit", 1, "12.3%"], [12, "percent", 0, "12%"],
    [1234.5, "currencyUSD", undefined, "$1,234.50"], [-3, "currencyUSD", 2, "-$3.00"], [2.5e6, "currencyUSD", 1, "$2.5M"],
    [1536, "bytes", undefined, "1.5 KiB"], [0, "bytes", undefined, "0 B"], [0.25, "s", undefined, "250 ms"], [90, "s", undefined, "1.5 min"], [0, "ms", undefined, "0 s"],
    [12.34, "reqps", undefined, "12.3 req/s"], [5, "suffix: carts", undefined, "5 carts"], [null, "short", undefined, "–"], [NaN, "short", undefined, "–"],
    ["text", "short", undefined, "text"], [true, "bool", undefined, "true"],
  ]) assert.equal(format(value, unit, decimals), want, `${value} ${unit}`);
});

test("an axis has no trailing zeros and no two equal ticks", () => {
  assert.deepEqual([0, 500, 1000, 1250, 1500].map((v) => axis(v, "currencyUSD", 250)), ["$0", "$500", "$1K", "$1.25K", "$1.5K"]);
  assert.deepEqual([0, 0.5, 1].map((v) => axis(v, "percentunit", 0.5)), ["0", "50%", "100%"]);
});

test("small numbers keep their digits, and zero has no sign", () => {
  assert.equal(number(0.01234), "0.012");
  assert.equal(number(-0.0000001), "0");
});

test("ages as a person says them", () => {
  assert.deepEqual([0, 420, 9940, 12000, 119000, 180000, 7200000, 86400000 * 3].map(age), ["0.0 s", "0.4 s", "9.9 s", "12 s", "119 s", "3 min", "2 h", "3 days"]);
});

test("long texts are cut, not inside an emoji", () => {
  assert.equal(brief("abc", 3), "abc");
  assert.equal(brief("abcd", 3), "abc…");
  assert.equal(brief("ab🛒cd", 3), "ab…");
});

test("round tops", () => {
  assert.deepEqual([0, 0.3, 1, 1.2, 7, 99, 101].map(niceCeil), [1, 0.3, 1, 1.5, 8, 100, 150]);
});

test("an axis grows at once and shrinks late", () => {
  const c = new Ceiling(8000);
  assert.equal(c.next(90, 0), 100);
  assert.equal(c.next(120, 1000), 150);
  assert.equal(c.next(30, 2000), 150);
  assert.equal(c.next(100, 5000), 150, "a spike starts the wait again");
  assert.equal(c.next(30, 6000), 150);
  assert.equal(c.next(30, 13000), 150);
  assert.equal(c.next(30, 14000), 40);
  assert.equal(c.next(0, 15000), 40);
  assert.equal(new Ceiling().next(null, 0), 1);
});

test("the window moves with the clock and ends before the bucket that is filling", () => {
  const answer = { from: 0, to: 300000, interval_ms: 1000 };
  assert.deepEqual(timeWindow(answer, 0), [0, 297000]);
  assert.deepEqual(timeWindow(answer, 500), [500, 297500]);
  assert.deepEqual(timeWindow({ from: 0, to: 60000, interval_ms: 60000 }, 0), [0, 45000], "never more than a quarter is left out");
  const minutes = { from: 90000, to: 390500, interval_ms: 60000 };
  assert.deepEqual(timeWindow(minutes, 0, true), [60000, 360000], "bars: from the first to the last whole one");
  assert.deepEqual(timeWindow(minutes, 30000, true), [120000, 360000], "until the next begins");
  assert.deepEqual(timeWindow(minutes, 31000, true), [120000, 420000]);
});

test("the open bucket is not drawn", () => {
  assert.equal(finished([0, 1000, 2000], 2500, 1000), 2);
  assert.equal(finished([0, 1000, 2000], 3000, 1000), 3);
  assert.equal(finished([], 3000, 1000), 0);
  assert.equal(finished([0, 1], 2, 0), 2);
});

test("ticks are whole steps, inside the edges", () => {
  const ticks = timeTicks(0, 300000, 900);
  assert.ok(ticks.length >= 3 && ticks.length <= 10);
  assert.ok(ticks.every((t) => t % 30000 === 0 && t > 0 && t < 300000));
});

test("ease lands", () => {
  let shown = 0;
  for (let i = 0; i < 30; i++) shown = ease(shown, 100);
  assert.equal(shown, 100);
});

const number_ = (name, values, custom = {}) => ({ kind: "number", name, display: name, values, custom });
const stack = { stacking: { mode: "normal" } };

test("stacked lines stand on each other; hidden ones and gaps do not count", () => {
  const { times, lines } = split({ to: 4000, interval_ms: 1000, fields: [
    { kind: "time", values: [0, 1000, 2000, 3500] }, number_("a", [1, 2, 3, 9], stack), number_("b", [10, null, 30, 9], stack), number_("c", [5, 5, 5, 5]),
  ] });
  assert.deepEqual(times, [0, 1000, 2000]);
  const all = plot(times, lines, new Set());
  assert.deepEqual(all.data, [[0, 1000, 2000], [5, 5, 5], [11, null, 33], [1, 2, 3]]);
  assert.deepEqual(all.bands, [{ series: [2, 3] }]);
  assert.deepEqual(plot(times, lines, new Set(["a"])).data[2], [10, null, 30]);
  assert.deepEqual(extent(all.data), [0, 33]);
  assert.deepEqual(extent(all.data, 5000), [0, 0]);
});

test("no time, no lines", () => {
  assert.deepEqual(split({ fields: [] }), { times: [], lines: [] });
  assert.deepEqual(split({}), { times: [], lines: [] });
});

test("legend figures leave gaps out", () => {
  const v = [1, null, 3];
  assert.deepEqual(["lastNotNull", "mean", "max", "min", "sum"].map((c) => calcs[c].of(v)), [3, 2, 3, 1, 4]);
  assert.deepEqual(["lastNotNull", "mean", "max", "min", "sum"].map((c) => calcs[c].of([null])), [null, null, null, null, null]);
});

test("arcs go once round", () => {
  assert.deepEqual(arcs([{ value: 3 }, { value: 1 }, { value: -5 }]), [{ at: 0, size: 0.75 }, { at: 0.75, size: 0.25 }, { at: 1, size: 0 }]);
  assert.deepEqual(arcs([{ value: 0 }]), [{ at: 0, size: 0 }]);
});

test("a sparkline needs two points and breaks at gaps", () => {
  assert.equal(sparkline([1], 100, 30), null);
  assert.equal(sparkline([null, null], 100, 30), null);
  const { line, area } = sparkline([0, 10, null, 5], 100, 30);
  assert.equal(line.match(/M/g).length, 2);
  assert.ok(area.endsWith("Z") && !line.includes("NaN"));
});

test("panels fall into sections and close the gap above", () => {
  const p = (id, x, y, w = 12, h = 4, type = "stat") => ({ id, type, grid: { x, y, w, h } });
  const found = sections([p(3, 0, 12), p(2, 0, 11, 24, 1, "row"), p(1, 12, 5), p(0, 0, 5)]);
  assert.deepEqual(found.map((s) => [s.row?.id, s.panels.map((q) => q.id)]), [[undefined, [0, 1]], [2, [3]]]);
  assert.deepEqual(place(found[0].panels).get(1), { column: 13, width: 12, row: 1, height: 4 });
  assert.deepEqual(place([p(9, 30, 0, 40, 1)]).get(9), { column: 24, width: 1, row: 1, height: 2 });
});

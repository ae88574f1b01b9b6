// A line, area or bar chart over time: uPlot draws, this keeps it calm. Time moves on
// between two answers, the y axis holds still, and the bucket still filling is not drawn.

import { h, say, attr, rows } from "./dom.js";
import { format, axis, clock, dateTime, brief } from "./format.js";
import { Ceiling, ease, niceCeil, timeTicks, timeWindow } from "./scale.js";
import { split, plot, extent, calcs } from "./series.js";
import { css, paint, onChange } from "./theme.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");
const charts = new Set();
onChange(() => charts.forEach((c) => c.rebuild()));

// animate moves every visible chart on; the page calls it while it is not paused.
export function animate(now) {
  for (const c of charts) c.move(now);
}

const paths = {
  linear: () => uPlot.paths.linear(),
  smooth: () => uPlot.paths.spline(),
  stepBefore: () => uPlot.paths.stepped({ align: -1 }),
  stepAfter: () => uPlot.paths.stepped({ align: 1 }),
};

export class TimeSeries {
  constructor(panel) {
    this.panel = panel;
    this.legendOptions = panel.options?.legend ?? {};
    this.hidden = new Set();
    this.ceiling = new Ceiling();
    this.plotBox = h("div", { class: "plot" });
    this.tip = h("div", { class: "tip", hidden: true });
    this.legend = h("ul", { class: "legend" });
    this.empty = h("p", { class: "empty", hidden: true }, "No data in this range");
    const side = this.legendOptions.placement === "right" ? " legend-right" : "";
    this.el = h("div", { class: "chart" + side },
      h("div", { class: "plot-wrap" }, this.plotBox, this.tip, this.empty),
      this.legendOptions.showLegend === false ? null : this.legend);
    this.size = new ResizeObserver(() => this.resize());
    this.size.observe(this.plotBox);
    this.seen = new IntersectionObserver(([e]) => { this.visible = e.isIntersecting; });
    this.seen.observe(this.plotBox);
    charts.add(this);
  }

  destroy() {
    charts.delete(this);
    this.size.disconnect();
    this.seen.disconnect();
    this.u?.destroy();
  }

  // show takes an answer; the shape of the chart is built anew only if it changed.
  show(answer) {
    if (this.answer && this.answer.to - this.answer.from !== answer.to - answer.from) this.ceiling.reset();
    this.answer = answer;
    this.arrived = performance.now();
    const { times, lines } = split(answer);
    this.times = times;
    this.lines = lines;
    this.draw();
    this.describe();
  }

  draw() {
    const shape = JSON.stringify(this.lines.map((l) => [l.name, l.color, l.unit, l.custom]));
    const { data, bands } = plot(this.times, this.lines, this.hidden);
    this.data = data;
    this.axes();
    if (!this.u || shape !== this.shape) {
      this.shape = shape;
      this.build(bands);
    } else {
      this.u.setData(data, false);
    }
    this.top = this.shownTop === undefined || still.matches ? this.wantTop : this.top;
    this.move(performance.now(), true);
    this.empty.hidden = this.times.length > 0 && this.lines.length > 0;
    this.showLegend();
  }

  // axes decides what the y axis shall reach.
  axes() {
    const [low, high] = extent(this.data);
    const [first] = this.lines;
    this.wantTop = first?.max ?? this.ceiling.next(high, this.arrived);
    this.bottom = first?.min ?? (low < 0 ? -niceCeil(-low) : 0);
  }

  build(bands) {
    this.u?.destroy();
    const width = this.plotBox.clientWidth, height = this.plotBox.clientHeight;
    this.u = width > 0 && height > 0 ? new uPlot(this.options(width, height, bands), this.data, this.plotBox) : null;
    this.shownTop = undefined;
    if (!this.u) return;
    this.u.over.addEventListener("pointerenter", () => { this.hovered = true; });
    this.u.over.addEventListener("pointerleave", () => { this.hovered = false; this.tip.hidden = true; });
  }

  rebuild() {
    if (!this.answer) return;
    this.shape = null;
    this.draw();
  }

  resize() {
    const width = this.plotBox.clientWidth, height = this.plotBox.clientHeight;
    if (!this.answer || !width || !height) return;
    if (!this.u) return this.draw();
    if (width === this.u.width && height === this.u.height) return;
    this.u.setSize({ width, height });
    this.move(performance.now(), true);
  }

  options(width, height, bands) {
    const unit = this.lines[0]?.unit;
    const ink = { stroke: paint("--muted"), font: `11px ${getComputedStyle(document.body).fontFamily}`, ticks: { show: false } };
    const grid = { stroke: paint("--line"), width: 1 };
    return {
      width, height, ms: 1, pxAlign: 0, padding: [10, 6, 0, 0], legend: { show: false },
      focus: { alpha: 1 },
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: "board", setSeries: false }, points: { size: (_u, s) => (this.lines.at(-s)?.custom.drawStyle === "bars" ? 0 : 7), width: 2 } },
      scales: { x: { time: false, auto: false }, y: { auto: false } },
      axes: [
        {
          ...ink, size: 26, gap: 6, grid: { show: false }, space: 90,
          splits: (u, _i, min, max) => timeTicks(min, max, u.bbox.width / devicePixelRatio),
          values: (u, splits) => splits.map((t) => clock(t, this.fine())),
        },
        {
          ...ink, gap: 8, grid, space: 34,
          size: (u, values) => (this.gutter = Math.max(this.gutter ?? 34, 14 + 6.4 * Math.max(0, ...(values ?? []).map((v) => v.length)))),
          values: (u, splits) => splits.map((v) => axis(v, unit, splits[1] - splits[0])),
        },
      ],
      series: [{}, ...this.lines.map((line, i) => this.line(line, i)).reverse()], // as plot has the columns
      bands: bands.map((b) => ({ ...b, dir: -1 })),
      hooks: { setCursor: [() => this.point()] },
    };
  }

  fine() {
    return this.answer.to - this.answer.from <= 20 * 60000;
  }

  line(line, i) {
    const c = line.custom, bars = c.drawStyle === "bars", opacity = (c.fillOpacity ?? 10) / 100;
    const stack = (c.stacking?.mode ?? "none") !== "none";
    return {
      label: line.name, scale: "y", stroke: paint(line.color, 1, i), width: bars ? 0 : Math.max(stack ? 1 : 1.5, c.lineWidth ?? 1.5),
      fill: opacity === 0 ? undefined : bars ? paint(line.color, 0.85, i) : stack ? paint(line.color, Math.min(0.9, opacity), i) : this.fade(line.color, opacity, i),
      paths: bars ? uPlot.paths.bars({ size: [0.82, Infinity], radius: 0.03, align: 1 }) : (paths[c.lineInterpolation] ?? paths.linear)(),
      points: { show: c.showPoints === "always" || c.drawStyle === "points" }, spanGaps: c.spanNulls === true, pxAlign: 0,
    };
  }

  // fade is a fill that thins out towards the axis.
  fade(color, opacity, i) {
    return (u) => {
      const fill = u.ctx.createLinearGradient(0, u.bbox.top, 0, u.bbox.top + u.bbox.height);
      fill.addColorStop(0, paint(color, Math.min(0.6, opacity * 1.6), i));
      fill.addColorStop(1, paint(color, opacity * 0.15, i));
      return fill;
    };
  }

  // move lets time pass: the window follows the clock, the top eases to where it
  // should be. It draws only what would differ by half a pixel or more.
  move(now, forced = false) {
    if (!this.u || !this.answer || (!forced && (still.matches || !this.visible))) return;
    const [min, max] = timeWindow(this.answer, still.matches ? 0 : now - this.arrived, this.lines[0]?.custom.drawStyle === "bars");
    this.top = this.shownTop === undefined || still.matches ? this.wantTop : ease(this.shownTop, this.wantTop);
    const pixel = (max - min) / Math.max(1, this.u.bbox.width) / 2;
    if (!forced && this.top === this.shownTop && Math.abs(max - this.shownMax) < pixel) return;
    this.shownTop = this.top;
    this.shownMax = max;
    this.u.batch(() => {
      this.u.setScale("x", { min, max });
      this.u.setScale("y", { min: this.bottom, max: this.top });
    });
  }

  // point writes the tooltip beside the cursor.
  point() {
    const { idx, left } = this.u.cursor;
    if (!this.hovered || idx === null || idx === undefined || !(left >= 0)) {
      this.tip.hidden = true;
      return;
    }
    const shown = this.lines.filter((l) => !this.hidden.has(l.name));
    if (this.panel.options?.tooltip?.sort === "desc") shown.sort((a, b) => (b.values[idx] ?? -Infinity) - (a.values[idx] ?? -Infinity));
    this.tip.replaceChildren(h("b", {}, dateTime(this.times[idx])), ...shown.map((l) => h("span", { class: "key", css: { "--color": css(l.color, this.lines.indexOf(l)) } },
      h("i", {}), h("bdi", {}, brief(l.name, 60)), h("em", {}, format(l.values[idx], l.unit, l.decimals)))));
    this.tip.hidden = false;
    const at = left + this.u.bbox.left / devicePixelRatio, flip = at > this.plotBox.clientWidth * 0.6;
    this.tip.style.setProperty("transform", `translateX(${flip ? at - this.tip.offsetWidth - 14 : at + 14}px)`);
  }

  showLegend() {
    const wanted = (this.legendOptions.calcs ?? []).filter((c) => calcs[c]).slice(0, 4);
    this.legend.classList.toggle("figures", wanted.length > 0);
    this.legend.style.setProperty("--figures", wanted.length);
    const head = wanted.length ? [{ head: true }] : [];
    rows(this.legend, [...head, ...this.lines], (item) => this.legendRow(item, wanted), (el, item, i) => this.fillLegend(el, item, i - head.length, wanted));
  }

  legendRow(item, wanted) {
    if (item.head) return h("li", { class: "legend-head", "aria-hidden": "true" }, h("span", {}), ...wanted.map((c) => h("span", {}, calcs[c].label)));
    const button = h("button", { type: "button", class: "key", on: { click: (e) => this.toggle(button.dataset.name, e.altKey || e.shiftKey) } }, h("i", {}), h("bdi", {}));
    return h("li", {}, button, ...wanted.map((c) => h("span", { class: "figure", "data-calc": c })));
  }

  fillLegend(el, item, i, wanted) {
    if (item.head) return;
    const button = el.firstElementChild;
    button.dataset.name = item.name;
    button.style.setProperty("--color", css(item.color, i));
    attr(button, "aria-pressed", String(!this.hidden.has(item.name)));
    attr(button, "title", brief(item.name, 300));
    say(button.lastElementChild, brief(item.name, 80));
    wanted.forEach((c, k) => say(el.children[k + 1], item.legend?.find((l) => l.calc === c)?.text ?? format(calcs[c].of(item.values), item.unit, item.decimals)));
  }

  // toggle hides or shows a line; alone shows only that one, or all again.
  toggle(name, alone) {
    const others = this.lines.map((l) => l.name).filter((n) => n !== name);
    if (alone) this.hidden = new Set(others.every((n) => this.hidden.has(n)) && !this.hidden.has(name) ? [] : others);
    else if (!this.hidden.delete(name)) this.hidden.add(name);
    this.ceiling.reset();
    this.rebuild();
  }

  // describe is the chart in a sentence, for those who do not see it.
  describe() {
    const said = this.lines.slice(0, 8).map((l) => `${brief(l.name, 60)} ${format(calcs.lastNotNull.of(l.values), l.unit, l.decimals)}`);
    attr(this.plotBox, "role", "img");
    attr(this.plotBox, "aria-label", `${brief(this.panel.title, 100)}, latest: ${said.join(", ") || "no data"}. The button "table" shows every value.`);
  }
}

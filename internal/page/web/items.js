// Panels that show a few figures: stat, bar gauge, donut. Each keeps its elements
// from tick to tick, so that bars and arcs glide and nothing jumps.

import { h, say, attr, rows } from "./dom.js";
import { format, brief } from "./format.js";
import { arcs, sparkline, split } from "./series.js";
import { css } from "./theme.js";

const nameOf = (item) => brief(item.label ?? "", 200);
const textOf = (item) => brief(item.text ?? format(item.value), 60);

// mark puts the exact value on an element, for whoever reads the page by program.
function mark(el, item) {
  attr(el, "data-label", nameOf(item));
  attr(el, "data-value", item.value ?? "");
}

export class Stat {
  constructor(panel) {
    this.options = panel.options ?? {};
    this.title = panel.title;
    this.el = h("ul", { class: `stats color-${this.options.colorMode ?? "value"}` });
  }

  show(answer) {
    const items = answer.items?.length ? answer.items : [{ label: "", text: "–" }];
    this.el.classList.toggle("many", items.length > 1);
    const lines = this.options.graphMode === "area" ? split(answer).lines : [];
    const named = items.length > 1 || /name/.test(this.options.textMode ?? "");
    this.el.style.setProperty("--chars", Math.max(5, ...items.map((item) => textOf(item).length)));
    rows(this.el, items, () => this.make(), (el, item, i) => this.fill(el, item, { i, named, line: lines[i] }));
  }

  make() {
    const svg = h("svg", { class: "spark", viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" },
      h("path", { class: "area" }), h("path", { class: "line" }));
    return h("li", {}, h("span", { class: "stat-text" }, h("bdi", { class: "stat-label" }), h("span", { class: "stat-value" })), svg);
  }

  fill(el, item, { i, named, line }) {
    const [text, svg] = el.children, [label, value] = text.children;
    mark(value, item);
    say(label, named ? nameOf(item) : "");
    say(value, textOf(item));
    el.style.setProperty("--color", css(item.color ?? "text", i));
    const path = line ? sparkline(line.values, 100, 30) : null;
    svg.classList.toggle("off", !path);
    attr(svg.children[0], "d", path?.area ?? "");
    attr(svg.children[1], "d", path?.line ?? "");
  }
}

export class BarGauge {
  constructor(panel) {
    this.vertical = panel.options?.orientation === "vertical";
    this.el = h("ul", { class: "bars" });
    this.empty = h("p", { class: "empty", hidden: true }, "No data in this range");
    this.root = h("div", { class: "fill" }, this.el, this.empty);
  }

  show(answer) {
    const all = answer.items ?? [], nothing = all.every((item) => item.value === null && !item.label), items = nothing ? [] : all;
    this.empty.hidden = !nothing;
    say(this.empty, all[0]?.text ?? "No data in this range");
    rows(this.el, items, () => h("li", {}, h("bdi", { class: "bar-label" }), h("span", { class: "bar-value" }), h("span", { class: "bar-track" }, h("i", {}))), (el, item, i) => {
      const [label, value, track] = el.children;
      mark(value, item);
      say(label, nameOf(item));
      attr(label, "title", brief(item.label ?? "", 300));
      say(value, textOf(item));
      el.style.setProperty("--color", css(item.color, i));
      track.firstElementChild.style.setProperty("transform", `scaleX(${share(item.percent)})`);
    });
  }
}

// share keeps a part of a whole between nothing and all.
const share = (percent) => Math.min(1, Math.max(0, percent ?? 0));

const ring = 42; // radius of the donut in its 100 x 100 box
const around = 2 * Math.PI * ring;
const gap = 1.6; // between two arcs, in the same units

export class Pie {
  constructor(panel) {
    this.panel = panel;
    this.svg = h("svg", { class: "donut", viewBox: "0 0 100 100", "aria-hidden": "true" });
    this.total = h("span", { class: "donut-value" });
    this.list = h("ul", { class: "shares" });
    this.empty = h("p", { class: "empty", hidden: true }, "No data in this range");
    this.el = h("div", { class: "pie" }, h("div", { class: "pie-parts" },
      h("div", { class: "donut-box" }, this.svg, h("div", { class: "donut-total" }, this.total, h("small", {}, "total"))), this.list), this.empty);
  }

  show(answer) {
    const items = answer.items ?? [];
    this.empty.hidden = items.length > 0;
    const parts = arcs(items);
    rows(this.svg, items, () => h("circle", { cx: 50, cy: 50, r: ring }), (el, item, i) => {
      const length = parts[i].size * around, alone = parts[i].size > 0.999;
      el.style.setProperty("stroke", css(item.color, i));
      el.style.setProperty("stroke-dasharray", `${Math.max(0, length - (alone ? 0 : gap))} ${around}`);
      el.style.setProperty("stroke-dashoffset", String(-parts[i].at * around));
    });
    say(this.total, answer.total ?? (items.length ? format(items.reduce((sum, i) => sum + (i.value ?? 0), 0), "short") : "–"));
    rows(this.list, items, () => h("li", { class: "key" }, h("i", {}), h("bdi", {}), h("span", { class: "figure" }), h("em", {})), (el, item, i) => {
      el.style.setProperty("--color", css(item.color, i));
      mark(el.children[2], item);
      say(el.children[1], nameOf(item));
      attr(el.children[1], "title", brief(item.label ?? "", 300));
      say(el.children[2], textOf(item));
      say(el.children[3], format(parts[i].size, "percentunit", parts[i].size < 0.1 ? 1 : 0));
    });
  }
}

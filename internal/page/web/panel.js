// The card around a panel: its title, what it is about, its table view, its age, and
// its error in ClickHouse's own words.

import { h, say, attr, icon } from "./dom.js";
import { age, brief } from "./format.js";
import { TimeSeries } from "./timeseries.js";
import { Stat, BarGauge, Pie } from "./items.js";
import { Table, asTable } from "./table.js";

const kinds = { timeseries: TimeSeries, stat: Stat, bargauge: BarGauge, piechart: Pie, table: Table };
const old = 5000; // ms behind the tick from which a panel says its age

export class Panel {
  constructor(panel) {
    const Kind = kinds[panel.type];
    this.panel = panel;
    this.unknown = panel.unknown ?? (Kind ? null : `panel type "${panel.type}" is not supported`);
    this.view = this.unknown ? null : new Kind(panel);
    this.build(brief(panel.title || "Untitled", 120), `panel-${panel.id}`);
    if (this.unknown) this.fail({ message: this.unknown }, "This page cannot draw the panel");
    else this.body.append(this.view.root ?? this.view.el);
  }

  build(title, id) {
    const { panel } = this;
    const about = panel.description ? h("span", { class: "about" },
      h("button", { type: "button", class: "ghost", "aria-label": `About ${title}`, "aria-describedby": `${id}-about` }, icon("info")),
      h("span", { class: "bubble", role: "tooltip", id: `${id}-about` }, brief(panel.description, 600))) : null;
    this.toggle = panel.type === "table" || this.unknown ? null : h("button", {
      type: "button", class: "ghost to-table", "aria-pressed": "false", "aria-label": `${title} as a table`, title: "Show as a table",
      on: { click: () => this.asTable(!this.table) },
    }, icon("table"));
    this.late = h("span", { class: "late", hidden: true });
    this.body = h("div", { class: "body" });
    this.error = h("div", { class: "error", role: "status", tabindex: 0, hidden: true }, h("b", {}), h("p", {}), h("small", {}));
    this.el = h("section", {
      class: `panel ${panel.type}`, "data-panel": panel.id, "data-state": "loading", "aria-labelledby": `${id}-title`,
    }, h("header", {}, h("h2", { id: `${id}-title`, title }, h("bdi", {}, title)), this.late, h("span", { class: "tools" }, about, this.toggle)), this.body, this.error);
  }


  // show takes an answer of the server.
  show(answer) {
    if (this.unknown) return;
    const data = answer.fields?.length || answer.items?.length || !answer.error;
    if (data) {
      this.answer = answer;
      this.view.show(answer);
      this.table?.show(asTable(answer));
    }
    if (answer.error) return this.fail(answer.error, answer.error.code ? "ClickHouse says" : "This panel failed");
    this.error.hidden = true;
    attr(this.el, "data-state", "ok");
    attr(this.el, "data-at", answer.at);
  }

  // fail shows why there is nothing new; the last good data stays behind it, greyed.
  fail({ message, code }, who) {
    const [title, text, small] = this.error.children;
    say(title, who);
    say(text, brief(message ?? "unknown error", 600));
    say(small, code ? `code ${code}` : "");
    this.error.hidden = false;
    attr(this.el, "data-state", this.answer ? "error" : "failed");
  }

  // aged says how old the data is where the server computes the panel off the tick.
  aged(at) {
    const pace = this.answer?.pace_ms ?? 0;
    const behind = this.answer ? at - this.answer.at - pace : 0;
    this.late.hidden = !(behind > old);
    if (behind > old) say(this.late, age(behind + pace) + " old");
  }

  // asTable swaps the picture for a table of the same values, or back.
  asTable(on) {
    if (!this.toggle || on === Boolean(this.table)) return;
    attr(this.toggle, "aria-pressed", String(on));
    this.toggle.replaceChildren(icon(on ? "chart" : "table"));
    attr(this.toggle, "title", on ? "Show as a picture" : "Show as a table");
    this.table = on ? new Table(this.panel) : null;
    if (on && this.answer) this.table.show(asTable(this.answer));
    this.body.replaceChildren(on ? this.table.el : this.view.root ?? this.view.el);
  }

  destroy() {
    this.view?.destroy?.();
  }
}

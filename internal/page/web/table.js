// Tables: the panel of that name, and the table view of every other panel.

import { h, say, attr, rows } from "./dom.js";
import { format, dateTime, brief } from "./format.js";
import { css } from "./theme.js";

const most = 500; // rows that a page shows; the rest is told, not drawn

export class Table {
  constructor(panel) {
    this.sortBy = null;
    this.head = h("tr");
    this.body = h("tbody");
    this.note = h("p", { class: "note", hidden: true });
    this.empty = h("p", { class: "empty", hidden: true }, "No rows in this range");
    this.el = h("div", { class: "table-wrap", tabindex: 0, role: "region", "aria-label": `${brief(panel.title, 100)}, table` },
      h("table", {}, h("thead", {}, this.head), this.body), this.note, this.empty);
  }

  show(answer) {
    this.answer = answer;
    const fields = (answer.fields ?? []).map((f) => ({ ...f, wide: wide(f) })), count = fields[0]?.values.length ?? 0;
    rows(this.head, fields, (f, i) => h("th", { scope: "col" }, h("button", { type: "button", on: { click: () => this.sort(i) } })), (el, f, i) => {
      say(el.firstChild, brief(f.display || f.name, 80));
      attr(el, "class", f.kind === "number" ? "right" : null);
      attr(el, "aria-sort", this.sortBy?.i === i ? (this.sortBy.down ? "descending" : "ascending") : null);
    });
    const order = this.order(fields, count).slice(0, most);
    rows(this.body, order, () => h("tr"), (tr, k) => rows(tr, fields, () => h("td", {}, h("bdi")), (td, f, i) => cell(td, f, { k, i })));
    this.empty.hidden = count > 0;
    this.note.hidden = count <= most;
    say(this.note, `The first ${most} of ${count} rows`);
  }

  // order is the rows' numbers, sorted as the viewer asked.
  order(fields, count) {
    const all = Array.from({ length: count }, (_, k) => k), by = this.sortBy && fields[this.sortBy.i];
    if (!by) return all;
    const sign = this.sortBy.down ? -1 : 1;
    return all.sort((a, b) => {
      const x = by.values[a], y = by.values[b];
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (typeof x === "number" ? x - y : String(x).localeCompare(String(y))) || a - b;
    });
  }

  // sort goes round: largest first, smallest first, as the query has it.
  sort(i) {
    if (this.sortBy?.i !== i) this.sortBy = { i, down: true };
    else this.sortBy = this.sortBy.down ? { i, down: false } : null;
    this.show(this.answer);
  }
}

// wide reports whether a column has texts so long that they are cut to what is left.
function wide(f) {
  return f.kind === "string" && f.values.some((v) => String(v ?? "").length > 16);
}

function cell(td, f, { k, i }) {
  const value = f.values[k], type = f.custom?.cellOptions?.type ?? "auto", color = f.colors?.[k];
  const text = f.text?.[k] ?? (f.kind === "time" && value !== null ? dateTime(value) : format(value, f.unit, f.decimals));
  say(td.firstChild, brief(text));
  attr(td, "title", String(text).length > 40 ? brief(text, 300) : null);
  attr(td, "class", f.kind === "number" ? "right" : f.wide ? "wide" : null);
  attr(td, "data-value", value ?? "");
  attr(td, "data-cell", type === "auto" ? null : type);
  td.style.setProperty("--color", color ? css(color, i) : "inherit");
  if (type === "gauge") {
    const top = f.max ?? Math.max(...f.values.filter((v) => v !== null), 0);
    td.style.setProperty("--share", top > 0 && value > 0 ? Math.min(1, value / top) : 0);
  }
}

// asTable turns any answer into one that Table shows: series newest first, figures
// as name and value.
export function asTable(answer) {
  const fields = answer.fields ?? [];
  if (answer.items?.length) {
    const items = answer.items;
    return { fields: [
      { name: "name", kind: "string", values: items.map((i) => i.label ?? "") },
      { name: "value", kind: "number", values: items.map((i) => i.value ?? null), text: items.map((i) => i.text ?? format(i.value)) },
    ] };
  }
  return { fields: fields.map((f) => ({ ...f, custom: {}, values: [...f.values].reverse(), text: f.text && [...f.text].reverse() })) };
}

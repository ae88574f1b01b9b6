// The choices above the panels: one select for a single value, a list of ticks for many.

import { h, say, attr, icon } from "./dom.js";
import { brief } from "./format.js";

const all = "$__all";
const searchFrom = 9; // options from which a list has a search box

// control returns the element for one variable; change gets the chosen values.
export function control(variable, chosen, change) {
  if (variable.type === "textbox") return free(variable, chosen, change);
  return variable.multi ? many(variable, chosen, change) : one(variable, chosen, change);
}

const optionsOf = (v) => [...(v.all && !v.options.some((o) => o.value === all) ? [{ text: "All", value: all }] : []), ...v.options];

function free(variable, chosen, change) {
  const input = h("input", { type: "search", value: chosen[0] ?? "", maxlength: 1000, on: { change: () => change([input.value]) } });
  return h("label", { class: "variable" }, h("span", {}, brief(variable.label || variable.name, 40)), input);
}

function one(variable, chosen, change) {
  const select = h("select", { on: { change: () => change([select.value]) } },
    optionsOf(variable).map((o) => h("option", { value: o.value, selected: chosen.includes(o.value) }, brief(o.text, 80))));
  return h("label", { class: "variable", title: variable.error ? brief(variable.error, 300) : null }, h("span", {}, brief(variable.label || variable.name, 40)), select);
}

function many(variable, chosen, change) {
  let picked = new Set(chosen);
  const name = brief(variable.label || variable.name, 40);
  const value = h("bdi"), list = h("div", { class: "options", role: "group", "aria-label": name });
  const button = h("button", { type: "button", class: "select", "aria-expanded": "false", on: { click: () => open(box.hidden) } }, h("span", { class: "variable-name" }, name), value, icon("down"));
  const search = variable.options.length >= searchFrom ? h("input", { type: "search", placeholder: "Search", "aria-label": `Search ${name}`, on: { input: () => filter() } }) : null;
  const box = h("div", { class: "dropdown", hidden: true }, search, list);
  const root = h("div", { class: "variable many", on: { keydown: (e) => { if (e.key === "Escape" && !box.hidden) { open(false); button.focus(); e.stopPropagation(); } } } }, button, box);

  for (const o of optionsOf(variable)) {
    list.append(h("label", {}, h("input", { type: "checkbox", value: o.value, on: { change: (e) => pick(o.value, e.target.checked) } }), h("bdi", { title: brief(o.text, 300) }, brief(o.text, 80))));
  }
  function pick(v, on) {
    if (v === all) picked = new Set(on || picked.size === 0 ? [all] : picked);
    else {
      picked.delete(all);
      if (on) picked.add(v); else picked.delete(v);
      if (picked.size === 0) picked.add(variable.all ? all : variable.options[0]?.value);
    }
    show();
    change([...picked]);
  }
  function show() {
    for (const input of list.querySelectorAll("input")) input.checked = picked.has(input.value);
    const texts = optionsOf(variable).filter((o) => picked.has(o.value)).map((o) => o.text);
    say(value, texts.length > 2 ? `${texts.length} chosen` : brief(texts.join(", ") || "none", 40));
  }
  function filter() {
    const want = search.value.toLowerCase();
    for (const row of list.children) row.hidden = !row.textContent.toLowerCase().includes(want);
  }
  function open(on) {
    box.hidden = !on;
    attr(button, "aria-expanded", String(on));
    if (on) (search ?? list.querySelector("input"))?.focus();
    (on ? document.addEventListener : document.removeEventListener).call(document, "pointerdown", outside);
  }
  function outside(e) {
    if (!root.contains(e.target)) open(false);
  }
  show();
  return root;
}

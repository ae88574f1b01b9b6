// The few lines between the code and the DOM. Text goes in as text, never as markup.

const svgTags = new Set(["svg", "path", "circle", "g", "use"]);

// h makes an element. Props: `class`, `on` (a map of listeners), `css` (custom
// properties, set through the CSSOM as the content policy wants), else attributes;
// null and false are left out. Children: elements, texts, or null.
export function h(tag, props = {}, ...children) {
  const el = svgTags.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [type, fn] of Object.entries(value)) el.addEventListener(type, fn);
    else if (name === "css") for (const [k, v] of Object.entries(value)) el.style.setProperty(k, v);
    else el.setAttribute(name, value === true ? "" : value);
  }
  el.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return el;
}

// say sets a text only when it differs: nothing is laid out or read aloud for nothing.
export function say(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

// attr is say for an attribute; null takes it away.
export function attr(el, name, value) {
  if (value === null || value === undefined) el.removeAttribute(name);
  else if (el.getAttribute(name) !== String(value)) el.setAttribute(name, value);
}

// rows keeps as many children in parent as there are items, made by make and filled
// by fill, so that elements (their focus, their transitions) outlive a tick.
export function rows(parent, items, make, fill) {
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  items.forEach((item, i) => {
    let el = parent.children[i];
    if (!el) parent.append((el = make(item, i)));
    fill(el, item, i);
  });
}

const icons = {
  table: "M3 5h18v14H3zM3 10h18M3 14.5h18M9 10v9",
  chart: "M4 19V5M4 19h16M7 15l4-5 3 3 5-7",
  info: "M12 11v5M12 8v.01M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z",
  pause: "M9 6v12M15 6v12",
  play: "M8 5l11 7-11 7z",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  auto: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM12 3v18M15 5v14M18 7v10",
  help: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.4-1 .9-1 1.7M12 16.5v.01",
  warn: "M12 4l9 16H3zM12 10v4M12 17v.01",
  down: "M6 9l6 6 6-6",
};

// icon is one of the page's line drawings; the words are on what holds it.
export function icon(name) {
  return h("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: icons[name] }));
}

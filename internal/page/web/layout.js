// Where panels lie: Grafana's 24 columns made to fit, pure, no DOM.

// sections groups panels in reading order under the rows that head them; panels
// above the first row have none.
export function sections(panels) {
  const sorted = [...panels].sort((a, b) => a.grid.y - b.grid.y || a.grid.x - b.grid.x);
  const out = [];
  for (const panel of sorted) {
    if (panel.type === "row") out.push({ row: panel, panels: [] });
    else if (out.length) out.at(-1).panels.push(panel);
    else out.push({ row: null, panels: [panel] });
  }
  return out;
}

// place gives each panel of one section its place on a grid of 24 columns whose
// lines begin at 1; the empty space above the section is closed.
export function place(panels) {
  const top = Math.min(...panels.map((p) => p.grid.y));
  return new Map(panels.map((p) => [p.id, {
    column: Math.min(p.grid.x, 23) + 1, width: Math.min(p.grid.w, 24 - Math.min(p.grid.x, 23)),
    row: p.grid.y - top + 1, height: Math.max(p.grid.h, 2),
  }]));
}

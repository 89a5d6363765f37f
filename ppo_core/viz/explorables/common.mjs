// What every explorable draws with: elements, scales, axes, controls and a frame. Colours are CSS variables (common.css).
// In Node it is imported; for JupyterLab and for the page its text is put in front of the explorable's own.

// --- numbers -------------------------------------------------------------------------------------------------

export const clamp = (x, low, high) => Math.min(high, Math.max(low, x));

// 0.5 -> "0.50", -2 -> "−2.00": with a real minus sign, and never a negative zero
export function fixed(x, digits = 2) {
  const text = Math.abs(x).toFixed(digits);
  return x < 0 && Number(text) !== 0 ? "−" + text : text;
}

// about three significant digits, with thousands separated: 12345 -> "12,300", 0.01234 -> "0.0123"
export function brief(x) {
  if (!Number.isFinite(x)) return "–";
  const rounded = Number(x.toPrecision(3));
  return (rounded < 0 ? "−" : "") + Math.abs(rounded).toLocaleString("en", { maximumFractionDigits: 6 });
}

// a linear scale: linear([0, 10], [0, 300])(5) === 150; a domain of no width maps to the middle
export function linear([low, high], [from, to]) {
  return (x) => (high === low ? (from + to) / 2 : from + ((x - low) / (high - low)) * (to - from));
}

// about `count` round numbers that lie within [low, high]
export function ticks(low, high, count = 4) {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * 0.999);
  const result = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) result.push(Number((i * step).toPrecision(12)));
  return result;
}

// --- elements ------------------------------------------------------------------------------------------------

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const html = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

// --- controls: native, labelled by their own label, kept in step with the model ---------------------------------

// A slider for model key `name`. `values` (optional) lists what the positions mean, for scales that are not even.
export function slider(model, name, { label, min, max, step = 1, values = null, format = String }) {
  const toPosition = (value) => (values ? values.reduce((best, v, i) => (Math.abs(v - value) < Math.abs(values[best] - value) ? i : best), 0) : value);
  const toValue = (position) => (values ? values[position] : position);
  const range = values ? { min: 0, max: values.length - 1, step: 1 } : { min, max, step };
  const input = html("input", { type: "range", ...range, "data-name": name });
  const output = html("output", { "aria-live": "off" }); // the slider itself speaks its value
  const refresh = () => {
    input.value = toPosition(model.get(name));
    output.textContent = format(model.get(name));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => {
    model.set(name, toValue(Number(input.value)));
    model.save_changes();
  });
  model.on(`change:${name}`, refresh);
  refresh();
  const element = html("label", { class: "explorable-control" }, html("span", {}, label), input, output);
  element.setRange = (changes) => {
    Object.assign(input, changes);
    refresh();
  };
  return element;
}

// A drop-down list for model key `name`; `options` are [value, text] pairs.
export function choice(model, name, { label, options }) {
  const select = html("select", { "data-name": name }, options.map(([value, text]) => html("option", { value }, text)));
  const refresh = () => (select.value = model.get(name));
  select.addEventListener("change", () => {
    model.set(name, select.value);
    model.save_changes();
  });
  model.on(`change:${name}`, refresh);
  refresh();
  return html("label", { class: "explorable-control" }, html("span", {}, label), select);
}

// A button that sets several keys at once.
export function preset(model, text, changes) {
  const apply = () => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  return html("button", { type: "button", onclick: apply }, text);
}

// --- the frame: question above, picture and read-out, explanation below -------------------------------------------

// Builds the page of an explorable and calls `draw(picture, width)` now, on every change of the `watch`ed keys, and when
// the width changes. `draw` fills `picture` and returns { label, readout, table }: the picture in words, a sentence
// or list of sentences, and optionally rows of cells, the first of which is the header.
export function frame({ model, el }, { watch, controls, draw }) {
  // else JupyterLab takes the arrow keys of a slider for its own; what has a Ctrl or a Cmd in it is still Jupyter's
  el.addEventListener("keydown", (event) => event.ctrlKey || event.metaKey || event.altKey || event.stopPropagation());
  const picture = html("div", { class: "explorable-picture" });
  const readout = html("div", { class: "explorable-readout", role: "status", "aria-live": "polite" });
  const table = html("table");
  const numbers = html("details", { class: "explorable-numbers" }, html("summary", {}, "The same in numbers"), html("div", { class: "explorable-scroll", tabindex: "0", role: "region", "aria-label": `Numbers: ${model.get("title")}` }, table));
  const paragraphs = (text) => String(text || "").split("\n").filter(Boolean).map((line) => html("p", {}, line));
  el.classList.add("explorable");
  el.replaceChildren(
    html("div", { class: "explorable-question" }, html("strong", {}, model.get("title")), paragraphs(model.get("question"))),
    html("div", { class: "explorable-controls" }, controls),
    picture,
    readout,
    numbers,
    html("details", { class: "explorable-explanation" }, html("summary", {}, "What to see, and why"), paragraphs(model.get("explanation"))),
  );
  const fillTable = (rows) => {
    numbers.hidden = !rows;
    if (!rows || !numbers.open) return;
    const [head, ...body] = rows;
    table.replaceChildren(
      html("thead", {}, html("tr", {}, head.map((cell) => html("th", { scope: "col" }, cell)))),
      html("tbody", {}, body.map((row) => html("tr", {}, row.map((cell) => html("td", {}, cell))))),
    );
  };
  let rows = null;
  const redraw = () => {
    const width = Math.max(260, Math.floor(picture.clientWidth || el.clientWidth || 640));
    const result = draw(picture, width);
    picture.firstElementChild?.setAttribute("role", "img");
    picture.firstElementChild?.setAttribute("aria-label", result.label);
    const sentences = [result.readout].flat();
    readout.replaceChildren(...sentences.map((sentence) => html("p", {}, sentence)));
    rows = result.table || null;
    fillTable(rows);
  };
  numbers.addEventListener("toggle", () => fillTable(rows));
  for (const name of watch) model.on(`change:${name}`, redraw);
  redraw();
  let lastWidth = picture.clientWidth;
  const observer = new ResizeObserver(() => {
    if (picture.clientWidth === lastWidth) return;
    lastWidth = picture.clientWidth;
    redraw();
  });
  observer.observe(picture);
  return () => {
    observer.disconnect();
    for (const name of watch) model.off(`change:${name}`, redraw);
  };
}

// --- axes --------------------------------------------------------------------------------------------------------

// Horizontal grid lines with their numbers, at the left of a panel.
export function leftAxis(scale, values, { from, to, format = (x) => fixed(x, 1) }) {
  return svg("g", { class: "axis" }, values.map((value) => [
    svg("line", { x1: from, x2: to, y1: scale(value), y2: scale(value), class: value === 0 ? "zero" : "grid" }),
    svg("text", { x: from - 5, y: scale(value), dy: "0.32em", "text-anchor": "end" }, format(value)),
  ]));
}

// Numbers along the bottom, with a title under them.
export function bottomAxis(scale, values, { y, title, format = String }) {
  return svg("g", { class: "axis" },
    values.map((value) => svg("text", { x: scale(value), y: y + 14, "text-anchor": "middle" }, format(value))),
    title && svg("text", { x: title.x, y: y + 30, "text-anchor": "middle", class: "title" }, title.text));
}

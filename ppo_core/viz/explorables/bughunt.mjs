// Ten dashboards of measured training runs: choose one of four diagnoses, then see the clue, the cause and the diff.
import { brief, clamp, frame, html, linear, svg } from "./common.mjs";

// --- the arithmetic, tested against NumPy ------------------------------------------------------------------------

const LOGARITHMIC = new Set(["value_loss", "grad_norm"]);
const SMALLEST = 1e-6; // what the logarithmic scale ends at

// Where a number is drawn: on a logarithmic scale, cut at -1 for the explained variance, or as it is. Null stays null.
export function drawn(metric, value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return null;
  if (LOGARITHMIC.has(metric)) return Math.log10(Math.max(value, SMALLEST));
  if (metric === "explained_variance") return clamp(value, -1, 1);
  return value;
}

// [low, high] of all that is drawn in one chart; a range of no width is widened.
export function range(metric, curves) {
  const numbers = curves.flat().map((value) => drawn(metric, value)).filter((value) => value !== null);
  if (!numbers.length) return [0, 1];
  const low = Math.min(...numbers), high = Math.max(...numbers);
  return high > low ? [low, high] : [low - 0.5, high + 0.5];
}

// The path of a curve; it breaks where a number is missing, and a number alone becomes a short dash.
export function path(metric, curve, x, y) {
  let text = "", pen = false;
  curve.forEach((value, i) => {
    const at = drawn(metric, value);
    if (at === null) pen = false;
    else {
      const point = `${fixedPoint(x(i))} ${fixedPoint(y(at))}`;
      const alone = !pen && drawn(metric, curve[i + 1]) === null;
      text += alone ? `M${point}h2` : `${pen ? "L" : "M"}${point}`;
      pen = true;
    }
  });
  return text;
}
const fixedPoint = (number) => String(Math.round(number * 10) / 10);

// How many dashboards were answered, and how many rightly. `answers` maps the case (as text) to an option.
export function score(cases, answers) {
  const given = cases.map((one, i) => [one, answers[String(i)]]).filter(([, option]) => option !== undefined);
  return { answered: given.length, right: given.filter(([one, option]) => one.options[option] === one.title).length, of: cases.length };
}

// --- the picture -------------------------------------------------------------------------------------------------

const HEIGHT = 74, HEAD = 20, GAP = 22;

export function render({ model, el }) {
  const { metrics, cases, sound, steps } = model.get("data");
  const current = () => cases[model.get("case")];
  const chosen = () => model.get("answers")[String(model.get("case"))];
  const go = (to) => {
    model.set("case", (to + cases.length) % cases.length);
    model.save_changes();
  };

  function draw(picture, width) {
    const one = current(), columns = width < 430 ? 2 : 4;
    const each = (width - (columns - 1) * GAP) / columns, rows = Math.ceil(metrics.length / columns);
    const high = HEAD + HEIGHT + 16;
    const parts = metrics.map((metric, i) => {
      const left = (i % columns) * (each + GAP), top = Math.floor(i / columns) * (high + 8);
      const own = one.curves[metric], others = sound.map((run) => run[metric]);
      const [low, top_] = range(metric, [own, ...others]);
      const x = linear([0, own.length - 1], [left + 2, left + each - 2]), y = linear([low, top_], [top + HEAD + HEIGHT - 3, top + HEAD + 3]);
      const end = (value) => brief(LOGARITHMIC.has(metric) ? 10 ** value : value);
      return [
        svg("text", { x: left, y: top + 13, "font-weight": 600, "font-size": 12 }, metric),
        svg("rect", { x: left, y: top + HEAD, width: each, height: HEIGHT, fill: "var(--band)" }),
        others.map((curve) => svg("path", { d: path(metric, curve, x, y), fill: "none", stroke: "var(--muted)", "stroke-width": 1.2, opacity: 0.75 })),
        svg("path", { d: path(metric, own, x, y), fill: "none", stroke: "var(--teal)", "stroke-width": 2.2 }),
        svg("g", { class: "axis" }, svg("text", { x: left, y: top + HEAD + HEIGHT + 12 }, `${end(low)} to ${end(top_)}`)),
      ];
    });
    const height = rows * (high + 8);
    picture.replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, parts));

    const option = chosen(), points = score(cases, model.get("answers"));
    const verdict = option === undefined ? "Choose a diagnosis." : one.options[option] === one.title ? `Right: ${one.title}.` : `Not this one. It is: ${one.title}.`;
    refreshOptions();
    refreshReveal();
    const words = metrics.map((metric) => {
      const own = one.curves[metric].filter((value) => value !== null);
      return own.length ? `${metric} from ${brief(own[0])} to ${brief(own[own.length - 1])}` : `${metric}: none`;
    });
    const rowsOfTable = metrics.map((metric) => {
      const own = one.curves[metric], last = own.length - 1;
      const cell = (value) => (value === null ? "–" : brief(value));
      const average = sound.map((run) => run[metric][last]).filter((value) => value !== null);
      return [metric, cell(own[0]), cell(own[Math.round(last / 4)]), cell(own[Math.round(last / 2)]), cell(own[last]), average.length ? brief(average.reduce((a, b) => a + b, 0) / average.length) : "–"];
    });
    return {
      label: `Dashboard ${model.get("case") + 1} of ${cases.length}, eight charts over ${brief(steps)} steps. ${words.join("; ")}.`,
      readout: [`Dashboard ${model.get("case") + 1} of ${cases.length}. ${verdict}`, `Score: ${points.right} of ${points.answered} right, ${points.of - points.answered} still to see.`],
      table: [["metric", "first", "a quarter", "half", "last", "sound, last"], ...rowsOfTable],
    };
  }

  const options = html("fieldset", { class: "bughunt-options", style: "grid-column: 1 / -1; border: 1px solid var(--edge); border-radius: 4px; margin: 0; padding: 0.2rem 0.8rem 0.5rem; min-width: 0" });
  const group = `bughunt-${Math.random().toString(36).slice(2)}`; // two of them on one page keep their buttons apart
  let shown = null;
  function refreshOptions() {
    const one = current(), option = chosen();
    if (shown !== one) {
      shown = one;
      options.replaceChildren(
        html("legend", { style: "font-size: 0.95rem; width: auto; margin: 0; padding: 0 0.3rem" }, "What is wrong?"),
        ...one.options.map((title, i) => html("label", { style: "display: block; margin: 0.2rem 0; font-weight: normal; cursor: pointer" },
          html("input", { type: "radio", name: group, value: i, style: "margin-right: 0.5rem", onchange: () => {
            model.set("answers", { ...model.get("answers"), [String(model.get("case"))]: i });
            model.save_changes();
          } }), title, html("span", { class: "bughunt-mark" }))),
      );
    }
    options.querySelectorAll("label").forEach((label, i) => {
      const right = one.options[i] === one.title;
      label.firstElementChild.checked = option === i;
      const mark = option === undefined ? "" : right ? " ✓ this is it" : option === i ? " ✗" : "";
      label.lastElementChild.textContent = mark;
      label.style.color = mark ? (right ? "var(--good)" : "var(--bad)") : "";
    });
  }

  const reveal = html("div", { class: "bughunt-reveal" });
  function refreshReveal() {
    const one = current();
    reveal.hidden = chosen() === undefined;
    if (reveal.hidden) return reveal.replaceChildren();
    const paragraph = (name, text) => text && html("p", {}, html("strong", {}, `${name}: `), text);
    const lines = one.diff.split("\n").filter((line) => line && !/^(---|\+\+\+)/.test(line));
    const shades = { "+": "var(--good)", "-": "var(--bad)" };
    reveal.replaceChildren(...[
      paragraph("What gives it away", one.clue),
      paragraph("Cause", one.cause),
      paragraph("Remedy", one.remedy),
      one.diff && html("pre", { tabindex: "0", role: "region", "aria-label": "The change of the code, from sound to broken", style: "overflow-x: auto; background: var(--band); color: var(--ink); padding: 0.5rem; margin: 0.4rem 0; font-size: 0.8rem; line-height: 1.35; border: 1px solid var(--edge)" },
        lines.map((line) => html("span", { style: `display: block; white-space: pre; color: ${shades[line[0]] || "var(--muted)"}` }, line))),
    ].filter(Boolean));
  }

  const button = (text, onclick) => html("button", { type: "button", onclick }, text);
  const stop = frame({ model, el }, {
    watch: ["case", "answers"],
    controls: [
      html("div", { class: "explorable-buttons" },
        button("Previous", () => go(model.get("case") - 1)),
        button("Next dashboard", () => go(model.get("case") + 1)),
        button("Begin again", () => {
          model.set("answers", {});
          go(0);
        })),
      options,
    ],
    draw,
  });
  el.querySelector(".explorable-readout").after(reveal);
  return stop;
}

export default { render };

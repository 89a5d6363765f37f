// A critic learns the five values of the corridor: choose what it learns towards, and step through its updates.
import { bottomAxis, choice, clamp, fixed, frame, html, leftAxis, linear, slider, svg } from "./common.mjs";

// --- the mathematics, tested against ppo_core and NumPy ----------------------------------------------------------

const CELLS = 5;
const MAX_UPDATES = 200;
export const EXACT = Array.from({ length: CELLS }, (_, cell) => (cell + 1) / (CELLS + 1)); // γ = 1, left or right by a coin

// Numbers in [0, 1), the same ones for the same seed (the generator mulberry32).
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

// The walks of one update: { cells, payoff } each, from the middle until the walk is out; only out on the right pays, 1.
export function walks(seed, update, count) {
  const random = randomNumbers(Math.imul(seed, 0x9e3779b1) ^ Math.imul(update + 1, 0x85ebca6b));
  return Array.from({ length: count }, () => {
    const cells = [];
    let cell = (CELLS - 1) / 2;
    while (cell >= 0 && cell < CELLS) {
      cells.push(cell);
      cell += random() < 0.5 ? -1 : 1;
    }
    return { cells, payoff: cell === CELLS ? 1 : 0 };
  });
}

// The target of each step: what came within n steps, and then the critic's word. n = Infinity: everything that came.
export function targets({ cells, payoff }, values, n) {
  return cells.map((_, t) => (t + n >= cells.length ? payoff : values[cells[t + n]]));
}

// One update: each visited cell moves the share `rate` of the way to the mean of its targets.
export function update(values, batch, n, rate) {
  const sums = Array(CELLS).fill(0), visits = Array(CELLS).fill(0);
  for (const walk of batch) {
    targets(walk, values, n).forEach((target, t) => {
      sums[walk.cells[t]] += target;
      visits[walk.cells[t]] += 1;
    });
  }
  const means = sums.map((sum, cell) => (visits[cell] ? sum / visits[cell] : null));
  return { values: values.map((v, cell) => (visits[cell] ? v + rate * (means[cell] - v) : v)), means, visits };
}

export function rmse(values) {
  return Math.sqrt(values.reduce((sum, v, cell) => sum + (v - EXACT[cell]) ** 2, 0) / CELLS);
}

// All updates from a critic that says 0 everywhere: { values, before, means, visits, batch } of each, the untrained one first.
export function learn(n, { seed, episodes, learning_rate: rate, updates }) {
  let values = Array(CELLS).fill(0);
  const history = [{ values }];
  for (let k = 0; k < updates; k++) {
    const batch = walks(seed, k, episodes);
    const step = update(values, batch, n, rate);
    history.push({ ...step, before: values, batch });
    values = step.values;
  }
  return history;
}

// --- the picture -------------------------------------------------------------------------------------------------

const KINDS = ["Monte Carlo", "TD(0)", "n-step"];
const steps = (kind, n) => (kind === "TD(0)" ? 1 : kind === "n-step" ? n : Infinity);
const MARGIN = { left: 38, right: 14 };
const HEIGHT = 170;

export function render({ model, el }) {
  const setting = () => Object.fromEntries(["seed", "episodes", "learning_rate", "updates", "n", "target"].map((name) => [name, model.get(name)]));

  function draw(picture, width) {
    const chosen = setting();
    const history = learn(steps(chosen.target, chosen.n), chosen);
    const last = history.at(-1);
    const errors = history.map(({ values }) => rmse(values));
    const left = MARGIN.left, right = width - MARGIN.right;
    const parts = [];

    // a title and its keys, which go on in a new line where the width ends; returns where the panel begins
    const heading = (top, title, keys) => {
      parts.push(svg("text", { x: 0, y: top + 14, "font-weight": 600 }, title));
      let at = 0, y = top + 32;
      for (const [text, sign] of keys) {
        const wide = 28 + 6.2 * text.length;
        if (at + wide > width) [at, y] = [0, y + 18];
        parts.push(...sign(at + 8, y - 4), svg("text", { x: at + 20, y, "font-size": 11 }, text));
        at += wide + 10;
      }
      return y + 12;
    };
    const ring = (cx, cy) => [svg("circle", { cx, cy, r: 7, fill: "none", stroke: "var(--ink)", "stroke-width": 1.5 })];
    const dot = (cx, cy) => [svg("circle", { cx, cy, r: 4.5, fill: "var(--teal)" })];
    const old = (cx, cy) => [svg("line", { x1: cx - 7, x2: cx + 7, y1: cy, y2: cy, stroke: "var(--muted)", "stroke-width": 2.5 })];
    const cross = (cx, cy) => [svg("path", { d: `M ${cx - 5} ${cy - 5} l 10 10 m 0 -10 l -10 10`, stroke: "var(--amber)", "stroke-width": 2.2, fill: "none" })];

    let from = heading(0, "What the critic says in each cell", [["exact value", ring], ["critic", dot], ["critic before this update", old], ["mean of this update's targets", cross]]);
    const x = linear([-0.5, CELLS - 0.5], [left, right]);
    let y = linear([-0.08, 1.08], [from + HEIGHT, from]);
    parts.push(leftAxis(y, [0, 0.25, 0.5, 0.75, 1], { from: left, to: right, format: (v) => fixed(v, 2) }));
    parts.push(svg("polyline", { points: last.values.map((v, cell) => `${x(cell)},${y(v)}`).join(" "), fill: "none", stroke: "var(--teal)", "stroke-width": 1.6 }));
    for (let cell = 0; cell < CELLS; cell++) {
      if (last.before) parts.push(...old(x(cell), y(last.before[cell])));
      if (last.means && last.means[cell] !== null) parts.push(...cross(x(cell), y(last.means[cell])));
      parts.push(...ring(x(cell), y(EXACT[cell])), ...dot(x(cell), y(last.values[cell])));
    }
    parts.push(bottomAxis(x, [...EXACT.keys()], { y: from + HEIGHT, title: { x: (left + right) / 2, text: "cell; leaving on the right pays 1" } }));

    from = heading(from + HEIGHT + 44, "How far it is from the exact values", [["RMSE over the five cells", dot]]);
    const u = linear([0, MAX_UPDATES], [left, right]);
    y = linear([0, 0.65], [from + HEIGHT * 0.7, from]);
    parts.push(leftAxis(y, [0, 0.2, 0.4, 0.6], { from: left, to: right }));
    parts.push(svg("polyline", { points: errors.map((e, k) => `${u(k)},${y(e)}`).join(" "), fill: "none", stroke: "var(--teal)", "stroke-width": 1.8 }));
    parts.push(...dot(u(chosen.updates), y(errors.at(-1))));
    parts.push(bottomAxis(u, [0, 50, 100, 150, 200], { y: from + HEIGHT * 0.7, title: { x: (left + right) / 2, text: "updates" } }));
    const height = from + HEIGHT * 0.7 + 36;
    picture.replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, parts));

    const many = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
    const others = KINDS.map((kind) => `${kind === "n-step" ? `n-step (n = ${chosen.n})` : kind} ${fixed(rmse(learn(steps(kind, chosen.n), chosen).at(-1).values), 3)}`);
    const lines = [`After ${many(chosen.updates, "update")} of ${many(chosen.episodes, "walk")}: RMSE ${fixed(errors.at(-1), 3)}, from ${fixed(errors[0], 3)} at the start.`];
    if (last.batch) {
      const won = last.batch.filter(({ payoff }) => payoff).length;
      const moved = last.values.map((v, cell) => (v === last.before[cell] ? null : cell)).filter((cell) => cell !== null);
      lines.push(`In the last update ${won} of ${many(chosen.episodes, "walk")} left on the right. ${moved.length ? `The critic changed in cell${moved.length === 1 ? "" : "s"} ${moved.join(", ")}.` : "No cell changed."}`);
      lines.push(`The same walks with each target: ${others.join(", ")}.`);
    } else lines.push(`The critic is untrained and says 0 everywhere. The next update is towards ${{ "Monte Carlo": "all that came", "TD(0)": "one reward, and then the critic's word", "n-step": `${chosen.n} rewards, and then the critic's word` }[chosen.target]}.`);
    const rows = EXACT.map((v, cell) => [cell, fixed(v, 3), fixed(last.values[cell], 3), last.means && last.means[cell] !== null ? fixed(last.means[cell], 3) : "–", last.visits ? last.visits[cell] : 0]);
    return {
      label: `Two charts. The critic's five values beside the exact ones, and the error against the number of updates. ${lines.join(" ")}`,
      readout: lines,
      table: [["cell", "exact", "critic", "mean target", "visits"], ...rows],
    };
  }

  const go = (text, by) => html("button", { type: "button", onclick: () => {
    model.set("updates", by === 0 ? 0 : clamp(model.get("updates") + by, 0, MAX_UPDATES));
    model.save_changes();
  } }, text);

  return frame({ model, el }, {
    watch: ["target", "n", "learning_rate", "episodes", "updates", "seed"],
    controls: [
      choice(model, "target", { label: "target", options: [["Monte Carlo", "Monte Carlo: all that came"], ["TD(0)", "TD(0): one reward, then the critic"], ["n-step", "n-step: n rewards, then the critic"]] }),
      slider(model, "n", { label: "n (for n-step)", min: 2, max: 12 }),
      slider(model, "learning_rate", { label: "learning rate", values: [0.02, 0.05, 0.1, 0.2, 0.5, 1], format: String }),
      slider(model, "episodes", { label: "walks in each update", values: [1, 2, 4, 8, 16] }),
      slider(model, "seed", { label: "which walks (seed)", min: 1, max: 20 }),
      slider(model, "updates", { label: "updates done", min: 0, max: MAX_UPDATES }),
      html("div", { class: "explorable-buttons" }, go("one update", 1), go("ten updates", 10), go("start again", 0)),
    ],
    draw,
  });
}

export default { render };

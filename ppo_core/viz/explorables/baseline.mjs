// Samples of a policy gradient under a baseline: the mean stays where it is, the spread moves.
import { bottomAxis, brief, clamp, fixed, frame, html, leftAxis, linear, preset, slider, svg, ticks } from "./common.mjs";

// --- the mathematics, tested against NumPy and torch ---------------------------------------------------------------

// One step, two actions; action 1 has the probability p = sigmoid(θ), and the return of action a is normal around MEANS[a].
export const MEANS = [3, 4];

// Uniform numbers in [0, 1) from a seed: the generator mulberry32.
export function uniforms(seed, count) {
  let state = seed >>> 0;
  return Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  });
}

// Actions and returns of `count` samples. The same random numbers serve every setting, so that the dots move and do not jump.
export function samples(seed, count, prob, noise) {
  const u = uniforms(seed, 3 * count);
  return Array.from({ length: count }, (_, i) => {
    const action = u[3 * i] < prob ? 1 : 0;
    const normal = Math.sqrt(-2 * Math.log(1 - u[3 * i + 1])) * Math.cos(2 * Math.PI * u[3 * i + 2]);
    return { action, ret: MEANS[action] + noise * normal };
  });
}

// d log π(action) / dθ
export const score = (action, prob) => action - prob;

// what one sample says about the gradient
export const gradient = (sample, prob, baseline) => score(sample.action, prob) * (sample.ret - baseline);

// The exact mean of the gradient. A baseline does not occur in it.
export const exactMean = (prob) => prob * (1 - prob) * (MEANS[1] - MEANS[0]);

// The exact standard deviation of one sample of the gradient.
export function exactSpread(prob, noise, baseline) {
  const square = [1 - prob, prob].reduce((sum, weight, action) => sum + weight * score(action, prob) ** 2 * ((MEANS[action] - baseline) ** 2 + noise ** 2), 0);
  return Math.sqrt(Math.max(0, square - exactMean(prob) ** 2));
}

// The baseline with the smallest spread: E[score² G] / E[score²].
export const bestBaseline = (prob) => (1 - prob) * MEANS[1] + prob * MEANS[0];

export const meanReturn = (prob) => (1 - prob) * MEANS[0] + prob * MEANS[1];

// --- the picture -------------------------------------------------------------------------------------------------

const COUNT = 200, LOW = -2, HIGH = 9, REACH = 6;
const MARGIN = { left: 42, right: 14 };

export function render({ model, el }) {
  const set = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const button = (text, changes) => html("button", { type: "button", onclick: () => set(changes()) }, text);
  const rounded = (x) => Math.round(x * 100) / 100;

  function draw(picture, width) {
    const [baseline, prob, noise, seed] = ["baseline", "prob", "noise", "seed"].map((name) => model.get(name));
    const left = MARGIN.left, right = width - MARGIN.right;
    const drawn = samples(seed, COUNT, prob, noise);
    const gradients = drawn.map((sample) => gradient(sample, prob, baseline));
    const mean = exactMean(prob), spread = exactSpread(prob, noise, baseline);
    const seen = gradients.reduce((sum, g) => sum + g, 0) / COUNT;
    const best = bestBaseline(prob), smallest = exactSpread(prob, noise, best);
    const parts = [];
    const text = (x, y, words, more = {}) => parts.push(svg("text", { x, y, ...more }, words));

    // the samples
    const x = linear([-REACH, REACH], [left, right]);
    const inside = (value) => x(clamp(value, -REACH, REACH));
    const top = 48, height = 132, bottom = top + height;
    text(0, 14, "Gradient of each sample, 200 of them", { "font-weight": 600 });
    parts.push(svg("circle", { cx: 6, cy: 31, r: 4.5, fill: "var(--teal)" }));
    text(16, 35, "action 1", { "font-size": 11 });
    parts.push(svg("rect", { x: 74, y: 27, width: 8, height: 8, fill: "var(--amber)" }));
    text(87, 35, "action 0", { "font-size": 11 });
    parts.push(svg("line", { x1: 146, x2: 160, y1: 31, y2: 31, stroke: "var(--ink)", "stroke-width": 2.5 }));
    text(165, 35, "exact mean", { "font-size": 11 });
    parts.push(svg("rect", { x: inside(mean - spread), y: top, width: inside(mean + spread) - inside(mean - spread), height, fill: "var(--band)" }));
    const marks = ticks(-REACH, REACH, 6);
    for (const value of marks) parts.push(svg("line", { x1: x(value), x2: x(value), y1: top, y2: bottom, stroke: value === 0 ? "var(--muted)" : "var(--grid)" }));
    gradients.forEach((g, i) => {
      const cx = inside(g), cy = top + 8 + ((i * 0.6180339887) % 1) * (height - 16);
      parts.push(drawn[i].action
        ? svg("circle", { cx, cy, r: 3.2, fill: "var(--teal)", "fill-opacity": 0.75 })
        : svg("rect", { x: cx - 2.8, y: cy - 2.8, width: 5.6, height: 5.6, fill: "var(--amber)", "fill-opacity": 0.75 }));
    });
    parts.push(svg("line", { x1: x(mean), x2: x(mean), y1: top - 4, y2: bottom + 4, stroke: "var(--ink)", "stroke-width": 2.5 }));
    parts.push(bottomAxis(x, marks, { y: bottom, format: (value) => fixed(value, 0), title: { x: (left + right) / 2, text: "score · (return − b); shaded: exact mean ± spread" } }));

    // the spread against the baseline
    const from = bottom + 74, to = from + 110;
    const across = linear([LOW, HIGH], [left, right]);
    const highest = Math.max(exactSpread(prob, noise, LOW), exactSpread(prob, noise, HIGH));
    const y = linear([0, highest * 1.08], [to, from]);
    text(0, from - 14, "Spread of one sample, for every baseline", { "font-weight": 600 });
    parts.push(leftAxis(y, ticks(0, highest, 3), { from: left, to: right }));
    parts.push(svg("line", { x1: across(best), x2: across(best), y1: from, y2: to, stroke: "var(--good)", "stroke-width": 2, "stroke-dasharray": "5 4" }));
    const line = Array.from({ length: 89 }, (_, i) => LOW + (i / 88) * (HIGH - LOW)).map((b) => `${across(b)},${y(exactSpread(prob, noise, b))}`);
    parts.push(svg("polyline", { points: line.join(" "), fill: "none", stroke: "var(--teal)", "stroke-width": 3 }));
    parts.push(svg("circle", { cx: across(baseline), cy: y(spread), r: 6.5, fill: "var(--amber)", stroke: "var(--paper)", "stroke-width": 2 }));
    parts.push(svg("rect", { x: left, y: from, width: right - left, height: to - from, fill: "transparent", style: "cursor: pointer", onclick: (event) => {
      const box = picture.firstElementChild.getBoundingClientRect();
      const value = LOW + ((event.clientX - box.left - left) / (right - left)) * (HIGH - LOW);
      set({ baseline: Math.round(clamp(value, LOW, HIGH) * 10) / 10 });
    } }));
    parts.push(bottomAxis(across, ticks(LOW, HIGH, 6), { y: to, format: (value) => fixed(value, 0), title: { x: (left + right) / 2, text: "baseline b; dashed: the best one" } }));
    const total = to + 38;
    picture.replaceChildren(svg("svg", { width, height: total, viewBox: `0 0 ${width} ${total}` }, parts));

    const up = drawn.filter((sample) => sample.ret > baseline).length / COUNT;
    const story = up === 1 ? "All 200 returns lie above b: whatever was done is made more probable, and only the mean tells good from bad."
      : up === 0 ? "All 200 returns lie below b: whatever was done is made less probable, and only the mean tells good from bad."
      : `${Math.round(100 * up)} % of the samples make their action more probable, the others less.`;
    const times = smallest > 1e-9 ? `, ${fixed(spread / smallest, 1)} times the smallest` : spread > 1e-9 ? "; the smallest is 0" : ": every sample is exact";
    const lines = [
      `b = ${fixed(baseline, 1)}. Exact mean ${fixed(mean, 3)}, for every baseline; mean of these 200 samples ${fixed(seen, 3)}. Spread ${fixed(spread)}${times}.`,
      story,
    ];
    const average = meanReturn(prob), both = Math.abs(average - best) < 1e-9;
    const rows = [LOW, 0, 2, best, ...(both ? [] : [average]), 5, HIGH].sort((a, b) => a - b).map((b) => [
      fixed(b) + (b === best ? (both ? " (best, mean return)" : " (best)") : b === average ? " (mean return)" : ""),
      fixed(mean, 3),
      fixed(exactSpread(prob, noise, b)),
      brief(Math.max(1, Math.ceil((exactSpread(prob, noise, b) / (0.1 * mean)) ** 2))),
    ]);
    return {
      label: `Two charts. Above, the gradients of 200 samples with their exact mean; below, the spread against the baseline. ${lines.join(" ")}`,
      readout: lines,
      table: [["baseline", "exact mean", "spread", "samples for 10 % error"], ...rows],
    };
  }

  return frame({ model, el }, {
    watch: ["baseline", "prob", "noise", "seed"],
    controls: [
      slider(model, "baseline", { label: "baseline b", min: LOW, max: HIGH, step: 0.1, format: (b) => fixed(b, 1) }),
      slider(model, "prob", { label: "probability of action 1", min: 0.05, max: 0.95, step: 0.05, format: (p) => fixed(p) }),
      slider(model, "noise", { label: "noise of the returns", min: 0, max: 2, step: 0.1, format: (n) => fixed(n, 1) }),
      html("div", { class: "explorable-buttons" },
        preset(model, "no baseline", { baseline: 0 }),
        button("the mean return", () => ({ baseline: rounded(meanReturn(model.get("prob"))) })),
        button("the best one", () => ({ baseline: rounded(bestBaseline(model.get("prob"))) })),
        button("draw 200 others", () => ({ seed: (model.get("seed") % 999) + 1 }))),
    ],
    draw,
  });
}

export default { render };

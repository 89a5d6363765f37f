// The clipped objective of one sample: drag the ratio, the advantage and ε, and take the parts of the formula away.
import { bottomAxis, choice, clamp, fixed, frame, html, leftAxis, linear, preset, slider, svg, ticks } from "./common.mjs";

// --- the mathematics, tested against ppo_core --------------------------------------------------------------------

// What one sample adds to the objective, wanted large. `kind` is "ppo", or one of three versions with a part missing.
export function gain(kind, ratio, advantage, clipCoef) {
  const clipped = clamp(ratio, 1 - clipCoef, 1 + clipCoef);
  if (kind === "no clip") return ratio * advantage;
  if (kind === "no min") return clipped * advantage;
  if (kind === "min first") return Math.min(ratio, clipped) * advantage;
  return Math.min(ratio * advantage, clipped * advantage);
}

// Whether the gain depends on the ratio here: where it does, the sample has its whole gradient, elsewhere none.
export function active(kind, ratio, advantage, clipCoef) {
  const above = ratio > 1 + clipCoef, below = ratio < 1 - clipCoef;
  if (kind === "no clip") return true;
  if (kind === "no min") return !above && !below;
  if (kind === "min first") return !above;
  return !(advantage > 0 && above) && !(advantage < 0 && below);
}

// The pull on the log-probability of the action: d gain / d log π = ratio · A, or 0.
export function pull(kind, ratio, advantage, clipCoef) {
  return active(kind, ratio, advantage, clipCoef) ? ratio * advantage : 0;
}

// --- the picture -------------------------------------------------------------------------------------------------

const MIN_RATIO = 0.01, MAX_RATIO = 2;
const KINDS = [
  ["ppo", "PPO: min(ratio · A, clipped · A)"],
  ["no min", "min left out: clipped · A"],
  ["min first", "min before A: min(ratio, clipped) · A"],
  ["no clip", "no clip: ratio · A"],
];
const MARGIN = { left: 42, right: 14 };
const HEIGHT = 150;

export function render({ model, el }) {
  function draw(picture, width) {
    const [kind, ratio, advantage, clipCoef] = ["objective", "ratio", "advantage", "clip_coef"].map((name) => model.get(name));
    const [low, high] = [1 - clipCoef, 1 + clipCoef];
    const left = MARGIN.left, right = width - MARGIN.right;
    const x = linear([0, MAX_RATIO], [left, right]);
    const size = Math.max(Math.abs(advantage), 0.1) * MAX_RATIO;
    const domain = advantage < 0 ? [-1.08 * size, 0.16 * size] : [-0.16 * size, 1.08 * size];
    const now = gain(kind, ratio, advantage, clipCoef), force = pull(kind, ratio, advantage, clipCoef);
    const edges = [0, low, high, MAX_RATIO];
    const pieces = [0, 1, 2].map((i) => [edges[i], edges[i + 1]]).filter(([from, to]) => to > from);
    const parts = [];

    // a panel: title, interval, axis; its body is drawn by `body(y)`
    const panel = (top, title, keys, body) => {
      parts.push(svg("text", { x: 0, y: top + 14, "font-weight": 600 }, title));
      let at = 0;
      for (const [text, attributes] of keys) {
        parts.push(svg("line", { x1: at, x2: at + 22, y1: top + 30, y2: top + 30, ...attributes }), svg("text", { x: at + 28, y: top + 34, "font-size": 11 }, text));
        at += 40 + 6.4 * text.length;
      }
      const from = top + 44, to = from + HEIGHT;
      const y = linear(domain, [to, from]);
      parts.push(svg("rect", { x: x(low), y: from, width: x(high) - x(low), height: HEIGHT, fill: "var(--band)" }));
      parts.push(leftAxis(y, ticks(...domain, 4), { from: left, to: right }));
      parts.push(svg("line", { x1: x(1), x2: x(1), y1: from, y2: to, stroke: "var(--muted)", "stroke-dasharray": "2 3" }));
      body(y, from, to);
      parts.push(svg("rect", { x: left, y: from, width: right - left, height: HEIGHT, fill: "transparent", style: "cursor: pointer", onclick: (event) => {
        const box = picture.firstElementChild.getBoundingClientRect();
        const value = ((event.clientX - box.left - left) / (right - left)) * MAX_RATIO;
        model.set("ratio", Math.round(clamp(value, MIN_RATIO, MAX_RATIO) * 100) / 100);
        model.save_changes();
      } }));
      return to;
    };
    const plain = { stroke: "var(--muted)", "stroke-width": 1.5, "stroke-dasharray": "6 4" };
    const chosen = { stroke: "var(--teal)", "stroke-width": 3, "stroke-linecap": "round" };
    const dot = (cx, cy) => svg("circle", { cx, cy, r: 6.5, fill: "var(--amber)", stroke: "var(--paper)", "stroke-width": 2, "pointer-events": "none" });

    let bottom = panel(0, "What the sample adds to the objective", [["ratio · A", plain], ["the chosen objective", chosen]], (y) => {
      parts.push(svg("line", { x1: x(0), x2: x(MAX_RATIO), y1: y(0), y2: y(MAX_RATIO * advantage), ...plain }));
      for (const [from, to] of pieces) {
        const at = (r) => gain(kind, r, advantage, clipCoef);
        parts.push(svg("line", { x1: x(from), x2: x(to), y1: y(at(from)), y2: y(at(to)), ...chosen }));
      }
      const direction = Math.sign(force);
      const tip = x(ratio) + direction * clamp(16 + 16 * Math.abs(force), 18, 56);
      if (direction) {
        parts.push(svg("line", { x1: x(ratio), x2: tip, y1: y(now), y2: y(now), stroke: "var(--amber)", "stroke-width": 3 }));
        parts.push(svg("path", { d: `M ${tip + direction * 8} ${y(now)} l ${-direction * 11} -6 v 12 z`, fill: "var(--amber)" }));
      }
      parts.push(dot(x(ratio), y(now)));
    });
    bottom = panel(bottom + 12, "Its pull on log π, the gradient", [["ratio · A", plain], ["the chosen objective", chosen]], (y) => {
      parts.push(svg("line", { x1: x(0), x2: x(MAX_RATIO), y1: y(0), y2: y(MAX_RATIO * advantage), ...plain }));
      for (const [from, to] of pieces) {
        const on = active(kind, (from + to) / 2, advantage, clipCoef);
        parts.push(svg("line", { x1: x(from), x2: x(to), y1: y(on ? from * advantage : 0), y2: y(on ? to * advantage : 0), ...chosen }));
      }
      parts.push(dot(x(ratio), y(force)));
    });
    parts.push(bottomAxis(x, [0, low, 1, high, MAX_RATIO].filter((r, i, all) => i === 0 || x(r) - x(all[i - 1]) > 26), { y: bottom, format: (r) => fixed(r, r === 0 || r === 1 || r === 2 ? 0 : 2), title: { x: (left + right) / 2, text: "ratio = π / π_old; shaded: 1 ± ε" } }));
    const height = bottom + 36;
    picture.replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, parts));

    const whole = ratio * advantage, clipped = clamp(ratio, low, high) * advantage;
    const where = ratio > high ? "above the interval" : ratio < low ? "below the interval" : "inside the interval";
    const taken = kind === "no clip" ? "nothing is clipped"
      : kind === "no min" ? "the clipped product counts, whichever is smaller"
      : kind === "min first" ? `the smaller ratio counts, ${fixed(Math.min(ratio, clamp(ratio, low, high)))}`
      : whole === clipped ? "the two are equal" : whole < clipped ? "ratio · A is smaller and counts" : "the clipped product is smaller and counts";
    const improved = advantage > 0 ? ratio > 1 : ratio < 1;
    const story = advantage === 0 ? "An advantage of 0 pulls nowhere, and the clip has nothing to do."
      : force === 0 ? (improved ? "No pull: the sample has moved far enough in its own direction, and is left alone." : "No pull, though the sample has moved the wrong way: nothing in it brings it back.")
      : ratio >= low && ratio <= high ? `The whole pull: the action is made ${advantage > 0 ? "more" : "less"} probable.`
      : improved ? "The whole pull, further away from the interval: nothing holds this sample back."
      : "The whole pull, although the ratio is outside: it points back to the interval.";
    const lines = [
      `The ratio ${fixed(ratio)} is ${where}. ratio · A = ${fixed(whole)}, clipped · A = ${fixed(clipped)}: ${taken}. Gain ${fixed(now)}, pull ${fixed(force)}.`,
      story,
    ];
    const samples = [["below", low / 2], ["inside", 1], ["above", (high + MAX_RATIO) / 2]];
    const rows = [1, -1].flatMap((sign) => samples.map(([name, r]) => {
      const a = sign * (Math.abs(advantage) || 1);
      return [a > 0 ? "A > 0" : "A < 0", name, fixed(r), fixed(a), fixed(gain(kind, r, a, clipCoef)), fixed(pull(kind, r, a, clipCoef))];
    }));
    return {
      label: `Two charts over the ratio: what the sample adds to the objective, and its pull on the log-probability. ${lines.join(" ")}`,
      readout: lines,
      table: [["advantage", "ratio", "for example", "A", "gain", "pull"], ...rows],
    };
  }

  return frame({ model, el }, {
    watch: ["ratio", "advantage", "clip_coef", "objective"],
    controls: [
      slider(model, "ratio", { label: "ratio", min: MIN_RATIO, max: MAX_RATIO, step: 0.01, format: (r) => fixed(r) }),
      slider(model, "advantage", { label: "advantage A", min: -2, max: 2, step: 0.1, format: (a) => fixed(a, 1) }),
      slider(model, "clip_coef", { label: "ε", min: 0, max: 0.5, step: 0.01, format: (e) => fixed(e) }),
      choice(model, "objective", { label: "objective", options: KINDS }),
      html("div", { class: "explorable-buttons" },
        preset(model, "good, grown too far", { ratio: 1.5, advantage: 1 }),
        preset(model, "good, but shrunk", { ratio: 0.5, advantage: 1 }),
        preset(model, "bad, shrunk too far", { ratio: 0.5, advantage: -1 }),
        preset(model, "bad, but grown", { ratio: 1.5, advantage: -1 })),
    ],
    draw,
  });
}

export default { render };

// Logits, temperature and entropy of a policy with three actions, and what pulls on the logits.
import { choice, clamp, fixed, frame, html, leftAxis, linear, preset, slider, svg, ticks } from "./common.mjs";

// --- the mathematics, tested against ppo_core --------------------------------------------------------------------

// log π, by the shift: no exponential overflows, and no logarithm of 0 is taken.
export function logSoftmax(logits, temperature = 1) {
  const largest = Math.max(...logits);
  const shifted = logits.map((z) => (z - largest) / temperature);
  const logSum = Math.log(shifted.reduce((sum, z) => sum + Math.exp(z), 0));
  return shifted.map((z) => z - logSum);
}

export const softmax = (logits, temperature = 1) => logSoftmax(logits, temperature).map(Math.exp);

export function entropy(logits, temperature = 1) {
  return -logSoftmax(logits, temperature).reduce((sum, logprob) => sum + Math.exp(logprob) * logprob, 0);
}

// d log π(action) / d logits
export function scoreGradient(logits, temperature, action) {
  return softmax(logits, temperature).map((p, b) => ((b === action ? 1 : 0) - p) / temperature);
}

// dH / d logits
export function entropyGradient(logits, temperature) {
  const H = entropy(logits, temperature);
  return logSoftmax(logits, temperature).map((logprob) => (Math.exp(logprob) * (-logprob - H)) / temperature);
}

// --- the picture -------------------------------------------------------------------------------------------------

const LIMIT = 6; // of a logit, to either side
const NAMES = ["logit_0", "logit_1", "logit_2"];
const TEMPERATURES = [0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10];
const MARGIN = { left: 42, right: 14 };

export function render({ model, el }) {
  function draw(picture, width) {
    const logits = NAMES.map((name) => model.get(name));
    const [temperature, action, coef] = [model.get("temperature"), Number(model.get("action")), model.get("ent_coef")];
    const logprobs = logSoftmax(logits, temperature), probs = logprobs.map(Math.exp), H = entropy(logits, temperature);
    const score = scoreGradient(logits, temperature, action);
    const bonus = entropyGradient(logits, temperature).map((g) => coef * g);
    const total = score.map((g, b) => g + bonus[b]);
    const left = MARGIN.left, right = width - MARGIN.right;
    const column = (right - left) / 3, centre = (b) => left + column * (b + 0.5);
    const parts = [];
    const title = (text, y) => parts.push(svg("text", { x: 0, y, "font-weight": 600 }, text));
    const names = (y) => probs.forEach((_, b) => parts.push(svg("text", { x: centre(b), y, "text-anchor": "middle", "font-weight": b === action ? 600 : 400 }, b === action ? `action ${b} (chosen)` : `action ${b}`)));

    // probabilities
    title("Probability of each action", 14);
    const y = linear([0, 1], [164, 44]);
    parts.push(leftAxis(y, [0, 0.5, 1], { from: left, to: right }));
    const bar = Math.min(56, column * 0.5);
    probs.forEach((p, b) => {
      parts.push(svg("rect", { x: centre(b) - bar / 2, y: y(p), width: bar, height: Math.max(y(0) - y(p), 0.5), fill: "var(--teal)", opacity: b === action ? 1 : 0.55 }));
      parts.push(svg("text", { x: centre(b), y: y(p) - 6, "text-anchor": "middle" }, fixed(p, 3)));
    });
    names(182);

    // entropy, between 0 and log 3
    const most = Math.log(3), x = linear([0, most], [left, right]);
    title("Entropy, from 0 to log 3", 214);
    parts.push(svg("rect", { x: left, y: 224, width: right - left, height: 16, fill: "var(--band)", stroke: "var(--edge)" }));
    parts.push(svg("rect", { x: left, y: 224, width: Math.max(x(clamp(H, 0, most)) - left, 0), height: 16, fill: "var(--violet)" }));
    parts.push(svg("g", { class: "axis" }, svg("text", { x: left, y: 255, "text-anchor": "middle" }, "0"), svg("text", { x: right, y: 255, "text-anchor": "end" }, `log 3 = ${fixed(most)}`)));

    // gradients
    title("Pull on each logit", 288);
    const keys = [["of log π, chosen action", "var(--teal)"], ["of the bonus", "var(--amber)"]];
    let at = 0;
    for (const [text, fill] of keys) {
      parts.push(svg("rect", { x: at, y: 298, width: 12, height: 12, fill }), svg("text", { x: at + 17, y: 308, "font-size": 11 }, text));
      at += 34 + 6.2 * text.length;
    }
    parts.push(svg("circle", { cx: at + 6, cy: 304, r: 5, fill: "var(--paper)", stroke: "var(--ink)", "stroke-width": 2 }), svg("text", { x: at + 16, y: 308, "font-size": 11 }, "sum"));
    const reach = Math.max(1, ...[score, bonus, total].flat().map(Math.abs)) * 1.1;
    const g = linear([-reach, reach], [462, 326]);
    parts.push(leftAxis(g, ticks(-reach, reach, 4), { from: left, to: right }));
    const half = Math.min(24, column * 0.22);
    const pillar = (value, from, fill) => svg("rect", { x: from, y: Math.min(g(0), g(value)), width: half, height: Math.max(Math.abs(g(value) - g(0)), 0.5), fill });
    total.forEach((sum, b) => {
      parts.push(pillar(score[b], centre(b) - half - 8, "var(--teal)"), pillar(bonus[b], centre(b) - 8, "var(--amber)"));
      parts.push(svg("circle", { cx: centre(b) + half + 2, cy: g(sum), r: 5, fill: "var(--paper)", stroke: "var(--ink)", "stroke-width": 2 }));
    });
    names(480);
    picture.replaceChildren(svg("svg", { width, height: 490, viewBox: `0 0 ${width} 490` }, parts));

    const raised = total.map((sum, b) => [sum, b]).filter(([sum]) => sum > 0.005).map(([, b]) => b);
    const lines = [
      `Probabilities ${probs.map((p) => fixed(p, 3)).join(", ")}. Action ${action}: log π = ${fixed(logprobs[action])} nats. Entropy ${fixed(H)} of at most ${fixed(most)} nats.`,
      coef > 0
        ? `The bonus pulls ${bonus.map((b) => fixed(b)).join(", ")}; together with log π(${action}) the pulls are ${total.map((t) => fixed(t)).join(", ")}. The probabilities do not depend on the coefficient.`
        : `To make action ${action} more probable the logits are pulled by ${score.map((s) => fixed(s)).join(", ")}, which adds up to 0. ${raised.length ? "" : "There is hardly anything left to gain."}`,
    ];
    const rows = probs.map((p, b) => [`${b}`, fixed(logits[b], 1), fixed(p, 4), fixed(logprobs[b]), fixed(score[b], 3), fixed(bonus[b], 3), fixed(total[b], 3)]);
    return {
      label: `Three charts: the probability of each action, the entropy, and the pull on each logit. ${lines.join(" ")}`,
      readout: lines,
      table: [["action", "logit", "π", "log π", `pull of log π(${action})`, "pull of the bonus", "sum"], ...rows],
    };
  }

  const together = (change) => () => {
    const logits = NAMES.map((name) => model.get(name));
    change(logits).forEach((z, b) => model.set(NAMES[b], Math.round(clamp(z, -LIMIT, LIMIT) * 10) / 10));
    model.save_changes();
  };
  // up by 1; at the upper end down again, as far as the lowest logit allows: the differences always stay
  const shift = (logits) => {
    const step = Math.max(...logits) + 1 <= LIMIT ? 1 : -Math.floor(Math.min(...logits) + LIMIT);
    return logits.map((z) => z + step);
  };
  return frame({ model, el }, {
    watch: [...NAMES, "temperature", "action", "ent_coef"],
    controls: [
      NAMES.map((name, b) => slider(model, name, { label: `logit of action ${b}`, min: -LIMIT, max: LIMIT, step: 0.1, format: (z) => fixed(z, 1) })),
      slider(model, "temperature", { label: "temperature T", values: TEMPERATURES, format: (t) => fixed(t, 1) }),
      choice(model, "action", { label: "chosen action", options: [["0", "action 0"], ["1", "action 1"], ["2", "action 2"]] }),
      slider(model, "ent_coef", { label: "coefficient of the bonus", min: 0, max: 2, step: 0.05, format: (c) => fixed(c) }),
      html("div", { class: "explorable-buttons" },
        preset(model, "one half, two quarters", { logit_0: 1.4, logit_1: 0.7, logit_2: 0.7, temperature: 1 }),
        html("button", { type: "button", onclick: together(shift) }, "the same to every logit"),
        preset(model, "all equal", { logit_0: 0, logit_1: 0, logit_2: 0, temperature: 1 }),
        preset(model, "almost decided", { logit_0: 6, logit_1: 0, logit_2: -1, temperature: 1 })),
    ],
    draw,
  });
}

export default { render };

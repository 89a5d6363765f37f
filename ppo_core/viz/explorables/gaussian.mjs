// A policy over numbers: a Gaussian, the bounds of the action space, and which action the log-probability belongs to.
import { bottomAxis, choice, clamp, fixed, frame, html, leftAxis, linear, preset, slider, svg, ticks } from "./common.mjs";

// --- the mathematics, tested against ppo_core and torch.distributions ---------------------------------------------

const HALF_LOG_2PI = 0.5 * Math.log(2 * Math.PI);

export const logprob = (action, mean, logStd) => -0.5 * ((action - mean) * Math.exp(-logStd)) ** 2 - logStd - HALF_LOG_2PI;

export const entropy = (logStd) => logStd + HALF_LOG_2PI + 0.5;

// [d log π / d mean, d log π / d logStd]
export function score(action, mean, logStd) {
  const z = (action - mean) * Math.exp(-logStd);
  return [z * Math.exp(-logStd), z * z - 1];
}

// What the environment gets of a sampled action.
export const executed = (kind, action, bound) => (kind === "tanh" ? bound * Math.tanh(action) : clamp(action, -bound, bound));

// log d executed / d sampled under the squash, for numbers of any size: 1 - tanh² = 4 / (e^u + e^-u)²
export function logSlope(action, bound) {
  const size = Math.abs(action);
  return Math.log(bound) + 2 * (Math.LN2 - size - Math.log1p(Math.exp(-2 * size)));
}

// Log-density of the squashed action bound · tanh(action): the density of `action`, spread over another width.
export const squashedLogprob = (action, mean, logStd, bound) => logprob(action, mean, logStd) - logSlope(action, bound);

// The part of a normal distribution below z: a series in the middle, a continued fraction in the tails.
export function normalBelow(z) {
  if (z < 0) return 1 - normalBelow(-z);
  const density = Math.exp(-0.5 * z * z - HALF_LOG_2PI);
  if (z < 3) {
    let term = z, sum = z;
    for (let k = 1; k < 60; k++) sum += term *= (z * z) / (2 * k + 1);
    return 0.5 + density * sum;
  }
  let fraction = z;
  for (let k = 60; k > 0; k--) fraction = z + k / fraction;
  return 1 - density / fraction;
}

// How many actions are below the lower bound, and how many above the upper one: these are clipped.
export function outside(mean, logStd, bound) {
  const std = Math.exp(logStd);
  return [normalBelow((-bound - mean) / std), normalBelow((mean - bound) / std)];
}

// The score of the EXECUTED action, put into the formula of the sampled one, in the mean over all draws. With the sampled
// action this mean is 0 for every mean and logStd.
export function meanPull(kind, mean, logStd, bound) {
  let first = 0, second = 0;
  const std = Math.exp(logStd);
  if (kind === "tanh") {
    const step = 0.01;
    for (let i = -900; i <= 900; i++) {
      const z = i * step, weight = step * Math.exp(-0.5 * z * z - HALF_LOG_2PI);
      const squashed = (executed(kind, mean + std * z, bound) - mean) / std;
      first += weight * squashed;
      second += weight * squashed ** 2;
    }
  } else {
    const low = (-bound - mean) / std, high = (bound - mean) / std;
    const [below, above] = outside(mean, logStd, bound);
    const [atLow, atHigh] = [low, high].map((z) => Math.exp(-0.5 * z * z - HALF_LOG_2PI));
    first = low * below + high * above + atLow - atHigh;
    second = low ** 2 * below + high ** 2 * above + (1 - below - above) + low * atLow - high * atHigh;
  }
  return [first / std, second - 1];
}

// --- the picture -------------------------------------------------------------------------------------------------

const KINDS = [["clip", "clip it in the environment"], ["tanh", "squash it: bound · tanh(a)"]];
const MARGIN = { left: 42, right: 16 };
const TALL = 120;
const HALO = { stroke: "var(--paper)", "stroke-width": 3, "paint-order": "stroke", "stroke-linejoin": "round" }; // text over a curve

export function render({ model, el }) {
  function draw(picture, width) {
    const [kind, mean, logStd, bound, noise] = ["outside", "mean", "log_std", "bound", "noise"].map((name) => model.get(name));
    const std = Math.exp(logStd), action = mean + std * noise, done = executed(kind, action, bound);
    const peak = Math.exp(-logStd - HALF_LOG_2PI);
    const reach = [2, 4, 8, 16].find((r) => r >= Math.max(bound * 1.15, Math.abs(mean) + 2.6 * std, Math.abs(action) * 1.05)) || 16;
    const left = MARGIN.left, right = width - MARGIN.right;
    const x = linear([-reach, reach], [left, right]);
    const parts = [];
    const title = (text, y) => parts.push(svg("text", { x: 0, y, "font-weight": 600 }, text));
    const curve = (density, y, from, to) => {
      const points = Array.from({ length: 241 }, (_, i) => from + ((to - from) * i) / 240);
      return points.map((a, i) => `${i ? "L" : "M"}${x(a).toFixed(1)} ${y(density(a)).toFixed(1)}`).join("");
    };
    const stage = (top) => {
      parts.push(svg("rect", { x: x(-bound), y: top, width: x(bound) - x(-bound), height: TALL, fill: "var(--band)" }));
      for (const edge of [-bound, bound]) parts.push(svg("line", { x1: x(edge), x2: x(edge), y1: top, y2: top + TALL, stroke: "var(--muted)", "stroke-dasharray": "4 3" }));
    };
    const near = (at, text) => (at + 6 + 6.4 * text.length > right ? { x: at - 6, "text-anchor": "end" } : { x: at + 6 });

    // the policy, and what it sampled
    title("What the policy samples", 14);
    stage(26);
    const y = linear([0, peak * 1.15], [26 + TALL, 26]);
    parts.push(svg("path", { d: curve((a) => Math.exp(logprob(a, mean, logStd)), y, -reach, reach), fill: "none", stroke: "var(--teal)", "stroke-width": 2 }));
    parts.push(leftAxis(y, ticks(0, peak * 1.15, 3), { from: left, to: right, format: (v) => fixed(v, peak < 0.4 ? 2 : 1) }));
    parts.push(svg("line", { x1: x(action), x2: x(action), y1: 26 + TALL, y2: y(Math.exp(logprob(action, mean, logStd))), stroke: "var(--teal)", "stroke-width": 2 }));
    parts.push(svg("circle", { cx: x(action), cy: 26 + TALL, r: 6, fill: "var(--teal)" }));
    parts.push(svg("text", { ...near(x(action), "sampled"), y: 26 + TALL - 10, ...HALO }, "sampled"));

    // what the environment gets: the same action moved, and the distribution of all such actions
    const top = 214;
    title("What the environment gets", top - 14);
    stage(top);
    const [below, above] = kind === "clip" ? outside(mean, logStd, bound) : [0, 0];
    const inside = (a) => {
      if (Math.abs(a) >= bound) return 0;
      return Math.exp(kind === "clip" ? logprob(a, mean, logStd) : squashedLogprob(Math.atanh(a / bound), mean, logStd, bound));
    };
    const edge = bound * (kind === "clip" ? 1 - 1e-9 : 0.995);
    const highest = Math.min(Math.max(...Array.from({ length: 81 }, (_, i) => inside(-edge + (2 * edge * i) / 80))), peak * 4 + 2 / bound);
    const g = linear([0, Math.max(highest, 1e-6) * 1.15], [top + TALL, top]);
    parts.push(svg("path", { d: curve((a) => Math.min(inside(a), highest * 1.15), g, -edge, edge), fill: "none", stroke: "var(--amber)", "stroke-width": 2 }));
    for (const [share, at] of [[below, -bound], [above, bound]]) {
      if (share < 0.0005) continue;
      const tall = Math.max(share * (TALL - 22), 2);
      parts.push(svg("rect", { x: x(at) - 4, y: top + TALL - tall, width: 8, height: tall, fill: "var(--amber)" }));
      parts.push(svg("text", { x: clamp(x(at), left + 16, right - 16), y: top + TALL - tall - 5, "text-anchor": "middle", ...HALO }, `${fixed(100 * share, share < 0.1 ? 1 : 0)} %`));
    }
    parts.push(svg("line", { x1: left, x2: right, y1: top + TALL, y2: top + TALL, class: "zero" }));
    parts.push(svg("line", { x1: x(action), y1: 26 + TALL + 8, x2: x(done), y2: top + TALL - 7, stroke: "var(--muted)", "stroke-dasharray": "2 3" }));
    parts.push(svg("rect", { x: x(done) - 5.5, y: top + TALL - 5.5, width: 11, height: 11, fill: "var(--amber)", stroke: "var(--paper)", "stroke-width": 1.5 }));
    parts.push(svg("text", { ...near(x(done) + 4, "executed"), y: top + TALL - 12, ...HALO }, "executed"));
    parts.push(bottomAxis(x, ticks(-reach, reach, width < 420 ? 4 : 8), { y: top + TALL, format: (v) => fixed(v, 0), title: { x: (left + right) / 2, text: "action (band: the bounds)" } }));

    // pulls: rows of two bars, for this sample and in the mean of all draws
    const right_ = score(action, mean, logStd), wrong = score(done, mean, logStd), drift = meanPull(kind, mean, logStd, bound);
    const start = 410;
    title("Pull on the two parameters (square-root scale)", start - 14);
    const keys = [["sampled action", "var(--teal)"], ["executed action", "var(--amber)"]];
    keys.forEach(([text, fill], i) => parts.push(svg("rect", { x: i * 130, y: start - 2, width: 12, height: 12, fill }), svg("text", { x: i * 130 + 17, y: start + 9, "font-size": 11 }, text)));
    const groups = [["μ, this sample", right_[0], wrong[0]], ["log σ, this sample", right_[1], wrong[1]], ["μ, mean of all draws", 0, drift[0]], ["log σ, mean of all draws", 0, drift[1]]];
    // the lengths are square roots: the sizes differ by orders of magnitude
    const most = Math.sqrt(Math.max(1, ...groups.flatMap(([, a, b]) => [Math.abs(a), Math.abs(b)])));
    const label = 52, bar = linear([-most, most], [label + 4, width - label - 4]);
    groups.forEach(([text, a, b], i) => {
      const at = start + 24 + i * 46;
      parts.push(svg("text", { x: 0, y: at + 8, "font-size": 11 }, text));
      [[a, "var(--teal)"], [b, "var(--amber)"]].forEach(([value, fill], k) => {
        const end = bar(Math.sign(value) * Math.sqrt(Math.abs(value))), h = at + 12 + k * 14;
        parts.push(svg("rect", { x: Math.min(bar(0), end), y: h, width: Math.max(Math.abs(end - bar(0)), 1), height: 11, fill }));
        parts.push(svg("text", { x: end + (value < 0 ? -5 : 5), y: h + 9, "font-size": 11, "text-anchor": value < 0 ? "end" : "start" }, fixed(value)));
      });
    });
    parts.push(svg("line", { x1: bar(0), x2: bar(0), y1: start + 20, y2: start + 24 + 4 * 46, class: "zero" }));
    const height = start + 28 + 4 * 46;
    picture.replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, parts));

    const kept = logprob(action, mean, logStd), other = logprob(done, mean, logStd), ratio = Math.exp(other - kept);
    const times = ratio > 999 || ratio < 0.001 ? ratio.toExponential(0).replace("e+", "\u00a0·\u00a010^").replace("e-", "\u00a0·\u00a010^−") : fixed(ratio, 3);
    const same = Math.abs(action - done) < 1e-12;
    const lines = [
      same
        ? `Sampled ${fixed(action)}, inside the bounds: it is executed as it is. Log-probability ${fixed(kept)} nats, entropy ${fixed(entropy(logStd))} nats.`
        : `Sampled ${fixed(action)}, executed ${fixed(done)}. Log-probability of the sampled action ${fixed(kept)} nats; of the executed one in the same formula ${fixed(other)} nats: mixed up, the first ratio is ${times} instead of 1.`,
      kind === "clip"
        ? `${fixed(100 * (below + above), 1)} % of the actions are clipped. With clipped actions in the formula the mean pull on log σ is ${fixed(drift[1])} and on μ ${fixed(drift[0])}; with sampled ones both are 0.`
        : `In its own density the executed action has log-probability ${fixed(squashedLogprob(action, mean, logStd, bound))} nats: ${fixed(kept)} minus ${fixed(logSlope(action, bound))}, a number without μ and σ. So the pulls are those of the sampled action.`,
    ];
    const row = (name, value, [m, s]) => [name, fixed(value, 3), fixed(m, 3), fixed(s, 3)];
    return {
      label: `Two densities over the action, sampled and executed, and bars for the pulls on mean and log standard deviation. ${lines.join(" ")}`,
      readout: lines,
      table: [
        ["log-probability of", "nats", "pull on μ", "pull on log σ"],
        row(`sampled ${fixed(action, 3)}`, kept, right_),
        row(`executed ${fixed(done, 3)}, same formula`, other, wrong),
        ...(kind === "tanh" ? [row("executed, its own density", squashedLogprob(action, mean, logStd, bound), right_)] : []),
        ["sampled, mean of all draws", fixed(-entropy(logStd), 3), "0.000", "0.000"],
        ["executed, same formula, mean of all draws", "", fixed(drift[0], 3), fixed(drift[1], 3)],
      ],
    };
  }

  return frame({ model, el }, {
    watch: ["mean", "log_std", "bound", "noise", "outside"],
    controls: [
      slider(model, "mean", { label: "mean μ", min: -2, max: 2, step: 0.1, format: (v) => fixed(v, 1) }),
      slider(model, "log_std", { label: "log σ", min: -2.5, max: 1, step: 0.1, format: (v) => `${fixed(v, 1)}, σ = ${fixed(Math.exp(v))}` }),
      slider(model, "bound", { label: "bounds −b and b", min: 0.2, max: 3, step: 0.1, format: (v) => fixed(v, 1) }),
      slider(model, "noise", { label: "noise of this draw, in σ", min: -3, max: 3, step: 0.1, format: (v) => fixed(v, 1) }),
      choice(model, "outside", { label: "an action outside the bounds", options: KINDS }),
      html("div", { class: "explorable-buttons" },
        preset(model, "inside", { mean: 0, log_std: -1, bound: 1, noise: 0.8 }),
        preset(model, "just outside", { mean: 0.5, log_std: -0.5, bound: 1, noise: 1.2 }),
        preset(model, "the mean outside", { mean: 1.6, log_std: -0.7, bound: 1, noise: 0.8 }),
        preset(model, "wide", { mean: 0, log_std: 1, bound: 1, noise: 1.5 })),
    ],
    draw,
  });
}

export default { render };

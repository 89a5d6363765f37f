// A rollout is cut into minibatches, epoch after epoch: which step is used when, and how often.
import { bottomAxis, choice, clamp, frame, html, linear, preset, slider, svg } from "./common.mjs";

// --- the mathematics, tested against ppo_core --------------------------------------------------------------------

// Row `index` of the flattened rollout is step t of environment `env`: time first, then environments.
export const place = (index, numEnvs) => ({ t: Math.floor(index / numEnvs), env: index % numEnvs });

// Random numbers in [0, 1) that follow from a seed: the same picture each time.
function random(seed) {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let h = Math.imul(state ^ (state >>> 15), state | 1);
    h ^= h + Math.imul(h ^ (h >>> 7), h | 61);
    return ((h ^ (h >>> 14)) >>> 0) / 2 ** 32;
  };
}

function permutation(size, next) {
  const order = Array.from({ length: size }, (_, i) => i);
  for (let i = size - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// Lengths of the parts: they differ by one at most, the longer ones first.
export function lengths(size, numMinibatches) {
  const short = Math.floor(size / numMinibatches), longer = size % numMinibatches;
  return Array.from({ length: numMinibatches }, (_, i) => short + (i < longer ? 1 : 0));
}

// Cuts `order` into parts of the given lengths; what is left over belongs to none.
function cut(order, sizes) {
  let from = 0;
  return sizes.map((length) => order.slice(from, (from += length)));
}

// Every minibatch of every epoch: [epoch][minibatch] -> row numbers. `how` is "shuffled", or one of three ways to get it wrong.
export function plan({ size, num_minibatches, epochs, how, seed }) {
  const next = random(seed);
  const count = clamp(num_minibatches, 1, size);
  const sizes = lengths(size, count);
  const inTime = Array.from({ length: size }, (_, i) => i);
  return Array.from({ length: epochs }, () => {
    if (how === "with replacement") return sizes.map((length) => Array.from({ length }, () => Math.floor(next() * size)));
    if (how === "in order") return cut(inTime, sizes);
    const order = permutation(size, next);
    if (how === "rest dropped") return cut(order, sizes.map(() => Math.floor(size / count)));
    return cut(order, sizes);
  });
}

// How often each row has been used by the first `steps` gradient steps.
export function uses(epochs, size, steps) {
  const count = Array.from({ length: size }, () => 0);
  epochs.flat().slice(0, steps).forEach((part) => part.forEach((index) => (count[index] += 1)));
  return count;
}

// --- the picture -------------------------------------------------------------------------------------------------

const HOW = [
  ["shuffled", "shuffled, each step once"],
  ["with replacement", "drawn with replacement"],
  ["rest dropped", "fixed size, the rest dropped"],
  ["in order", "not shuffled"],
];
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

export function render({ model, el }) {
  const settings = () => {
    const s = Object.fromEntries(["num_envs", "num_steps", "num_minibatches", "epochs", "how", "seed"].map((name) => [name, model.get(name)]));
    const size = s.num_envs * s.num_steps;
    const count = clamp(s.num_minibatches, 1, size);
    return { ...s, size, count, total: s.epochs * count };
  };
  const at = slider(model, "gradient_step", { label: "look at gradient step", min: 1, max: settings().total, format: (step) => String(Math.min(step, settings().total)) });

  function draw(picture, width) {
    const s = settings();
    at.setRange({ max: s.total });
    const step = clamp(model.get("gradient_step"), 1, s.total);
    const epochs = plan(s);
    const parts = epochs.flat();
    const epoch = Math.floor((step - 1) / s.count), minibatch = (step - 1) % s.count;
    const now = new Set(parts[step - 1]);
    const used = uses(epochs, s.size, step), final = uses(epochs, s.size, s.total);
    const never = final.filter((n) => n === 0).length;
    const done = step === s.total;

    // the rollout: one column for each step in time, one row for each environment
    const left = width < 480 ? 26 : 54, right = width - 4;
    const cell = Math.min(44, (right - left) / s.num_steps);
    const top = 46, drawn = [];
    drawn.push(svg("text", { x: 0, y: 14, "font-weight": 600 }, `the rollout: ${s.num_steps} × ${s.num_envs} steps; uses so far`));
    const keys = [["this minibatch", { fill: "var(--teal)" }], ["used", { fill: "var(--teal)", "fill-opacity": 0.22 }]];
    if (done && never > 0) keys.push(["never", { fill: "var(--band)", stroke: "var(--bad)", "stroke-width": 2 }]);
    if (Math.max(...used) > epoch + 1) keys.push([width < 480 ? "too often" : "more often than there are epochs", { fill: "none", stroke: "var(--amber)", "stroke-width": 2 }]);
    let along = 0;
    for (const [text, attributes] of keys) {
      drawn.push(svg("rect", { x: along + 1, y: 25, width: 11, height: 11, rx: 2, ...attributes }), svg("text", { x: along + 17, y: 34.5, "font-size": 11 }, text));
      along += 30 + 6 * text.length;
    }
    for (let env = 0; env < s.num_envs; env++) {
      drawn.push(svg("text", { x: left - 6, y: top + (env + 0.5) * cell, dy: "0.35em", "text-anchor": "end", "font-size": 11 }, width < 480 ? env : `env ${env}`));
    }
    for (let index = 0; index < s.size; index++) {
      const { t, env } = place(index, s.num_envs);
      const x = left + t * cell, y = top + env * cell, count = used[index];
      const chosen = now.has(index), lost = done && count === 0, often = count > epoch + 1;
      drawn.push(svg("rect", {
        x: x + 1, y: y + 1, width: cell - 2, height: cell - 2, rx: 2,
        fill: chosen ? "var(--teal)" : count > 0 ? "var(--teal)" : "var(--band)", "fill-opacity": chosen || count === 0 ? 1 : 0.22,
        stroke: lost ? "var(--bad)" : often ? "var(--amber)" : "none", "stroke-width": 2.5,
      }));
      drawn.push(svg("text", { x: x + cell / 2, y: y + cell / 2, dy: "0.35em", "text-anchor": "middle", "font-size": cell < 20 ? 10 : 12, style: chosen ? "fill: var(--paper)" : "" }, count));
    }
    let bottom = top + s.num_envs * cell;
    const shown = Array.from({ length: s.num_steps }, (_, t) => t).filter((t) => cell >= 20 || t % 2 === 0);
    drawn.push(bottomAxis(linear([0, 1], [left + cell / 2, left + 1.5 * cell]), shown, { y: bottom, title: { x: left + (s.num_steps * cell) / 2, text: "step t" } }));
    bottom += 48;

    // the gradient steps in their order, epoch by epoch
    drawn.push(svg("text", { x: 0, y: bottom + 6, "font-weight": 600 }, "gradient steps"));
    const gap = 8, block = Math.min(36, (right - gap * (s.epochs - 1)) / s.total);
    parts.forEach((part, i) => {
      const x = i * block + Math.floor(i / s.count) * gap, current = i === step - 1;
      drawn.push(svg("rect", { x: x + 0.5, y: bottom + 14, width: Math.max(block - 1.5, 1), height: 20, rx: 2, fill: current ? "var(--teal)" : "var(--band)", stroke: i < step ? "var(--teal)" : "var(--muted)", "stroke-width": 1, style: "cursor: pointer", onclick: () => {
        model.set("gradient_step", i + 1);
        model.save_changes();
      } }));
      if (block >= 16) drawn.push(svg("text", { x: x + block / 2, y: bottom + 24, dy: "0.35em", "text-anchor": "middle", "font-size": 11, "pointer-events": "none", style: current ? "fill: var(--paper)" : "" }, part.length));
      if (i % s.count === 0 && block * s.count >= 14) drawn.push(svg("text", { x, y: bottom + 50, "font-size": 11 }, block * s.count >= 60 ? `epoch ${i / s.count + 1}` : i / s.count + 1));
    });
    const height = bottom + 58;
    picture.replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, drawn));

    const low = Math.min(...final), high = Math.max(...final);
    const sizes = parts.slice(0, s.count).map((part) => part.length);
    const verdict = s.how === "in order" ? `Each step is used ${plural(s.epochs, "time")}, but every minibatch holds neighbours in time, the same ones in every epoch.`
      : never > 0 ? `After ${plural(s.epochs, "epoch")}, ${plural(never, "step")} of ${s.size} ${never === 1 ? "was" : "were"} never used${high > s.epochs ? `, and the most used one ${plural(high, "time")}` : ""}.`
      : low === high ? `After ${plural(s.epochs, "epoch")} each of the ${s.size} steps has been used exactly ${plural(low, "time")}.`
      : `After ${plural(s.epochs, "epoch")} the uses of a step lie between ${low} and ${high}.`;
    const lines = [
      `Gradient step ${step} of ${s.total}: epoch ${epoch + 1}, minibatch ${minibatch + 1} of ${s.count}, ${plural(parts[step - 1].length, "sample")}.${step === 1 ? " Here alone every ratio is 1." : ""}`,
      verdict + (s.num_minibatches > s.size ? ` More than ${s.size} minibatches cannot be made of ${s.size} steps.` : ""),
    ];
    return {
      label: `A grid of ${s.num_envs} environments and ${s.num_steps} steps, each with its number of uses, and ${s.total} gradient steps below. ${lines.join(" ")}`,
      readout: lines,
      table: [
        ["what", "number"], ["steps of the rollout", s.size], ["samples of each minibatch", sizes.every((n) => n === sizes[0]) ? sizes[0] : `${Math.min(...sizes)} or ${Math.max(...sizes)}`],
        ["gradient steps", s.total], ["fewest uses of a step", low], ["most uses of a step", high], ["steps never used", never],
      ],
    };
  }

  return frame({ model, el }, {
    watch: ["num_envs", "num_steps", "num_minibatches", "epochs", "how", "seed", "gradient_step"],
    controls: [
      slider(model, "num_envs", { label: "environments N", min: 1, max: 8 }),
      slider(model, "num_steps", { label: "steps T", min: 2, max: 16 }),
      slider(model, "num_minibatches", { label: "minibatches", min: 1, max: 8 }),
      slider(model, "epochs", { label: "epochs", min: 1, max: 6 }),
      choice(model, "how", { label: "how the steps are chosen", options: HOW }),
      at,
      html("div", { class: "explorable-buttons" },
        html("button", { type: "button", onclick: () => {
          model.set("seed", (model.get("seed") + 1) % 1000);
          model.save_changes();
        } }, "shuffle again"),
        preset(model, "one batch, one step", { num_minibatches: 1, epochs: 1, how: "shuffled", gradient_step: 1 }),
        preset(model, "with replacement, to the end", { num_minibatches: 4, epochs: 1, how: "with replacement", gradient_step: 4 }),
        preset(model, "a rest that is dropped", { num_envs: 5, num_steps: 7, num_minibatches: 8, epochs: 1, how: "rest dropped", gradient_step: 8 })),
    ],
    draw,
  });
}

export default { render };

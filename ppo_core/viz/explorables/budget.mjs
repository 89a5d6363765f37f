// Where the time of one iteration goes, and what one idea can save of it: three stacked bars on one time axis.
import { bottomAxis, brief, choice, fixed, frame, html, linear, preset, slider, svg, ticks } from "./common.mjs";

// --- the model, tested against Python ----------------------------------------------------------------------------

export const PARTS = ["policy", "environments", "advantages", "update"];
const WORKERS = 2, MINIBATCHES = 4, EPOCHS = 4;

// The milliseconds of one iteration, part by part: so much for a call, so much for each row of it.
export function iterationBudget({ num_envs: N, num_steps: T, step_us: c, actor, environments, gradient, costs }) {
  const [call, row] = costs[`actor ${actor}`], [rest, restRow] = costs.advantages;
  const [gradientCall, gradientRow] = costs[gradient], [arrays, arraysRow] = costs.arrays;
  const stepping = {
    loop: T * N * c,
    workers: T * (costs.workers[0] + c * Math.ceil(N / WORKERS)),
    arrays: T * c * (arrays + arraysRow * N),
  };
  const update = EPOCHS * (MINIBATCHES * gradientCall + T * N * gradientRow);
  return [T * (call + row * N), stepping[environments], T * (rest + restRow * N), update].map((us) => us / 1000);
}

export const sum = (numbers) => numbers.reduce((total, x) => total + x, 0);

// Amdahl's law: how many times as fast with one part `factor` times as fast, and the most that this part can give.
export function whatIf(budget, part, factor) {
  const total = sum(budget), own = budget[PARTS.indexOf(part)];
  return { speedup: total / (total - own + own / factor), limit: total / (total - own) };
}

// --- the picture -------------------------------------------------------------------------------------------------

const FREE = 1e9;
const STEP_TIMES = [1, 3, 10, 30, 100, 300, 1000, 3000, 10000];
const FACTORS = [1, 1.5, 2, 3, 5, 10, 30, 100, FREE];
const COLOURS = ["var(--teal)", "var(--amber)", "var(--violet)", "var(--muted)"];
const SHORT = ["policy", "environments", "advantages", "update"];
const TEXTBOOK = { actor: "torch", environments: "loop", gradient: "separate" };
const microseconds = (us) => (us < 1000 ? `${brief(us)} µs` : `${brief(us / 1000)} ms`);
const times = (x) => (x >= 100 ? brief(x) : fixed(x, 1));

export function render({ model, el }) {
  const hatch = `hatch-${Math.random().toString(36).slice(2)}`; // an id of its own, for a page with two of these

  function draw(picture, width) {
    const names = ["num_envs", "num_steps", "step_us", "actor", "environments", "gradient", "costs"];
    const chosen = Object.fromEntries(names.map((name) => [name, model.get(name)]));
    const [part, factor] = [model.get("part"), model.get("factor")];
    const index = PARTS.indexOf(part);
    const textbook = iterationBudget({ ...chosen, ...TEXTBOOK }), yours = iterationBudget(chosen);
    const { speedup, limit } = whatIf(yours, part, factor);
    const after = yours.map((ms, i) => (i === index ? ms / factor : ms));
    const [before, now, then] = [textbook, yours, after].map(sum);
    const steps = chosen.num_envs * chosen.num_steps;
    const left = 8, right = width - 14;
    const x = linear([0, Math.max(before, now)], [left, right]);
    const parts = [svg("defs", {}, svg("pattern", { id: hatch, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("rect", { width: 6, height: 6, fill: "var(--band)" }), svg("line", { x1: 0, x2: 0, y1: 0, y2: 6, stroke: "var(--muted)", "stroke-width": 2 })))];

    // the key: a coloured square for each part, as many in a row as fit
    let keyX = 0, top = 0;
    SHORT.forEach((name, i) => {
      const need = 30 + 7 * name.length;
      if (keyX + need > width) [keyX, top] = [0, top + 20];
      parts.push(svg("rect", { x: keyX, y: top + 3, width: 12, height: 12, fill: COLOURS[i] }), svg("text", { x: keyX + 17, y: top + 14, "font-size": 12 }, name));
      keyX += need;
    });
    top += 30;

    const bar = (title, budget) => {
      parts.push(svg("text", { x: 0, y: top + 13, "font-weight": 600 }, title));
      top += 21;
      let at = 0;
      budget.forEach((ms, i) => {
        const from = x(at), size = x(at + ms) - x(at);
        parts.push(svg("rect", { x: from, y: top, width: Math.max(0, size), height: 26, fill: COLOURS[i], stroke: "var(--paper)", "stroke-width": size > 4 ? 1 : 0 }));
        const share = `${Math.round((100 * ms) / sum(budget))} %`;
        if (size > 40) parts.push(svg("text", { x: from + size / 2, y: top + 17, "text-anchor": "middle", "font-size": 11, style: "fill: var(--paper)" }, share));
        at += ms;
      });
      top += 26;
      return at;
    };
    bar(`as in a textbook: ${brief(before)} ms`, textbook);
    top += 10;
    bar(`as chosen: ${brief(now)} ms`, yours);
    top += 10;
    const fast = factor >= FREE ? "for nothing" : factor === 1 ? "as it is" : `${brief(factor)} times as fast`;
    const end = bar(width < 420 ? `${part} ${fast}: ${brief(then)} ms` : `as chosen, ${part} ${fast}: ${brief(then)} ms`, after);
    if (now - end > 0) parts.push(svg("rect", { x: x(end), y: top - 26, width: Math.max(0, x(now) - x(end)), height: 26, fill: `url(#${hatch})` }));
    const floor = x(now - yours[index]);
    parts.push(svg("line", { x1: floor, x2: floor, y1: top - 32, y2: top + 6, stroke: "var(--ink)", "stroke-width": 1.5, "stroke-dasharray": "4 3" }));
    parts.push(bottomAxis(x, ticks(0, Math.max(before, now), width < 480 ? 3 : 7), { y: top + 6, format: brief, title: { x: (left + right) / 2, text: "milliseconds; dashed: the floor of this idea" } }));
    const height = top + 44;
    picture.replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, parts));

    const largest = PARTS[yours.indexOf(Math.max(...yours))];
    const most = whatIf(yours, largest, FREE).limit;
    const lines = [
      `As chosen: ${brief((1000 * steps) / now)} steps per second, ${times(before / now)} times the textbook's ${brief((1000 * steps) / before)}.`,
      `With ${part} ${fast}: ${fixed(speedup, 2)} times as fast; ${part} alone can give ${fixed(limit, 2)} at most.` +
        (largest === part ? " It is the largest part." : ` The largest part is ${largest}: at most ${fixed(most, 2)}.`),
    ];
    const rows = PARTS.map((name, i) => [name, fixed(textbook[i], 2), fixed(yours[i], 2), `${Math.round((100 * yours[i]) / now)} %`, fixed(whatIf(yours, name, FREE).limit, 2)]);
    return {
      label: `Three stacked bars: the parts of an iteration as in a textbook, as chosen, and with ${part} ${fast}. ${lines.join(" ")}`,
      readout: lines,
      table: [["part", "textbook, ms", "as chosen, ms", "share", "at most, times"], ...rows, ["all", fixed(before, 2), fixed(now, 2), "100 %", ""]],
    };
  }

  return frame({ model, el }, {
    watch: ["num_envs", "num_steps", "step_us", "actor", "environments", "gradient", "part", "factor", "costs"],
    controls: [
      slider(model, "num_envs", { label: "environments N", values: [1, 2, 4, 8, 16, 32, 64, 128, 256] }),
      slider(model, "num_steps", { label: "steps of a rollout T", values: [16, 32, 64, 128, 256, 512, 1024] }),
      slider(model, "step_us", { label: "one environment step", values: STEP_TIMES, format: microseconds }),
      choice(model, "actor", { label: "actions", options: [["torch", "PyTorch, every step"], ["numpy", "NumPy, the same weights"]] }),
      choice(model, "environments", { label: "environments", options: [["loop", "one after the other"], ["workers", "in two worker processes"], ["arrays", "all at once, as arrays"]] }),
      choice(model, "gradient", { label: "gradients", options: [["separate", "autograd, a tensor for each layer"], ["flat", "autograd, one flat tensor"], ["analytic", "written by hand"]] }),
      choice(model, "part", { label: "an idea makes this part", options: PARTS.map((name) => [name, name]) }),
      slider(model, "factor", { label: "times as fast", values: FACTORS, format: (f) => (f >= FREE ? "free" : `${brief(f)} ×`) }),
      html("div", { class: "explorable-buttons" },
        preset(model, "textbook", TEXTBOOK),
        preset(model, "ppo_core", { actor: "numpy", environments: "loop", gradient: "flat" }),
        preset(model, "all ideas", { actor: "numpy", environments: "arrays", gradient: "analytic" }),
        preset(model, "a physics simulator", { step_us: 300 })),
    ],
    draw,
  });
}

export default { render };

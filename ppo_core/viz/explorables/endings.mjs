// Three ways in which a row can be the last one, and four ways to treat it: what the row counts, and what reaches back.
import { bottomAxis, choice, fixed, frame, html, leftAxis, linear, preset, slider, svg, ticks } from "./common.mjs";

// --- the mathematics, tested against ppo_core --------------------------------------------------------------------

export const ROWS = 8, LAST = 4; // rows in the picture, and the row behind which something happens

// One environment: reward 1 in every row, the critic says 5 up to the last row and `finalValue` of what it led to. The rows
// behind belong to the next episode, of which the critic says `startValue`; after a cut they belong to the same one.
export function rows(ending, finalValue, startValue) {
  const behind = ending === "cut" ? finalValue : startValue;
  const index = [...Array(ROWS).keys()];
  return {
    rewards: index.map(() => 1),
    values: index.map((t) => (t <= LAST ? 5 : behind)),
    next_values: index.map((t) => (t < LAST ? 5 : t === LAST ? finalValue : behind)),
  };
}

// What a treatment does behind the last row: whether it counts a value, whose, and whether the sum goes on.
export function treatmentOf(ending, treatment) {
  if (treatment === "ignore") return { value: "below", goesOn: true };
  if (treatment === "rule") return { value: ending === "terminated" ? "none" : "last", goesOn: false };
  return { value: treatment === "always end" ? "none" : "last", goesOn: false };
}

// Whether the treatment is right for this ending; going on after a cut is what a longer rollout would do.
export function isRight(ending, treatment) {
  const { value, goesOn } = treatmentOf(ending, treatment);
  if (goesOn) return ending === "cut";
  return value === treatmentOf(ending, "rule").value;
}

// δ and A of all rows, from the last one backwards.
export function advantages(ending, treatment, gamma, gaeLambda, finalValue, startValue) {
  const { rewards, values, next_values } = rows(ending, finalValue, startValue);
  const { value, goesOn } = treatmentOf(ending, treatment);
  const counted = next_values.map((v, t) => (t !== LAST || value === "last" ? v : value === "below" ? values[LAST + 1] : 0));
  const deltas = rewards.map((r, t) => r + gamma * counted[t] - values[t]);
  const result = [...deltas];
  for (let t = ROWS - 2; t >= 0; t--) if (t !== LAST || goesOn) result[t] += gamma * gaeLambda * result[t + 1];
  return { deltas, advantages: result, counted: counted[LAST] };
}

// --- the picture -------------------------------------------------------------------------------------------------

const ENDINGS = [["terminated", "terminated: the machine broke"], ["truncated", "truncated: the hall closed"], ["cut", "cut: the page is full"]];
const TREATMENTS = [
  ["rule", "by the rule of this book"],
  ["always end", "no value, the sum stops"],
  ["always value", "value of the last observation, the sum stops"],
  ["ignore", "value of the row below, the sum goes on"],
];
const MARGIN = { left: 40, right: 8 };

export function render({ model, el }) {
  function draw(picture, width) {
    const [ending, treatment, gamma, gaeLambda, finalValue, startValue] = ["ending", "treatment", "gamma", "gae_lambda", "final_value", "start_value"].map((name) => model.get(name));
    const chosen = advantages(ending, treatment, gamma, gaeLambda, finalValue, startValue);
    const right = advantages(ending, "rule", gamma, gaeLambda, finalValue, startValue);
    const { values } = rows(ending, finalValue, startValue);
    const column = (width - MARGIN.left - MARGIN.right) / ROWS;
    const left = (t) => MARGIN.left + t * column;
    const narrow = column < 58;
    const parts = [];

    parts.push(svg("text", { x: 0, y: 14, "font-weight": 600 }, "The rows, and what the critic says before each"));
    for (let t = 0; t < ROWS; t++) {
      const behind = t > LAST;
      parts.push(svg("rect", { x: left(t) + 2, y: 26, width: column - 4, height: 40, rx: 4, fill: behind ? "none" : "var(--band)", stroke: behind ? "var(--violet)" : "var(--teal)", "stroke-width": 1.5, "stroke-dasharray": behind && ending !== "cut" ? "4 3" : null }));
      parts.push(svg("text", { x: left(t) + column / 2, y: 43, "text-anchor": "middle" }, narrow ? fixed(values[t], 1) : `V ${fixed(values[t], 1)}`));
      parts.push(svg("text", { x: left(t) + column / 2, y: 59, "text-anchor": "middle", "font-size": 11, fill: "var(--muted)" }, narrow ? "+1" : "pays 1"));
    }
    const edge = left(LAST + 1);
    const line = { terminated: { stroke: "var(--bad)", "stroke-width": 5 }, truncated: { stroke: "var(--amber)", "stroke-width": 3, "stroke-dasharray": "6 4" }, cut: { stroke: "var(--muted)", "stroke-width": 2 } }[ending];
    parts.push(svg("line", { x1: edge, x2: edge, y1: 20, y2: 74, ...line }));
    parts.push(svg("text", { x: edge - 5, y: 87, "text-anchor": "end", "font-size": 11 }, ending === "cut" ? "this rollout" : "this episode"));
    parts.push(svg("text", { x: edge + 5, y: 87, "font-size": 11 }, ending === "cut" ? "the next rollout" : "the next episode"));

    const top = 128, height = 150;
    const all = [0, ...chosen.advantages, ...right.advantages];
    const [low, high] = [Math.min(...all, -1), Math.max(...all, 1)];
    const y = linear([low - 0.08 * (high - low), high + 0.08 * (high - low)], [top + height, top]);
    parts.push(svg("text", { x: 0, y: top - 14, "font-weight": 600 }, narrow ? "Advantages (ring: by the rule)" : "Advantages as treated (ring: by the rule)"));
    parts.push(leftAxis(y, ticks(low, high, 4), { from: MARGIN.left, to: width - MARGIN.right }));
    parts.push(svg("line", { x1: edge, x2: edge, y1: top, y2: top + height, ...line, "stroke-width": 1.5 }));
    for (let t = 0; t < ROWS; t++) {
      const a = chosen.advantages[t], off = Math.abs(a - right.advantages[t]) > 1e-9 && !isRight(ending, treatment);
      const bar = Math.min(26, column * 0.5);
      parts.push(svg("rect", { x: left(t) + (column - bar) / 2, width: bar, y: Math.min(y(0), y(a)), height: Math.max(1.5, Math.abs(y(a) - y(0))), fill: t > LAST ? "none" : off ? "var(--bad)" : "var(--teal)", stroke: t > LAST ? "var(--violet)" : off ? "var(--bad)" : "var(--teal)", "stroke-width": 1.5 }));
      parts.push(svg("circle", { cx: left(t) + column / 2, cy: y(right.advantages[t]), r: 5, fill: "var(--paper)", stroke: "var(--ink)", "stroke-width": 1.5 }));
    }
    parts.push(bottomAxis((t) => left(t) + column / 2, [...Array(ROWS).keys()], { y: top + height, title: { x: (MARGIN.left + width - MARGIN.right) / 2, text: "row t" } }));
    picture.replaceChildren(svg("svg", { width, height: top + height + 36, viewBox: `0 0 ${width} ${top + height + 36}` }, parts));

    const { value, goesOn } = treatmentOf(ending, treatment);
    const whose = value === "none" ? "no value" : `γ · ${fixed(chosen.counted, 1)}, the value of ${value === "last" ? "what the action led to" : "the row below"}`;
    const delta = `Row ${LAST} counts ${whose}: δ = 1 ${value === "none" ? "" : `+ ${fixed(gamma, 1)} · ${fixed(chosen.counted, 1)} `}− 5 = ${fixed(chosen.deltas[LAST])}, and A = ${fixed(chosen.advantages[LAST])}.`;
    const worst = Math.max(...chosen.advantages.slice(0, LAST + 1).map((a, t) => Math.abs(a - right.advantages[t])));
    const story = isRight(ending, treatment)
      ? (goesOn && ending === "cut" ? "Right too: this is what a longer rollout would have done. The rings show the rollout that stops here." : "Right: this is what the ending means.")
      : { terminated: value === "last" ? "Wrong: the task is over, and nothing follows." : "Wrong: the row below belongs to another episode, and the task was over.", truncated: value === "none" ? "Wrong: only the watching stopped; the task goes on, and its value counts." : "Wrong: the row below belongs to another episode, whose value and rewards have nothing to do with this action.", cut: "Wrong: nothing ended. The rollout is over, the episode is not." }[ending]
        + (worst < 0.005 ? " With these numbers it cannot be seen." : ` The largest error of an advantage is ${fixed(worst)}.`);
    const table = TREATMENTS.flatMap(([name, text]) => ENDINGS.map(([end]) => {
      const result = advantages(end, name, gamma, gaeLambda, finalValue, startValue);
      return [end, text, fixed(result.deltas[LAST]), fixed(result.advantages[0]), isRight(end, name) ? "right" : "wrong"];
    }));
    return {
      label: `Eight rows of one environment; behind row ${LAST} it was ${ending}. Below, the advantages as treated and by the rule. ${delta} ${story}`,
      readout: [delta, story],
      table: [["ending", "treatment", `δ of row ${LAST}`, "A of row 0", ""], ...table],
    };
  }

  return frame({ model, el }, {
    watch: ["ending", "treatment", "gamma", "gae_lambda", "final_value", "start_value"],
    controls: [
      choice(model, "ending", { label: "what happened behind row 4", options: ENDINGS }),
      choice(model, "treatment", { label: "how the code treats it", options: TREATMENTS }),
      slider(model, "final_value", { label: "V of what row 4 led to", min: 0, max: 10, step: 0.5, format: (v) => fixed(v, 1) }),
      slider(model, "start_value", { label: "V of the next episode's start", min: 0, max: 10, step: 0.5, format: (v) => fixed(v, 1) }),
      slider(model, "gae_lambda", { label: "λ", min: 0, max: 1, step: 0.05, format: (l) => fixed(l) }),
      html("div", { class: "explorable-buttons" },
        preset(model, "truncation as a death", { ending: "truncated", treatment: "always end", final_value: 5, start_value: 2 }),
        preset(model, "truncation ignored", { ending: "truncated", treatment: "ignore", final_value: 5, start_value: 2 }),
        preset(model, "no value at the cut", { ending: "cut", treatment: "always end", final_value: 5, start_value: 2 }),
        preset(model, "a start that looks alike", { ending: "truncated", treatment: "ignore", final_value: 5, start_value: 5 })),
    ],
    draw,
  });
}

export default { render };

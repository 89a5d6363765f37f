// The rows that a vector environment returns in each autoreset mode, one call at a time: which of them is a transition.
import { choice, fixed, frame, html, preset, slider, svg } from "./common.mjs";

// --- the mechanism, tested against Gymnasium ---------------------------------------------------------------------

export const CALLS = 12;

// One climber: every step leads one stair up and pays 1, and the episode is truncated after `limit` steps. For each call of
// `step`: the stair acted on, the stair returned in obs, the reward, the flag, final_obs (or null), whether the row is a
// transition, its true successor, and what the policy sees next (after the reset by mask in DISABLED mode).
export function calls(mode, limit, count = CALLS) {
  const result = [];
  let stair = 0, resets = false;
  for (let call = 0; call < count; call++) {
    const before = stair;
    if (resets) {
      result.push({ before, returned: 0, reward: 0, truncated: false, final: null, valid: false, successor: 0, sees: 0 });
      [stair, resets] = [0, false];
      continue;
    }
    const successor = before + 1, truncated = successor === limit;
    const same = truncated && mode === "SAME_STEP";
    const sees = truncated && mode !== "NEXT_STEP" ? 0 : successor;
    result.push({ before, returned: same ? 0 : successor, reward: 1, truncated, final: same ? successor : null, valid: true, successor, sees });
    [stair, resets] = [sees, truncated && mode === "NEXT_STEP"];
  }
  return result;
}

// --- the picture -------------------------------------------------------------------------------------------------

const MODES = [["NEXT_STEP", "NEXT_STEP, a call later"], ["SAME_STEP", "SAME_STEP, at once"], ["DISABLED", "DISABLED, by your mask"]];
const HEIGHT = 76;

export function render({ model, el }) {
  const pick = (call) => {
    model.set("call", call);
    model.save_changes();
  };

  function draw(picture, width) {
    const mode = model.get("mode"), limit = model.get("limit"), chosen = Math.min(model.get("call"), CALLS);
    const all = calls(mode, limit);
    const perLine = width < 520 ? 4 : width < 700 ? 6 : 12;
    const lines = Math.ceil(CALLS / perLine), column = width / perLine;
    const parts = [svg("text", { x: 0, y: 14, "font-weight": 600 }, "Each call: obs before → obs returned")];
    all.forEach((row, i) => {
      const x = (i % perLine) * column, y = 26 + Math.floor(i / perLine) * (HEIGHT + 34);
      const hidden = i >= chosen, now = i === chosen - 1;
      const colour = !row.valid ? "var(--bad)" : row.truncated ? "var(--amber)" : "var(--teal)";
      const words = [svg("text", { x: x + column / 2, y: y + HEIGHT + 15, "text-anchor": "middle", "font-size": 11 }, `call ${i + 1}`)];
      words.push(svg("rect", { x: x + 3, y, width: column - 6, height: HEIGHT, rx: 5, fill: hidden ? "none" : "var(--band)", stroke: hidden ? "var(--edge)" : colour, "stroke-width": now ? 4 : 1.5, "stroke-dasharray": !hidden && !row.valid ? "5 4" : null }));
      if (!hidden) {
        words.push(svg("text", { x: x + column / 2, y: y + 20, "text-anchor": "middle", "font-weight": 600 }, `${row.before} → ${row.returned}`));
        words.push(svg("text", { x: x + column / 2, y: y + 40, "text-anchor": "middle", "font-size": 11 }, row.valid ? "pays 1" : "no step"));
        words.push(svg("text", { x: x + column / 2, y: y + 60, "text-anchor": "middle", "font-size": 11 }, row.truncated ? (row.final === null ? "truncated" : `final ${row.final}`) : row.valid ? "" : "pays 0"));
      }
      if (!hidden && row.truncated && mode === "DISABLED") words.push(svg("text", { x: x + column, y: y + HEIGHT + 29, "text-anchor": i % perLine === perLine - 1 ? "end" : "middle", "font-size": 11 }, "reset → 0"));
      parts.push(svg("g", { style: "cursor: pointer", onclick: () => pick(i + 1) }, words, svg("rect", { x, y, width: column, height: HEIGHT, fill: "transparent" })));
    });
    const height = 26 + lines * (HEIGHT + 34);
    picture.replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, parts));

    const seen = all.slice(0, chosen), row = seen[chosen - 1];
    const real = seen.filter((r) => r.valid).length;
    const lines_ = chosen === 0 ? ["No call yet: reset() has returned stair 0."] : [
      `Call ${chosen} acted on stair ${row.before} and returned obs = ${row.returned}, reward ${row.reward}, truncated ${row.truncated ? "true" : "false"}${row.final === null ? "" : `, infos["final_obs"] = ${row.final}`}.`,
      !row.valid ? "This row is no transition. The action was ignored, the reward is 0 whatever the task pays, and nobody climbed from the last stair to the first. Mask it; nothing in the row itself says so, only the flag of the row before."
        : !row.truncated ? `A transition like any other: next_obs = ${row.successor}, and the policy sees it next.`
        : mode === "NEXT_STEP" ? `The episode was truncated. This row is real, next_obs = ${row.successor}; the next call will only reset.`
        : mode === "SAME_STEP" ? `The episode was truncated and has been reset already. The step is real, but its successor is not obs: next_obs = ${row.final}, from the infos; the policy sees 0 next.`
        : `The episode was truncated. next_obs = ${row.successor}; you reset with a mask, and the policy sees 0 next.`,
      `So far: ${chosen} ${chosen === 1 ? "row" : "rows"}, ${real} of them real.`,
    ];
    const table = seen.map((r, i) => [i + 1, r.before, r.returned, fixed(r.reward, 0), r.truncated ? "true" : "false", r.final ?? "–", r.valid ? "yes" : "no", r.valid ? r.successor : "–", r.sees]);
    return {
      label: `The first ${chosen} of ${CALLS} calls of step in ${mode} mode, with a limit of ${limit} steps. ${lines_.join(" ")}`,
      readout: lines_,
      table: [["call", "obs before", "obs returned", "reward", "truncated", "final_obs", "valid", "next_obs", "policy sees"], ...table],
    };
  }

  return frame({ model, el }, {
    watch: ["mode", "limit", "call"],
    controls: [
      choice(model, "mode", { label: "autoreset mode", options: MODES }),
      slider(model, "limit", { label: "time limit in steps", min: 1, max: 5 }),
      slider(model, "call", { label: "calls of step", min: 0, max: CALLS }),
      html("div", { class: "explorable-buttons" },
        html("button", { type: "button", onclick: () => pick(Math.min(CALLS, model.get("call") + 1)) }, "one call more"),
        preset(model, "from the start", { call: 0 }),
        preset(model, "all calls", { call: CALLS })),
    ],
    draw,
  });
}

export default { render };

// Opens a notebook in a real JupyterLab and moves every explorable in it: from Python into the page, and back.
//
//   node tests/browser/lab.mjs URL COUNT       URL with token, of a server started with expose_app_in_browser
//
// The notebook has a first cell, then three cells for each of the COUNT explorables: show it; change a trait in Python;
// print the traits that were moved in the page. Answers with one JSON line for each explorable.
// Chromium: /usr/bin/chromium, or what the variable CHROMIUM names.
import { chromium } from "playwright-core";

const [url, count] = [process.argv[2], Number(process.argv[3])];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  ],
});
const tab = await browser.newPage({ viewport: { width: 1280, height: 900 } });
const errors = [];
tab.on("pageerror", (error) => errors.push(String(error)));
await tab.goto(url);
await tab.waitForFunction(() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === "idle", null, { timeout: 90000 });

/** Run one cell of the notebook and wait until the kernel has answered. */
async function run(index) {
  await tab.evaluate(async (index) => {
    const app = window.jupyterapp;
    const notebook = app.shell.currentWidget.content;
    notebook.activeCellIndex = index;
    await app.commands.execute("notebook:run-cell");
  }, index);
}
const output = (index) => tab.evaluate((index) => {
  const cell = window.jupyterapp.shell.currentWidget.content.widgets[index].model;
  return cell.outputs.toJSON().map((one) => [one.text ?? "", one.evalue ?? ""].flat().join("")).join("");
}, index);

await run(0);
for (let k = 0; k < count; k++) {
  const [show, change, report] = [1 + 3 * k, 2 + 3 * k, 3 + 3 * k];
  const seen = { started: false, fromPython: false, changed: "", errors };
  await run(show);
  await tab.evaluate((index) => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    return notebook.scrollToItem(index, "start");
  }, show);
  const boxes = tab.locator(".jp-OutputArea-output .explorable");
  const box = boxes.last();
  try {
    await tab.waitForFunction((k) => document.querySelectorAll(".jp-OutputArea-output .explorable").length > 0, k, { timeout: 15000 });
    await box.locator("input, select, button").first().waitFor({ state: "attached", timeout: 15000 });
    seen.started = true;
    const look = () => box.evaluate((element) => element.innerHTML + [...element.querySelectorAll("input, output, select")].map((one) => `${one.value} ${one.checked}`).join());
    const before = await look();
    await run(change);
    for (let wait = 0; wait < 40 && !seen.fromPython; wait++) {
      seen.fromPython = (await look()) !== before;
      await tab.waitForTimeout(50);
    }
    const inputs = box.locator("input[type=range]:not([disabled]), select, input[type=checkbox], input[type=radio], button");
    const first = inputs.first();
    const kind = await first.evaluate((one) => one.type);
    const keys = { range: ["ArrowRight", "ArrowLeft", "ArrowLeft"], "select-one": ["ArrowDown"] }[kind] ?? ["Space"];
    for (const key of keys) await first.press(key);
    await tab.waitForTimeout(300);
    await run(report);
    for (let wait = 0; wait < 40 && !seen.changed; wait++) {
      seen.changed = await output(report);
      await tab.waitForTimeout(50);
    }
  } catch (error) {
    errors.push(String(error).split("\n")[0]);
  }
  seen.shown = await output(show);
  process.stdout.write(JSON.stringify(seen) + "\n");
  errors.length = 0;
  await tab.evaluate((index) => { // the next explorable is then the last one on the page
    const app = window.jupyterapp;
    app.shell.currentWidget.content.activeCellIndex = index;
    return app.commands.execute("notebook:clear-cell-output");
  }, show);
}
await browser.close();

// Starts an explorable in a page without a kernel. Its text follows the explorable's own in one inline module script,
// so that nothing is fetched and a page opened from disk works as well.

// What an explorable asks of a Jupyter model, over a plain object: there is no kernel, so nothing is saved.
export function plainModel(state) {
  const listeners = {};
  return {
    get: (name) => state[name],
    set(name, value) {
      if (Object.is(state[name], value)) return;
      state[name] = value;
      for (const listener of [...(listeners[`change:${name}`] || []), ...(listeners.change || [])]) listener();
    },
    on(event, listener) {
      (listeners[event] ||= new Set()).add(listener);
    },
    off(event, listener) {
      listener ? listeners[event]?.delete(listener) : delete listeners[event];
    },
    save_changes() {},
  };
}

// Scripts of a page run in order, so the first container that waits for this explorable is the one before the script.
export function start(name, render) {
  const el = document.querySelector(`.explorable[data-explorable="${name}"]:not([data-started])`);
  if (!el) return;
  el.dataset.started = "";
  const fallback = [...el.childNodes];
  try {
    const state = JSON.parse(el.querySelector('script[type="application/json"]').textContent);
    render({ model: plainModel(state), el });
  } catch (error) {
    el.replaceChildren(...fallback); // the description in words stays
    console.error(`The explorable "${name}" did not start:`, error);
  }
}

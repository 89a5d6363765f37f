// Repairs for people who read with the keyboard or with a screen reader, and a quiet bar for the film of the front page.
// Nothing here is needed to read: without it the film has the browser's own controls.
(() => {
  // A formula or a table that is wider than its box scrolls: let the keyboard reach it.
  const scrollers = "mjx-container[display='true'], .pst-scrollable-table-container, div.highlight pre";
  const reach = () => {
    for (const box of document.querySelectorAll(scrollers)) {
      const scrolls = box.scrollWidth > box.clientWidth + 1;
      if (scrolls && !box.hasAttribute("tabindex")) {
        box.tabIndex = 0;
        box.dataset.reach = "";
      } else if (!scrolls && "reach" in box.dataset) {
        box.removeAttribute("tabindex");
        delete box.dataset.reach;
      }
    }
  };
  // The bars above hidden cells and the search button: their names must contain the words that they show.
  const rename = () => {
    for (const bar of document.querySelectorAll("details.hide > summary[aria-label]")) bar.removeAttribute("aria-label");
    for (const button of document.querySelectorAll(".search-button-field[aria-label]")) button.removeAttribute("aria-label");
    // Sphinx sets the parameters of a long signature as a list of definitions without terms, which is no list at all.
    for (const old of document.querySelectorAll("dt.sig dl > dd, dt.sig dl")) {
      const plain = document.createElement("div");
      plain.className = old.tagName === "DD" ? "parameter" : "parameters";
      plain.append(...old.childNodes);
      old.replaceWith(plain);
    }
    // Roles that the writer of the list of sources gives away and that no longer exist.
    for (const list of document.querySelectorAll(".citation-list, .citation-list > .citation, .citation-list .label, .citation-list .backrefs")) list.removeAttribute("role");
    const sidebar = document.getElementById("pst-primary-sidebar");
    sidebar?.setAttribute("role", "region");
    sidebar?.setAttribute("aria-label", "The book");
  };

  // The browser's controls lie over the picture, and its lowest track is what matters: put a bar below instead.
  const film = (box) => {
    const video = box.querySelector("video");
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const range = Object.assign(document.createElement("input"), { type: "range", min: 0, max: box.dataset.seconds, step: 0.04, value: 0 });
    range.setAttribute("aria-label", "Position in the film, in seconds");
    const bar = document.createElement("div");
    bar.className = "film-bar";
    bar.append(button, range);
    box.append(bar);
    video.controls = false;
    const show = () => {
      button.textContent = video.paused ? (video.ended ? "Play again" : "Play") : "Pause";
      range.value = video.currentTime;
      if (!video.paused) requestAnimationFrame(show);
    };
    const toggle = () => (video.paused ? video.play() : video.pause());
    button.addEventListener("click", toggle);
    video.addEventListener("click", toggle);
    for (const event of ["play", "pause", "ended", "seeked"]) video.addEventListener(event, show);
    range.addEventListener("input", () => {
      video.pause();
      const seek = () => (video.currentTime = range.value);
      if (video.readyState) return seek();
      video.addEventListener("loadedmetadata", seek, { once: true });
      video.preload = "auto";
      video.load();
    });
    show();
  };
  // A printed page has no buttons to press: open what is closed, and close it again afterwards.
  const opened = [];
  addEventListener("beforeprint", () => {
    for (const d of document.querySelectorAll(".bd-article details:not([open])")) {
      d.open = true;
      opened.push(d);
    }
  });
  addEventListener("afterprint", () => {
    for (const d of opened.splice(0)) d.open = false;
  });

  addEventListener("DOMContentLoaded", () => {
    rename();
    reach();
    document.querySelectorAll(".film[data-seconds]").forEach(film);
  });
  addEventListener("load", () => {
    reach();
    window.MathJax?.startup?.promise?.then(reach);
  });
  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(reach, 150);
  });
  addEventListener("toggle", reach, true);
})();

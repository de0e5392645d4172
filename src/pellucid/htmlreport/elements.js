"use strict";
// Parts that both pages share: elements, charts, two pictures under a divider, theme and print. Text from data only ever becomes
// text nodes and attribute values.
const pages = (() => {
  const unique = (values) => [...new Set(values)];
  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
  const written = (value, digits) => (value === null ? "–" : value === Infinity ? "identical" : value.toFixed(digits).replace("-", "−"));

  // -- elements -------------------------------------------------------------------------------------------------------

  const at = (id) => document.getElementById(id);

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  function chooser(label, options, chosen, onChange) {
    const select = make("select", {}, ...options.map(([value, text]) => make("option", { value, selected: value === chosen }, text)));
    select.addEventListener("change", () => onChange(select.value));
    return { select, label: make("label", {}, label, select) };
  }

  function dataTable(caption, head, body) {
    return make("details", { class: "behind" },
      make("summary", {}, caption),
      make("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": caption },
        make("table", {},
          make("thead", {}, make("tr", {}, ...head.map((text, index) => make("th", { scope: "col", class: index ? null : "method" }, text)))),
          make("tbody", {}, ...body.map(([first, ...cells]) => make("tr", {}, make("th", { scope: "row" }, first), ...cells.map((cell) => make("td", {}, cell))))))));
  }

  function plain(value) {
    if (value === null || value === undefined) return "not stated";
    if (value === true) return "yes";
    if (value === false) return "no";
    if (Array.isArray(value)) return value.length ? value.map(plain).join(", ") : "none";
    if (typeof value === "object") {
      const entries = Object.entries(value);
      return entries.length ? entries.map(([key, inner]) => `${key}: ${plain(inner)}`).join("; ") : "none";
    }
    return String(value);
  }

  function sections() {
    const shown = [...document.querySelectorAll("main > section:not([hidden])")];
    at("sections").append(make("ul", {}, ...shown.map((section) =>
      make("li", {}, make("a", { href: `#${section.id}` }, section.querySelector("h2").textContent)))));
  }

  // -- charts ---------------------------------------------------------------------------------------------------------

  const charts = [];

  function colour(name) {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  }

  const family = () => getComputedStyle(document.body).fontFamily;

  function axis(title, more = {}) {
    const line = colour("--line");
    const muted = colour("--muted");
    return {
      title: { display: true, text: title, color: muted, font: { size: document.body.clientWidth < 480 ? 11 : 12.5 } },
      grid: { color: line, tickColor: line },
      border: { color: muted },
      ticks: { color: muted, font: { size: 12 }, ...more.ticks },
      ...Object.fromEntries(Object.entries(more).filter(([key]) => key !== "ticks")),
    };
  }

  function tooltip(callbacks) {
    return { enabled: true, displayColors: false, backgroundColor: colour("--ink"), titleColor: colour("--paper"), bodyColor: colour("--paper"), callbacks };
  }

  // A chart in its figure. "config" makes the whole configuration anew: colours follow the theme, data the choices.
  function drawing(config, { label, height }) {
    const canvas = make("canvas", { role: "img", "aria-label": label() });
    const holder = make("div", { class: "chart" }, canvas);
    const caption = make("figcaption");
    const tables = make("div");
    const figure = make("figure", {}, holder, caption, tables);
    let chart = null;
    function draw() {
      if (height) holder.style.height = `${height()}px`;
      const { options, ...rest } = config(holder.clientWidth);
      const whole = { ...rest, options: { animation: false, responsive: true, maintainAspectRatio: false, locale: "en", ...options } };
      canvas.setAttribute("aria-label", label());
      if (chart) {
        chart.data = whole.data;
        chart.options = { ...whole.options, devicePixelRatio: chart.forPrint ? 3 : undefined };
        chart.update("none");
      } else {
        chart = new Chart(canvas, whole);
        charts.push({ draw, get chart() { return chart; }, holder });
      }
    }
    return { figure, caption, tables, draw, canvas };
  }

  // -- pictures -------------------------------------------------------------------------------------------------------

  const AMPLIFIED = 4;

  // |picture - clean| times AMPLIFIED, channel by channel, as another data URI.
  async function difference(source, clean, width, height) {
    async function values(src) {
      const image = new Image();
      image.src = src;
      await image.decode();
      const canvas = make("canvas", { width, height });
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      return { canvas, context, pixels: context.getImageData(0, 0, width, height) };
    }
    const [one, two] = [await values(source), await values(clean)];
    const a = one.pixels.data;
    const b = two.pixels.data;
    for (let index = 0; index < a.length; index += 1) {
      if (index % 4 !== 3) a[index] = AMPLIFIED * Math.abs(a[index] - b[index]);
    }
    one.context.putImageData(one.pixels, 0, 0);
    return one.canvas.toDataURL("image/png");
  }

  const inDecibels = (value) => `${written(value, 2)} dB`;

  function picture(shown, panel) {
    return make("img", { class: "pixels", src: panel.src, width: shown.width, height: shown.height, decoding: "async", alt: describe(shown, panel, false) });
  }

  function describe(shown, panel, differs) {
    return `${shown.image}, ${shown.noise}, ${panel.what ?? panel.name}${differs ? `: difference from clean, times ${AMPLIFIED}` : ""}`;
  }

  let counter = 0;

  // An image's panels beside each other, and two of them under a divider. "shown" names the image and its noise, with its size in
  // pixels and, where there is one, the clean picture; a panel has a name, a picture, a score or null, and "model".
  // "text" writes a finite score, "higher" is whether more is better.
  function compared(shown, panels, { left: first, right: second, text = inDecibels, higher = true }) {
    const id = `exhibit-${(counter += 1)}`;
    const scores = panels.map((panel) => panel.score).filter((value) => value !== null);
    const best = scores.length > 1 ? (higher ? Math.max : Math.min)(...scores) : null;
    const scored = ({ score }) => (score === null ? "" : score === Infinity ? "identical" : text(score));
    const images = panels.map((panel) => picture(shown, panel));
    const strip = make("div", { class: "strip", tabindex: 0, role: "group", "aria-label": `Pictures of ${shown.image} at ${shown.noise}` },
      ...panels.map((panel, index) => make("figure", { class: panel.model ? "panel model" : "panel" }, images[index],
        make("figcaption", {}, make("b", {}, panel.name), make("span", { class: panel.score !== null && panel.score === best ? "top" : null }, scored(panel))))));

    // The comparison: the right picture below, the left one over it as far as the divider.
    const state = { left: first, right: second, differs: false };
    const under = picture(shown, panels[state.right]);
    const over = picture(shown, panels[state.left]);
    const divider = make("div", { class: "divider" });
    const slider = make("input", { type: "range", min: 0, max: 100, step: 1, value: 50 });
    const stage = make("div", { class: "stage" }, under, make("div", { class: "over" }, over), divider, slider);
    const options = panels.map((panel, index) => [String(index), panel.score === null ? panel.name : `${panel.name}, ${scored(panel)}`]);
    const left = chooser("Left", options, String(state.left), (value) => { state.left = Number(value); refresh(); });
    const right = chooser("Right", options, String(state.right), (value) => { state.right = Number(value); refresh(); });
    const zoom = chooser("Size", [["1", "100 %"], ["2", "200 %"], ["3", "300 %"]], String(shown.zoom ?? 1), (value) => article.style.setProperty("--zoom", value));
    const differs = make("input", { type: "checkbox", class: "differs" });
    const check = make("label", { class: "check" }, differs, `Difference from clean, ×${AMPLIFIED}`);

    function moved() {
      stage.style.setProperty("--at", `${slider.value}%`);
      slider.setAttribute("aria-valuetext", `${slider.value} % ${panels[state.left].name}, the rest ${panels[state.right].name}`);
    }
    function refresh() {
      const source = (panel) => (state.differs ? panel.difference : panel.src);
      panels.forEach((panel, index) => { images[index].src = source(panel); images[index].alt = describe(shown, panel, state.differs); });
      for (const [image, index] of [[under, state.right], [over, state.left]]) {
        image.src = source(panels[index]);
        image.alt = describe(shown, panels[index], state.differs);
      }
      slider.setAttribute("aria-label", `Divider between ${panels[state.left].name} and ${panels[state.right].name}`);
      article.dataset.view = state.differs ? "difference" : "pictures";
      moved();
    }
    slider.addEventListener("input", moved);
    differs.addEventListener("change", async () => {
      if (differs.checked) {
        for (const panel of panels) panel.difference ??= await difference(panel.src, shown.clean, shown.width, shown.height);
      }
      state.differs = differs.checked;
      refresh();
    });

    const article = make("article", { class: "exhibit", "aria-labelledby": id, style: `--w: ${Number(shown.width)}; --h: ${Number(shown.height)}; --zoom: ${Number(shown.zoom ?? 1)}` },
      make("header", {}, make("h3", { id }, shown.image), make("span", {}, shown.noise)),
      make("div", { class: "compare control" }, make("div", { class: "window" }, stage),
        make("div", { class: "sides" }, left.label, right.label, zoom.label, shown.clean ? check : null,
          make("p", {}, "Drag across the picture, or use the arrow keys."))),
      strip);
    refresh();
    return article;
  }

  // -- theme and print ------------------------------------------------------------------------------------------------

  const THEMES = { "": "automatic", light: "light", dark: "dark" };
  const root = document.documentElement;
  const redraw = () => charts.forEach((entry) => entry.draw());

  at("theme").addEventListener("click", () => {
    const names = Object.keys(THEMES);
    const next = names[(names.indexOf(root.dataset.theme ?? "") + 1) % names.length];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    at("theme").textContent = `Colours: ${THEMES[next]}`;
    redraw();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  // On paper: light, details open, charts of one width whatever the window was.
  const PRINTED = { width: 980, height: 430 };
  let before = null;
  window.addEventListener("beforeprint", () => {
    if (before) return;
    const closed = [...document.querySelectorAll("details:not([open])")];
    before = { theme: root.dataset.theme, closed };
    root.dataset.theme = "light";
    closed.forEach((details) => { details.open = true; });
    for (const { chart, draw, holder } of charts) {
      const height = holder.style.height ? holder.clientHeight : PRINTED.height;
      chart.forPrint = true;
      draw();
      chart.resize(PRINTED.width, height);
    }
  });
  window.addEventListener("afterprint", () => {
    if (!before) return;
    if (before.theme) root.dataset.theme = before.theme;
    else delete root.dataset.theme;
    before.closed.forEach((details) => { details.open = false; });
    before = null;
    for (const { chart, draw } of charts) {
      chart.forPrint = false;
      draw();
      chart.resize();
    }
  });

  Chart.defaults.font.family = family();
  return { at, axis, charts, chooser, colour, compared, dataTable, drawing, family, isNumber, make, plain, sections, tooltip, unique, written };
})();

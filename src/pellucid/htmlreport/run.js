// Draws the page of a training run from the two JSON elements in it.
(() => {
  const { at, axis, colour, compared, dataTable, drawing, chooser, isNumber, make, plain, sections, tooltip, written } = pages;
  const run = JSON.parse(at("run").textContent);
  const pictures = JSON.parse(at("pictures").textContent);
  const history = run.history;

  // -- head -----------------------------------------------------------------------------------------------------------

  function listed(title, lines) {
    if (!lines.length) return null;
    return make("div", { class: "notice" }, make("strong", {}, title), make("ul", {}, ...lines.map((line) => make("li", {}, line))));
  }

  function head() {
    at("heading").textContent = run.name;
    at("lead").textContent = run.lead;
    at("notices").append(...[listed("About the images:", run.warnings), listed("Notes:", run.notes)].filter(Boolean));
    const download = at("download");
    download.href = URL.createObjectURL(new Blob([at("run").textContent], { type: "application/json" }));
    download.download = `${run.name.replace(/[^\p{L}\p{N}._-]+/gu, "-")}.json`;
  }

  function about() {
    for (const { title, facts } of run.about) {
      const list = make("dl", {}, ...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, plain(value)))));
      at("about-body").append(make("details", { class: "protocol", open: true }, make("summary", {}, title), list));
    }
  }

  // -- scores ---------------------------------------------------------------------------------------------------------

  function table(name, what, digits, methods, rows, valueOf, higher = true) {
    const own = methods.at(-1);
    const cells = rows.map((row) => methods.map((method) => valueOf(row, method)));
    const bests = cells.map((values) => (higher ? Math.max : Math.min)(...values.filter(isNumber).map((value) => Number(value.toFixed(digits)))));
    return make("div", { class: "matrix scroll", tabindex: 0, role: "group", "aria-label": `Table: ${name}` },
      make("table", {},
        make("caption", {}, make("span", {}, make("strong", {}, name), `: ${what}; ${higher ? "higher" : "lower"} is better, best in bold.`)),
        make("thead", {}, make("tr", {}, make("th", { scope: "col", class: "method" }, ""), ...rows.map((row) => make("th", { scope: "col" }, row.noise)))),
        make("tbody", {}, ...methods.map((method, index) =>
          make("tr", { class: method === own ? "model" : index === 0 ? "none" : null },
            make("th", { scope: "row" }, method),
            ...cells.map((values, column) => {
              const value = values[index];
              if (!isNumber(value)) return make("td", {}, "–");
              return make("td", { class: methods.length > 1 && Number(value.toFixed(digits)) === bests[column] ? "best" : null }, written(value, digits));
            }))))));
  }

  function scores() {
    const scored = run.scores;
    if (!scored && !run.unscored) return;
    at("scores").hidden = false;
    const body = at("scores-body");
    if (!scored) {
      body.append(make("p", { class: "note" }, run.unscored));
      return;
    }
    body.append(make("p", { class: "note" }, scored.said));
    body.append(table(run.metric.title, `${run.metric.summary}; mean over the images`, run.metric.digits, scored.methods, scored.rows, (row, method) => row.score[method], run.metric.higher_is_better));
    if (scored.rows.some((row) => Object.keys(row.ssim).length)) {
      body.append(make("div", { class: "behind" }, table("SSIM", "structural similarity, mean over the images, 1 is identical", 4, scored.methods, scored.rows, (row, method) => row.ssim[method])));
    }
  }

  // -- pictures -------------------------------------------------------------------------------------------------------

  function gallery() {
    if (!pictures.length) return;
    at("samples").hidden = false;
    at("samples-body").append(make("p", { class: "note" }, run.pictured), ...pictures.map((shown) => {
      const panels = [
        ...(shown.clean ? [{ name: "clean", src: shown.clean, score: null }] : []),
        { name: shown.given, src: shown.noisy, score: shown.psnr?.[0] ?? null },
        { name: "restored", src: shown.restored, score: shown.psnr?.[1] ?? null, model: true },
      ];
      return compared(shown, panels, { left: panels.length - 2, right: panels.length - 1 });
    }));
  }

  // -- curves ---------------------------------------------------------------------------------------------------------

  const AXES = { minutes: "minutes", step: "steps" };
  const POINTS = ["circle", "rectRot", "triangle", "rect", "star", "crossRot", "cross"];
  const shortOf = (value) => (Math.abs(value) >= 100 ? value.toFixed(1) : String(Number(value.toPrecision(4)))).replace("-", "−");

  // A chart of several series over the run; each has a name and its points {line, y}. "unit" names the values, "word" writes one;
  // "change" names their difference from the first, which may be shown instead, and is where the run began from something.
  function curves({ section, series, unit, word, caption, best, change }) {
    at(section).hidden = false;
    const state = { along: "minutes", change: Boolean(change && run.before) };
    const valueOf = ({ points }, y) => (state.change ? y - points[0].y : y);
    const crowded = history.length > 40;
    function config() {
      const datasets = series.map((own, index) => {
        const { name, points, strong, dashed } = own;
        const paint = colour(strong ? "--ink" : `--series-${index % 8}`);
        const data = points.map(({ line, y }) => ({ x: line[state.along], y: valueOf(own, y), best: best && line.step === run.best_step }));
        return {
          label: name, data, showLine: true, borderColor: paint, backgroundColor: paint, borderWidth: strong ? 2.75 : 2, borderDash: dashed ? [6, 4] : [],
          pointStyle: strong ? "circle" : POINTS[index % POINTS.length],
          radius: (item) => (item.raw?.best ? 7 : crowded ? 0 : 3), hoverRadius: 6, pointHitRadius: 8,
        };
      });
      return {
        type: "scatter",
        data: { datasets },
        options: {
          clip: false,
          layout: { padding: { right: 12 } },
          interaction: { mode: "nearest", intersect: false },
          scales: {
            x: axis(AXES[state.along], { min: 0, max: history.at(-1)[state.along] || undefined, ticks: { maxRotation: 0 } }),
            y: axis(state.change ? change : unit, { grace: "4%", ticks: { maxTicksLimit: 8 } }),
          },
          plugins: {
            legend: { display: series.length > 1, position: "bottom", labels: { color: colour("--ink"), usePointStyle: true, pointStyleWidth: 10, boxHeight: 7, padding: 16 } },
            tooltip: tooltip({ label: (item) => `${item.dataset.label}: ${word(item.parsed.y)} at ${shortOf(item.parsed.x)} ${AXES[state.along]}` }),
          },
        },
      };
    }
    const ends = series.map(({ name, points }) => `${name} from ${word(points[0].y)} to ${word(points.at(-1).y)}`);
    const drawn = drawing(config, { label: () => `${unit} over the run: ${ends.join("; ")}.` });
    drawn.canvas.id = `${section}-chart`;
    const choice = chooser("Along", Object.entries(AXES), state.along, (value) => { state.along = value; drawn.draw(); });
    choice.select.id = `${section}-along`;
    const tools = make("div", { class: "tools" }, choice.label);
    if (change) {
      const shown = chooser("Show", [["", run.metric.label], ["change", "change from the first"]], state.change ? "change" : "", (value) => { state.change = value !== ""; drawn.draw(); });
      shown.select.id = `${section}-show`;
      tools.append(shown.label);
    }
    at(`${section}-body`).append(tools, drawn.figure);
    drawn.caption.textContent = caption;
    drawn.draw();
    const lines = [...new Set(series.flatMap(({ points }) => points.map(({ line }) => line)))].toSorted((a, b) => a.step - b.step);
    drawn.tables.append(dataTable("The numbers of this chart", ["Step", "Minutes", ...series.map(({ name }) => name)],
      lines.map((line) => [String(line.step), line.minutes.toFixed(1), ...series.map(({ points }) => { const own = points.find((point) => point.line === line); return own ? word(own.y) : "–"; })])));
  }

  function quality() {
    const lines = [...(run.before ? [run.before] : []), ...history].filter((line) => line.scores);
    if (!lines.length) return;
    const noises = Object.keys(lines.at(-1).scores).filter((noise) => noise !== "mean");
    const names = noises.length > 1 ? [...noises, "mean"] : noises;
    const series = names.map((name) => ({ name, strong: name === "mean", points: lines.filter((line) => isNumber(line.scores[name])).map((line) => ({ line, y: line.scores[name] })) }));
    const better = run.metric.higher_is_better ? "higher is better" : "lower is better";
    at("quality-title").textContent = `Held-out ${run.metric.label}`;
    curves({ section: "quality", series, unit: `${run.metric.title}, ${better}`, change: `change in ${run.metric.title}; ${better}`, word: (value) => written(value, run.metric.digits), best: true, caption: run.validated });
  }

  function loss() {
    const series = [["training", "loss", false], ["held out", "validation_loss", true]].map(([name, key, dashed]) => ({
      name, dashed, points: [...(run.before && key === "validation_loss" ? [run.before] : []), ...history].filter((line) => isNumber(line[key])).map((line) => ({ line, y: line[key] })),
    })).filter(({ points }) => points.length);
    if (!series.length) return;
    curves({ section: "loss", series, unit: `loss (${run.loss}), lower is better`, word: shortOf, best: false, caption: run.losses });
  }

  // -------------------------------------------------------------------------------------------------------------------

  head();
  scores();
  gallery();
  quality();
  loss();
  about();
  sections();
  document.documentElement.dataset.ready = "yes";
})();

// Draws the page of an evaluation from the two JSON elements in it.
(() => {
  const { at, axis, chooser, colour, compared, dataTable, drawing, family, isNumber, make, plain, sections, tooltip, unique, written } = pages;
  const evaluation = JSON.parse(document.getElementById("evaluation").textContent);
  const exhibits = JSON.parse(document.getElementById("exhibits").textContent);
  // How the task's metrics are called, the headline first, and the image before ("before" in a label, "words" in a sentence).
  const terms = JSON.parse(document.getElementById("terms").textContent);
  const [headline, ...lesser] = terms.metrics;
  const protocol = evaluation.protocol ?? {};
  const summary = evaluation.summary ?? [];
  const results = evaluation.results ?? [];

  // -- noises and metrics ---------------------------------------------------------------------------

  // "more": whether a higher level is more noise. Axes run from little noise to much.
  const KINDS = {
    gaussian: { name: "Gaussian", level: "standard deviation in 8-bit levels", more: true },
    "salt-pepper": { name: "Salt and pepper", level: "share of pixels", more: true },
    speckle: { name: "Speckle", level: "variance", more: true },
    grain: { name: "Grain", level: "standard deviation in 8-bit levels", more: true },
    poisson: { name: "Poisson", level: "photons at white; fewer is more noise", more: false },
    impulses: { name: "Random impulses", level: "share of pixels", more: true },
    camera: { name: "Camera noise", level: "gain of the shot noise", more: true },
    jpeg: { name: "JPEG", level: "quality; lower is more loss", more: false },
    shrink: { name: "Scaled down", level: "factor", more: true },
  };

  const inUnit = (entry) => (entry.unit ? `, in ${entry.unit}` : "");
  const scored = ({ name, label, summary: what, unit, digits, higher_is_better: higher }) =>
    ({ key: name, name: label, what: `${what}, mean over the images${inUnit({ unit })}`, better: higher ? "higher" : "lower", digits });

  const METRICS = [
    scored(headline),
    { key: `${headline.name}_spread`, name: "Spread", what: `standard deviation of ${headline.label} over the images${inUnit(headline)}`, better: null, digits: headline.digits },
    ...lesser.map(scored),
    { key: "accuracy", name: "Read right", what: "share of the digits that a classifier, trained on clean digits alone, reads right", better: "higher", digits: 4 },
    { key: "worst", name: "Worst image", what: `the image with the worst ${headline.label}, and its score${inUnit(headline)}`, better: null },
    { key: "seconds_per_megapixel", name: "Time", what: "seconds per megapixel", better: "lower", cost: true },
    { key: "peak_memory_mib", name: "Memory", what: "peak memory in MiB", better: "lower", digits: 0, cost: true },
  ];
  const metric = (key) => METRICS.find((entry) => entry.key === key);

  const nothing = "none";
  const models = new Set(Object.keys(protocol.models ?? {}));

  const noises = unique([...(Array.isArray(protocol.noise) ? protocol.noise : []), ...summary.map((row) => row.noise)])
    .filter((noise) => summary.some((row) => row.noise === noise))
    .map(parsed);
  const named = unique(summary.map((row) => row.method));
  const methods = [
    ...named.filter((name) => models.has(name)),
    ...named.filter((name) => !models.has(name) && name !== nothing),
    ...named.filter((name) => name === nothing),
  ];
  const others = methods.filter((name) => name !== nothing);
  const rows = new Map(summary.map((row) => [JSON.stringify([row.method, row.noise]), row]));
  const rowOf = (method, noise) => rows.get(JSON.stringify([method, noise]));

  function parsed(text) {
    // Several noises in a row have no one level: each such chain is a kind of its own.
    if (String(text).includes("+")) return { text, group: text, name: text, known: { name: text, level: "level", more: true }, level: 0, levelText: "" };
    const [kind, level, flag] = String(text).split(":");
    const known = KINDS[kind] ?? { name: kind, level: "level", more: true };
    const clipped = flag === "clip";
    return { text, group: clipped ? `${kind}:clip` : kind, name: clipped ? `${known.name}, clipped` : known.name, known, level: Number(level), levelText: level ?? "" };
  }

  // A headline that is null where images are identical stands for an infinite score: not one pixel differs.
  function score(row, key) {
    if (!row || !(key in row)) return null;
    if (key === headline.name && row[key] === null) return row.identical === 0 ? null : Infinity;
    return isNumber(row[key]) ? row[key] : null;
  }

  const withUnit = (value) => `${written(value, headline.digits)}${headline.unit ? ` ${headline.unit}` : ""}`;

  function timeDigits(values) {
    const least = Math.min(...values.filter((value) => value > 0));
    return least < 0.01 ? 4 : least < 1 ? 3 : 2;
  }

  function digitsOf(entry) {
    if (entry.digits !== undefined) return entry.digits;
    return timeDigits(summary.map((row) => row[entry.key]).filter(isNumber));
  }

  const SPELLED = { ...Object.fromEntries(terms.metrics.map(({ name, label }) => [name, label])), cpu: "Processor", cores: "Processor cores", count: "Number of images", numpy: "NumPy", scipy: "SciPy", opencv: "OpenCV", openvino: "OpenVINO", onnxruntime: "ONNX Runtime", pellucid: "pellucid" };
  function spelled(key) {
    const text = key.replaceAll("_", " ");
    return Object.hasOwn(SPELLED, key) ? SPELLED[key] : text.charAt(0).toUpperCase() + text.slice(1);
  }

  // -- head -----------------------------------------------------------------------------------------------------------

  function head() {
    const digits = results.length === 0 && summary.length > 0;
    const amount = (count, one) => `${Number(count).toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;
    at("task").textContent = protocol.task ? `evaluation, ${protocol.task}` : "evaluation";
    at("heading").textContent = protocol.images ?? "Evaluation";
    const parts = [];
    if (isNumber(protocol.count)) parts.push(amount(protocol.count, digits ? "small image" : "image"));
    parts.push(amount(noises.length, "noise"));
    const own = methods.filter((name) => models.has(name));
    const classical = others.length - own.length;
    const beside = classical ? `${own.length ? " beside " : ""}${amount(classical, "classical method")}` : "";
    at("lead").textContent = `${parts.join(", ")}${others.length ? `: ${own.join(", ")}${beside}` : ""}.`;
    const list = at("protocol-list");
    for (const [key, value] of Object.entries(protocol)) {
      list.append(make("div", {}, make("dt", {}, spelled(key)), make("dd", {}, plain(value))));
    }
    if (!list.children.length) at("protocol").hidden = true;
    if (window.matchMedia("(max-width: 46rem)").matches) at("protocol").open = false;
    const failed = evaluation.failed ?? [];
    if (failed.length) {
      at("failed").append(make("div", { class: "notice" },
        make("strong", {}, "These failed and count in no score:"),
        make("ul", {}, ...failed.map((line) => make("li", {}, line)))));
    }
    const notes = evaluation.notes ?? [];
    if (notes.length) {
      at("failed").append(make("div", { class: "notice" },
        make("strong", {}, "Notes:"),
        make("ul", {}, ...notes.map((line) => make("li", {}, line)))));
    }
    const download = at("download");
    download.href = URL.createObjectURL(new Blob([at("evaluation").textContent], { type: "application/json" }));
    download.download = `${String(protocol.images ?? "evaluation").replace(/[^\p{L}\p{N}._-]+/gu, "-")}.json`;
  }

  // -- the tables -----------------------------------------------------------------------------------------------------

  function bestOf(entry, noise) {
    if (!entry.better) return null;
    const names = entry.cost ? others : methods;
    // As it is printed: what looks equal is equally best.
    const values = names.map((name) => score(rowOf(name, noise.text), entry.key)).filter((value) => value !== null)
      .map((value) => (value === Infinity ? value : Number(value.toFixed(digitsOf(entry)))));
    if (values.length < 2) return;
    return entry.better === "higher" ? Math.max(...values) : Math.min(...values);
  }

  function cell(entry, method, noise, best, start) {
    const row = rowOf(method, noise.text);
    const attributes = { class: start ? "group-start" : null };
    if (entry.key === "worst") {
      const name = row?.worst;
      if (name === null || name === undefined) return make("td", attributes, "–");
      const worst = row[`worst_${headline.name}`];
      return make("td", attributes, String(name), isNumber(worst) ? make("small", {}, ` ${written(worst, headline.digits)}`) : null);
    }
    const value = score(row, entry.key);
    const digits = digitsOf(entry);
    const isBest = best !== null && value !== null && !(entry.cost && method === nothing)
      && (value === best || (value !== Infinity && Number(value.toFixed(digits)) === best));
    if (isBest) attributes.class = `${attributes.class ?? ""} best`.trim();
    const some = entry.key === headline.name && value !== Infinity && row?.identical > 0;
    return make("td", attributes, written(value, digits), some ? make("small", {}, ` (${row.identical} identical)`) : null);
  }

  function matrix(entry) {
    const groups = [];
    for (const noise of noises) {
      if (groups.at(-1)?.group !== noise.group) groups.push({ group: noise.group, name: noise.name, level: noise.known.level, count: 0 });
      groups.at(-1).count += 1;
    }
    const starts = noises.map((noise, index) => index > 0 && noises[index - 1].group !== noise.group);
    const bests = noises.map((noise) => bestOf(entry, noise));
    const direction = entry.better ? `; ${entry.better} is better, best in bold` : "";
    return make("div", { class: "metric matrix scroll", tabindex: 0, role: "group", "aria-label": `Table: ${entry.name}`, "data-metric": entry.key },
      make("table", {},
        make("caption", {}, make("span", {}, make("strong", {}, entry.name), `: ${entry.what}${direction}.`)),
        make("thead", {},
          make("tr", {}, make("th", { scope: "col", rowspan: 2, class: "method" }, "Method"),
            ...groups.map((group, index) => make("th", { scope: "colgroup", colspan: group.count, class: index ? "group group-start" : "group", title: group.level }, group.name))),
          make("tr", {}, ...noises.map((noise, index) => make("th", { scope: "col", class: starts[index] ? "group-start" : null }, noise.levelText)))),
        make("tbody", {}, ...methods.map((method) =>
          make("tr", { class: models.has(method) ? "model" : method === nothing ? "none" : null },
            make("th", { scope: "row" }, method),
            ...noises.map((noise, index) => cell(entry, method, noise, bests[index], starts[index])))))));
  }

  function scores() {
    const body = at("scores-body");
    const present = METRICS.filter((entry) => summary.some((row) => row[entry.key] !== null && row[entry.key] !== undefined) || (entry.key === headline.name && summary.some((row) => headline.name in row)));
    if (!present.length) {
      body.append(make("p", { class: "note" }, "There are no scores in this evaluation."));
      return;
    }
    const tables = present.map(matrix);
    const show = (key) => tables.forEach((table) => table.classList.toggle("off", table.dataset.metric !== key));
    if (present.length > 1) {
      const radios = present.map((entry, index) => {
        const input = make("input", { type: "radio", name: "metric", value: entry.key, checked: index === 0 });
        input.addEventListener("change", () => show(entry.key));
        return make("label", {}, input, make("span", {}, entry.name));
      });
      body.append(make("fieldset", {}, make("legend", {}, "Show"), make("div", { class: "choices" }, ...radios)));
    }
    show(present[0].key);
    const levels = unique(noises.map((noise) => `${noise.name}: ${noise.known.level}`));
    body.append(...tables);
    const notes = [];
    if (methods.some((name) => models.has(name))) notes.push("Models are marked; all other methods are classical.");
    if (methods.includes(nothing)) notes.push(`“none” is ${terms.words}, unchanged.`);
    notes.push(`Levels of noise: ${levels.join(". ")}.`);
    body.append(make("p", { class: "note below" }, notes.join(" ")));
  }

  // -- charts ---------------------------------------------------------------------------------------------------------

  const POINTS = ["circle", "rectRot", "triangle", "rect", "star", "crossRot", "cross"];
  const STROKES = new Set(["star", "crossRot", "cross"]);
  const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]];
  const SERIES = 8;

  function look(method) {
    if (method === nothing) return { colour: "--muted", point: "line", dash: [3, 4], width: 1.5, radius: 5 };
    const index = others.indexOf(method);
    const model = models.has(method);
    // When the colours run out, those of the models are not used again.
    const reserved = Math.min(others.filter((name) => models.has(name)).length, SERIES - 1);
    const series = index < SERIES ? index : reserved + ((index - SERIES) % (SERIES - reserved));
    return {
      colour: `--series-${series}`,
      point: POINTS[index % POINTS.length],
      dash: model ? [] : DASHES[1 + (index % (DASHES.length - 1))],
      width: model ? 3 : 1.75,
      // Those that are only strokes need more room to be told apart.
      radius: (model ? 7 : 5) + (STROKES.has(POINTS[index % POINTS.length]) ? 1.5 : 0),
    };
  }

  const fontOf = (method, size = 12.5) => `${models.has(method) ? "650 " : ""}${size}px ${family()}`;

  function shortened(context, text, most) {
    if (context.measureText(text).width <= most) return text;
    let kept = text;
    while (kept.length > 1 && context.measureText(`${kept}…`).width > most) kept = kept.slice(0, -1);
    return `${kept}…`;
  }

  // Names beside the dots: the first place of four where neither another name nor another dot is.
  const dotNames = {
    id: "dotNames",
    afterDatasetsDraw(chart) {
      const { ctx: context, chartArea: area } = chart;
      const taken = [];
      const dots = chart.data.datasets.flatMap((dataset, index) => (dataset.named
        ? chart.getDatasetMeta(index).data.map((element) => ({ dataset, x: element.x, y: element.y })) : []));
      for (const dot of dots) taken.push([dot.x - 7, dot.y - 7, dot.x + 7, dot.y + 7]);
      const free = (box) => box[0] >= area.left && box[2] <= area.right && box[1] >= area.top && box[3] <= area.bottom
        && !taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1]);
      context.save();
      context.textBaseline = "middle";
      const line = chart.data.datasets.findIndex((dataset) => dataset.label === nothing);
      if (line >= 0) {
        const end = chart.getDatasetMeta(line).data.at(-1);
        const text = terms.words;
        context.font = fontOf(nothing, 12);
        context.fillStyle = chart.data.datasets[line].borderColor;
        const left = area.right - context.measureText(text).width - 6;
        context.fillText(text, left, end.y - 10);
        taken.push([left, end.y - 18, area.right, end.y + 2]);
      }
      for (const dot of dots) {
        context.font = fontOf(dot.dataset.label);
        const text = shortened(context, dot.dataset.label, area.width * 0.45);
        const width = context.measureText(text).width;
        const places = [];
        for (const rise of [0, -14, 14, -26, 26]) {
          places.push([dot.x + 11, dot.y + rise], [dot.x - 11 - width, dot.y + rise]);
          if (rise) places.push([dot.x - width / 2, dot.y + rise + Math.sign(rise) * 3]);
        }
        const boxes = places.map(([x, y]) => [x, y - 8, x + width, y + 8]);
        const box = boxes.find(free) ?? boxes[0];
        taken.push(box);
        context.fillStyle = dot.dataset.borderColor;
        context.fillText(text, box[0], box[1] + 8);
      }
      context.restore();
    },
  };

  // Names at the right end of each line, pushed apart.
  const endNames = {
    id: "endNames",
    afterDatasetsDraw(chart) {
      const { ctx: context, chartArea: area } = chart;
      const ends = chart.data.datasets.flatMap((dataset, index) => {
        const last = chart.getDatasetMeta(index).data.at(-1);
        return last && dataset.named ? [{ dataset, x: last.x, y: last.y, to: last.y }] : [];
      });
      ends.sort((a, b) => a.y - b.y);
      const step = 16;
      ends.forEach((end, index) => { if (index) end.to = Math.max(end.to, ends[index - 1].to + step); });
      let floor = area.bottom;
      for (const end of ends.toReversed()) { end.to = Math.min(end.to, floor); floor = end.to - step; }
      context.save();
      context.textBaseline = "middle";
      const left = area.right + 20;
      for (const end of ends) {
        context.strokeStyle = context.fillStyle = end.dataset.borderColor;
        context.lineWidth = 1;
        context.globalAlpha = 0.6;
        context.beginPath();
        context.moveTo(end.x + 8, end.y);
        context.lineTo(left - 4, end.to);
        context.stroke();
        context.globalAlpha = 1;
        context.font = fontOf(end.dataset.label);
        context.fillText(shortened(context, end.dataset.label, chart.width - left), left, end.to);
      }
      context.restore();
    },
  };

  function decades(scale) {
    const ticks = [];
    const steps = scale.max / scale.min > 2000 ? [1] : [1, 2, 5];
    for (let power = Math.floor(Math.log10(scale.min)); power <= Math.ceil(Math.log10(scale.max)); power += 1) {
      for (const step of steps) {
        const value = Number((step * 10 ** power).toPrecision(3));
        if (value >= scale.min && value <= scale.max) ticks.push({ value });
      }
    }
    scale.ticks = ticks;
  }

  // The levels that were measured, as ticks: as many as have room.
  function measured(levels, logarithmic, pixels) {
    const place = (level) => (logarithmic ? Math.log(level) : level);
    const first = logarithmic ? levels[0] : Math.min(0, levels[0]);
    const scale = pixels / (place(levels.at(-1)) - place(first) || 1);
    const kept = [];
    for (const level of levels.toReversed()) {
      if (!kept.length || Math.abs(place(kept.at(-1)) - place(level)) * scale >= 28) kept.push(level);
    }
    return (drawn) => { drawn.ticks = kept.toReversed().map((value) => ({ value })); };
  }

  function speed() {
    const timed = others.filter((method) => noises.some((noise) => score(rowOf(method, noise.text), "seconds_per_megapixel") > 0));
    const qualities = terms.metrics.map(({ name }) => name).filter((key) => noises.some((noise) => timed.some((method) => isNumber(score(rowOf(method, noise.text), key)) && score(rowOf(method, noise.text), key) !== Infinity)));
    if (!timed.length || !qualities.length) return;
    at("speed").hidden = false;
    const middle = noises[Math.floor((noises.length - 1) / 2)];
    const state = { noise: middle.text, key: qualities[0] };

    function dots() {
      return timed.map((method) => ({ method, x: score(rowOf(method, state.noise), "seconds_per_megapixel"), y: score(rowOf(method, state.noise), state.key) }))
        .filter((dot) => dot.x > 0 && isNumber(dot.y));
    }

    function config() {
      const entry = metric(state.key);
      const points = dots();
      const values = points.map((point) => point.y);
      const [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
      const room = (high - low || Math.abs(high) * 0.02 || 1) * 0.14;
      const limits = { min: low - room, max: high + room };
      const times = points.map((point) => point.x);
      const [from, to] = times.length ? [Math.min(...times) / 1.9, Math.max(...times) * 1.9] : [0.1, 10];
      const base = score(rowOf(nothing, state.noise), state.key);
      const datasets = points.map((point) => {
        const style = look(point.method);
        return { label: point.method, named: true, data: [{ x: point.x, y: point.y }], pointStyle: style.point, radius: style.radius, hoverRadius: style.radius + 1, borderColor: colour(style.colour), backgroundColor: colour(style.colour), borderWidth: 2 };
      });
      if (isNumber(base) && base >= low - (high - low) && base <= high + (high - low)) {
        limits.min = Math.min(limits.min, base - room / 2);
        limits.max = Math.max(limits.max, base + room / 2);
        datasets.push({ label: nothing, data: [{ x: from, y: base }, { x: to, y: base }], showLine: true, pointRadius: 0, borderDash: [3, 4], borderWidth: 1.5, borderColor: colour("--muted") });
      }
      const unit = terms.metrics.find(({ name }) => name === state.key).title;
      return {
        type: "scatter",
        data: { datasets },
        plugins: [dotNames],
        options: {
          scales: {
            x: axis("seconds per megapixel, log scale; left is faster", { type: "logarithmic", min: from, max: to, afterBuildTicks: decades, ticks: { callback: (value) => String(value), maxRotation: 0 } }),
            y: axis(`${unit}, ${entry.better} is better`, { ...limits, reverse: entry.better === "lower", ticks: { includeBounds: false, maxTicksLimit: 8 } }),
          },
          plugins: {
            legend: { display: false },
            tooltip: tooltip({ label: (item) => `${item.dataset.label}: ${written(item.parsed.y, entry.digits)}, ${Number(item.parsed.x.toPrecision(3))} s/megapixel` }),
          },
        },
      };
    }

    const label = () => `${metric(state.key).name} against seconds per megapixel at ${state.noise}: ${dots().map((dot) => `${dot.method} ${written(dot.y, metric(state.key).digits)} at ${Number(dot.x.toPrecision(3))}`).join("; ")}.`;
    const drawn = drawing(config, { label });

    function draw() {
      drawn.draw();
      const entry = metric(state.key);
      const base = score(rowOf(nothing, state.noise), state.key);
      const before = base === null ? "" : ` ${terms.words.replace(/^./, (letter) => letter.toUpperCase())} itself: ${written(base, entry.digits)}.`;
      drawn.caption.textContent = `${entry.name} at ${state.noise}. Up and left is better.${before}`;
      drawn.tables.replaceChildren(dataTable("The numbers of this chart", ["Method", entry.name, "s/megapixel"],
        dots().map((dot) => [dot.method, written(dot.y, entry.digits), String(Number(dot.x.toPrecision(3)))])));
    }

    const tools = make("div", { class: "tools" });
    if (noises.length > 1) {
      const choice = chooser("Noise", noises.map((noise) => [noise.text, noise.text]), state.noise, (value) => { state.noise = value; draw(); });
      choice.select.id = "speed-noise";
      tools.append(choice.label);
    }
    if (qualities.length > 1) {
      const choice = chooser("Measure", qualities.map((key) => [key, metric(key).name]), state.key, (value) => { state.key = value; draw(); });
      choice.select.id = "speed-metric";
      tools.append(choice.label);
    }
    drawn.canvas.id = "speed-chart";
    at("speed-body").append(tools, drawn.figure);
    draw();
  }

  // The headline score of every image, one row for each method.
  function spread() {
    const finite = results.filter((row) => isNumber(row[headline.name]));
    if (unique(finite.map((row) => row.image)).length < 2) return;
    at("spread").hidden = false;
    const state = { noise: noises[Math.floor((noises.length - 1) / 2)].text };
    const shown = () => methods.filter((method) => finite.some((row) => row.method === method && row.noise === state.noise));

    function config(width) {
      const names = shown();
      const most = width < 480 ? 14 : 26;
      const datasets = names.map((method, index) => {
        const style = look(method);
        const own = finite.filter((row) => row.method === method && row.noise === state.noise);
        // Set apart by turns, so that near ones do not hide each other.
        const data = own.map((row, place) => ({ x: row[headline.name], y: index + ((place * 5) % 7 - 3) * 0.055, image: row.image }));
        return { label: method, data, pointStyle: "circle", radius: 3.5, hoverRadius: 5, borderWidth: 1, borderColor: colour(style.colour), backgroundColor: colour(style.colour).replace(/^rgb\((.*)\)$/, "rgba($1, 0.45)") };
      });
      const means = names.flatMap((method, index) => {
        const mean = score(rowOf(method, state.noise), headline.name);
        return isNumber(mean) ? [{ x: mean, y: index, image: "mean" }] : [];
      });
      datasets.push({ label: "mean", data: means, pointStyle: "line", rotation: 90, radius: 11, hoverRadius: 11, borderWidth: 2.5, borderColor: colour("--ink") });
      return {
        type: "scatter",
        data: { datasets },
        options: {
          scales: {
            x: axis(`${headline.title}, ${metric(headline.name).better} is better`, { grace: "3%", ticks: { maxRotation: 0 } }),
            y: { ...axis("", { min: -0.6, max: names.length - 0.4, reverse: true, afterBuildTicks: (scale) => { scale.ticks = names.map((_, value) => ({ value })); } }),
              title: { display: false }, ticks: { autoSkip: false, color: colour("--ink"), font: (item) => ({ size: 12.5, weight: models.has(names[item.index]) ? 650 : 400 }), callback: (value) => { const name = names[value] ?? ""; return name.length > most ? `${name.slice(0, most - 1)}…` : name; } } },
          },
          plugins: {
            legend: { display: false },
            tooltip: tooltip({ label: (item) => `${item.dataset.label}: ${item.raw.image}, ${withUnit(item.parsed.x)}` }),
          },
        },
      };
    }

    const label = () => `${headline.label} of every image at ${state.noise}, one row for each method: ${shown().map((method) => {
      const own = finite.filter((row) => row.method === method && row.noise === state.noise).map((row) => row[headline.name]);
      return `${method} from ${Math.min(...own).toFixed(headline.digits)} to ${Math.max(...own).toFixed(headline.digits)}`;
    }).join("; ")}.`;
    const drawn = drawing(config, { label, height: () => 74 + 38 * Math.max(1, shown().length) });
    function draw() {
      drawn.draw();
      drawn.caption.textContent = `${headline.label} of every image at ${state.noise}: each dot is an image, the bar is the mean.`;
    }
    const tools = make("div", { class: "tools" });
    if (noises.length > 1) tools.append(chooser("Noise", noises.map((noise) => [noise.text, noise.text]), state.noise, (value) => { state.noise = value; draw(); }).label);
    drawn.canvas.id = "spread-chart";
    at("spread-body").append(tools, drawn.figure);
    draw();
  }

  // How much better each method is than the image before; above 0 is better, whichever way the headline goes.
  function gain() {
    at("gain-title").textContent = `Gain over ${terms.words}`;
    const groups = unique(noises.map((noise) => noise.group)).map((group) => {
      const own = noises.filter((noise) => noise.group === group && Number.isFinite(noise.level));
      return { group, levels: own.toSorted((a, b) => a.level - b.level), name: own[0]?.name, known: own[0]?.known };
    }).filter((entry) => entry.levels.length > 1 && entry.levels.some((noise) => isNumber(score(rowOf(nothing, noise.text), headline.name))));
    if (!groups.length || !others.length) return;
    at("gain").hidden = false;
    const state = { group: groups[0].group };
    const chosen = () => groups.find((entry) => entry.group === state.group);

    // Without noise the score of the image before is infinite, or only the cap of the protocol: no gain can be stated.
    const noiseless = (noise) => (noise.known.more && noise.level === 0) || score(rowOf(nothing, noise.text), headline.name) === Infinity;

    function gained(method, noise) {
      if (noiseless(noise)) return null;
      const base = score(rowOf(nothing, noise.text), headline.name);
      const own = score(rowOf(method, noise.text), headline.name);
      return isNumber(base) && isNumber(own) ? (own - base) * (headline.higher_is_better ? 1 : -1) : null;
    }

    function config(width) {
      const { levels, known } = chosen();
      const logarithmic = !known.more && levels[0].level > 0 && levels.at(-1).level / levels[0].level > 20;
      const datasets = others.map((method) => {
        const style = look(method);
        let data = levels.map((noise) => ({ x: noise.level, y: gained(method, noise) })).filter((point) => point.y !== null);
        if (!known.more) data = data.toReversed();
        return { label: method, named: true, data, showLine: true, pointStyle: style.point, radius: style.radius - 1.5, pointBorderWidth: 1.75, borderDash: style.dash, borderWidth: style.width, borderColor: colour(style.colour), backgroundColor: colour(style.colour) };
      }).filter((dataset) => dataset.data.length);
      const context = document.createElement("canvas").getContext("2d");
      const widest = Math.max(...datasets.map((dataset) => { context.font = fontOf(dataset.label); return context.measureText(dataset.label).width; }), 0);
      const highest = Math.max(...datasets.flatMap((dataset) => dataset.data.map((point) => point.y)), 0);
      const line = colour("--line");
      const muted = colour("--muted");
      return {
        type: "scatter",
        data: { datasets },
        plugins: [endNames],
        options: {
          clip: false,
          layout: { padding: { right: Math.min(widest + 26, width * 0.34), top: 8 } },
          scales: {
            x: axis(known.level, {
              type: logarithmic ? "logarithmic" : "linear",
              reverse: !known.more,
              ...(known.more ? { min: 0, max: levels.at(-1).level } : { min: levels[0].level, max: levels.at(-1).level }),
              afterBuildTicks: measured(known.more ? unique([0, ...levels.map((noise) => noise.level)]) : levels.map((noise) => noise.level), logarithmic, width * 0.6),
              ticks: { maxRotation: 0, autoSkip: false, callback: (value) => String(value) },
            }),
            y: { ...axis(`gain in ${headline.label}${headline.unit ? `, ${headline.unit}` : ""}; higher is better`, { suggestedMin: 0, suggestedMax: highest > 0 ? highest * 1.04 : 1 }), grid: { color: (item) => (item.tick?.value === 0 ? muted : line), tickColor: line } },
          },
          plugins: {
            legend: { display: false },
            tooltip: tooltip({ label: (item) => `${item.dataset.label}: ${item.parsed.y >= 0 ? "+" : ""}${withUnit(item.parsed.y)} at ${item.parsed.x}` }),
          },
        },
      };
    }

    const label = () => `Gain in ${headline.label} over ${terms.words}, ${chosen().name}: ${others.map((method) => `${method} ${chosen().levels.map((noise) => `${written(gained(method, noise), headline.digits)} at ${noise.levelText}`).join(", ")}`).join("; ")}.`;
    const drawn = drawing(config, { label });
    function draw() {
      drawn.draw();
      const { levels, name } = chosen();
      const same = levels.filter(noiseless).map((noise) => noise.text);
      const note = same.length ? ` At ${same.join(", ")} ${terms.words} is the clean one: there is no gain to state, only the ${headline.label} in the table above.` : "";
      drawn.caption.textContent = `${name.replace(/^[^,]+/, "$& noise")}: how much better the mean ${headline.label} of each method is than that of ${terms.words}. Below 0, a method makes the image worse.${note}`;
      drawn.tables.replaceChildren(dataTable("The numbers of this chart", [headline.unit ? `Gain in ${headline.unit}` : "Gain", ...levels.map((noise) => noise.levelText)],
        others.map((method) => [method, ...levels.map((noise) => written(gained(method, noise), headline.digits))])));
    }
    const tools = make("div", { class: "tools" });
    if (groups.length > 1) {
      const choice = chooser("Kind of noise", groups.map((entry) => [entry.group, entry.name]), state.group, (value) => { state.group = value; draw(); });
      choice.select.id = "gain-kind";
      tools.append(choice.label);
    }
    drawn.canvas.id = "gain-chart";
    at("gain-body").append(tools, drawn.figure);
    draw();
  }

  // -- pictures -------------------------------------------------------------------------------------------------------

  // By the headline metric; Infinity where not one pixel differs.
  function scoreOf(exhibit, method) {
    if (!Object.hasOwn(exhibit.psnr ?? {}, method)) return null;
    const value = exhibit.psnr[method];
    return value === null ? Infinity : value;
  }

  function panelsOf(exhibit) {
    // A method of the same name as the image before, such as bicubic, shows the same picture.
    const answers = exhibit.answers.filter((answer) => answer.method !== nothing && answer.method !== terms.before);
    const place = (answer) => { const index = methods.indexOf(answer.method); return index < 0 ? methods.length : index; };
    return [
      { name: "clean", src: exhibit.clean, score: null },
      { name: terms.before, src: exhibit.noisy, score: scoreOf(exhibit, nothing) ?? scoreOf(exhibit, terms.before) },
      ...answers.toSorted((a, b) => place(a) - place(b)).map((answer) => ({ name: answer.method, what: `restored by ${answer.method}`, src: answer.src, score: scoreOf(exhibit, answer.method), model: models.has(answer.method) })),
    ];
  }

  function exhibited(exhibit) {
    const panels = panelsOf(exhibit);
    const firstModel = panels.findIndex((panel) => panel.model);
    return compared(exhibit, panels, { left: 1, right: firstModel >= 0 ? firstModel : panels.length > 2 ? 2 : 0, text: withUnit, higher: headline.higher_is_better });
  }

  function gallery() {
    const note = "A crop of each image, pixel by pixel. The score is that of the whole image, not of the crop; the best is in bold.";
    const first = { worst: "These are the worst scores of the method named last; each crop shows where its error is largest. ", chosen: "" };
    for (const reason of ["worst", "chosen"]) {
      const own = exhibits.filter((exhibit) => exhibit.reason === reason);
      if (!own.length) continue;
      at(reason).hidden = false;
      at(`${reason}-body`).append(make("p", { class: "note" }, first[reason] + note), ...own.map(exhibited));
    }
    const count = exhibits.filter((exhibit) => exhibit.reason === "worst").length;
    const words = { 1: "The worst image", 2: "The two worst images", 3: "The three worst images" };
    at("worst-title").textContent = words[count] ?? "The worst images";
  }

  // -------------------------------------------------------------------------------------------------------------------

  head();
  scores();
  speed();
  gain();
  spread();
  gallery();
  sections();
  document.documentElement.dataset.ready = "yes";
})();

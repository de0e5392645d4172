"use strict";
// The page of clips: tables of scores, and a player that shows two methods on both sides of a line. Text from data only ever becomes
// text nodes and attribute values.
(() => {
  const result = JSON.parse(document.getElementById("evaluation").textContent);
  const reels = JSON.parse(document.getElementById("reels").textContent);
  const RATE = 12;  // frames a second
  const at = (id) => document.getElementById(id);
  const written = (value, digits) => (typeof value === "number" ? value.toFixed(digits).replace("-", "−") : "");

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children);
    return element;
  }

  for (const [name, value] of Object.entries(result.protocol)) {
    at("protocol-list").append(make("dt", {}, name), make("dd", {}, Array.isArray(value) ? value.join(", ") : String(value)));
  }

  // -- scores ---------------------------------------------------------------------------------------------------------

  const groups = new Map();
  for (const row of result.results) {
    const title = `${row.image}, ${row.noise}`;
    groups.set(title, [...(groups.get(title) || []), row]);
  }
  for (const [title, rows] of groups) {
    const head = ["method", "PSNR (dB)", "flicker", "s a frame", "strength"];
    at("scores").append(make("h3", {}, title), make("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": title },
      make("table", {},
        make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
        make("tbody", {}, ...rows.map((row) => make("tr", {},
          make("th", { scope: "row" }, row.method),
          make("td", {}, written(row.psnr, 2)), make("td", {}, written(row.flicker, 2)),
          make("td", {}, written(row.seconds, 3)), make("td", {}, written(row.strength, 2))))))));
  }

  // -- player ---------------------------------------------------------------------------------------------------------

  if (!reels.length) return;
  const state = { reel: 0, left: "", right: "", frame: 0, split: 0.5, playing: false };
  const images = new Map();
  const canvas = make("canvas", { role: "img", tabindex: 0 });
  const play = make("button", { type: "button" }, "Play");
  const where = make("input", { type: "range", min: 0, step: 1, value: 0, "aria-label": "Frame" });
  const line = make("input", { type: "range", min: 0, max: 100, step: 1, value: 50, "aria-label": "Line between both" });
  const selects = {};

  function chooser(name, label, options) {
    const select = selects[name] || make("select", {});
    select.replaceChildren(...options.map((text, index) => make("option", { value: index }, text)));
    if (!selects[name]) {
      selects[name] = select;
      select.addEventListener("change", () => chosen());
      return make("label", {}, label, " ", select);
    }
    return null;
  }

  function picture(source) {
    if (!images.has(source)) {
      const image = new Image();
      image.addEventListener("load", draw);
      image.src = source;
      images.set(source, image);
    }
    return images.get(source);
  }

  function draw() {
    const reel = reels[state.reel];
    const both = [state.left, state.right].map((name) => picture(reel.frames[name][state.frame]));
    canvas.width = reel.width;
    canvas.height = reel.height;
    const context = canvas.getContext("2d");
    const edge = Math.round(state.split * reel.width);
    both.forEach((image, side) => {
      if (!image.complete || !image.naturalWidth) return;
      const [from, to] = side ? [edge, reel.width] : [0, edge];
      if (to > from) context.drawImage(image, from, 0, to - from, reel.height, from, 0, to - from, reel.height);
    });
    context.fillStyle = "#fff";
    context.fillRect(edge - 1, 0, 2, reel.height);
    canvas.setAttribute("aria-label", `Frame ${state.frame + 1} of ${reel.count}: ${state.left} on the left, ${state.right} on the right`);
    where.value = state.frame;
  }

  function chosen() {
    const names = Object.keys(reels[state.reel].frames);
    state.left = names[Number(selects.left.value)];
    state.right = names[Number(selects.right.value)];
    draw();
  }

  function opened(index) {
    state.reel = index;
    state.frame = 0;
    const reel = reels[index];
    const names = Object.keys(reel.frames);
    where.max = reel.count - 1;
    chooser("left", "left", names);
    chooser("right", "right", names);
    const last = names.findIndex((name) => name.endsWith("over time"));
    selects.left.value = Math.max(0, names.indexOf("noisy"));
    selects.right.value = last < 0 ? names.length - 1 : last;
    for (const name of names) reel.frames[name].forEach(picture);
    chosen();
  }

  const clip = make("select", { "aria-label": "Clip" }, ...reels.map((reel, index) => make("option", { value: index }, reel.title)));
  clip.addEventListener("change", () => opened(Number(clip.value)));
  const sides = [chooser("left", "left", []), chooser("right", "right", [])];
  at("player").append(make("p", { class: "control" }, clip, " ", sides[0], " ", sides[1]), canvas,
    make("p", { class: "control" }, play, " ", where, " ", line));
  canvas.style.cssText = "display: block; width: min(100%, 640px); touch-action: none";

  let timer = 0;
  play.addEventListener("click", () => {
    state.playing = !state.playing;
    play.textContent = state.playing ? "Pause" : "Play";
    window.clearInterval(timer);
    if (!state.playing) return;
    timer = window.setInterval(() => {
      state.frame = (state.frame + 1) % reels[state.reel].count;
      draw();
    }, 1000 / RATE);
  });
  where.addEventListener("input", () => { state.frame = Number(where.value); draw(); });
  line.addEventListener("input", () => { state.split = Number(line.value) / 100; draw(); });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch" && !event.buttons) return;
    const box = canvas.getBoundingClientRect();
    state.split = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    line.value = Math.round(100 * state.split);
    draw();
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    state.frame = (state.frame + step + reels[state.reel].count) % reels[state.reel].count;
    draw();
  });
  opened(0);
})();

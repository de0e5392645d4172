// Clips: sent to the service one at a time, and shown before and after on both sides of a line, in step.

import { Cancelled, post } from "./api.js";
import { keepFocus } from "./page.js";

const APART = 0.04; // seconds by which both may differ while they play

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export class Clips {
  // `section` is shown once there is a clip in `list`; `say` speaks to the user. `offers()` gives { tasks, presets } of the service,
  // `keep(number, clip)` remembers a clip, null: no more; `presence` is the `Service`.
  constructor({ section, list, say, offers, keep, presence }) {
    Object.assign(this, { section, list, say, offers, keep, presence, endings: [], last: Promise.resolve(), lowest: 0 });
  }

  takes(file) {
    return file.type.startsWith("video/") || this.endings.some((ending) => file.name.toLowerCase().endsWith(ending));
  }

  // Restores a clip by a task of the service, with its default settings, or by steps, once those before it are done.
  add(file, { task, steps }) {
    this.again(--this.lowest, { file, task, steps, answer: null });
    this.list.lastElementChild.scrollIntoView({ block: "nearest" });
  }

  // Shows a clip as it was kept: { file, task, steps, answer: { blob, words } }; what was not done is done.
  again(number, clip) {
    this.lowest = Math.min(this.lowest, number);
    const { tasks, presets } = this.offers();
    if (!tasks.some((task) => task.name === clip.task)) clip.task = tasks[0].name;
    const option = (value, text) => Object.assign(make("option", {}, text), { value });
    const what = make("select", {}, ...tasks.map((task) => option(`task ${task.name}`, task.verbs[0])), ...presets.map((preset) => option(`steps ${preset.steps}`, preset.name)));
    if (clip.steps && !presets.some((preset) => preset.steps === clip.steps)) what.append(option(`steps ${clip.steps}`, clip.steps));
    what.value = clip.steps ? `steps ${clip.steps}` : `task ${clip.task}`;
    const words = make("p", { class: "note", role: "status" });
    const body = make("div", {});
    const item = make("li", {}, make("h3", {}, clip.file.name), make("label", { class: "clip-what" }, "What to do ", what), words, body);
    this.list.append(item);
    this.section.hidden = false;
    const entry = { number, clip, item, words, body, controller: null };
    what.addEventListener("change", () => {
      const [kind, ...rest] = what.value.split(" ");
      clip.steps = kind === "steps" ? rest.join(" ") : "";
      if (kind === "task") [clip.task] = rest;
      clip.answer = null;
      this.work(entry);
    });
    if (clip.answer) this.show(entry);
    else this.work(entry);
  }

  // Takes away what is shown of a clip.
  clear({ body, controller }) {
    controller?.abort();
    for (const video of body.querySelectorAll("video")) URL.revokeObjectURL(video.src);
    body.replaceChildren();
  }

  remove(entry) {
    this.clear(entry);
    entry.item.remove();
    this.section.hidden = !this.list.children.length;
    this.keep(entry.number, null);
    keepFocus();
  }

  work(entry) {
    const { clip, words, body } = entry;
    this.clear(entry);
    this.keep(entry.number, clip);
    words.textContent = "waiting";
    const task = this.offers().tasks.find((each) => each.name === clip.task);
    const bar = make("progress", { max: 1, "aria-label": `Progress of ${clip.file.name}` });
    const away = make("button", { type: "button" }, "Cancel");
    away.addEventListener("click", () => this.remove(entry));
    body.append(bar, make("div", { class: "actions" }, away));
    const controller = entry.controller = new AbortController();
    const { signal } = controller;
    const report = ({ state, done, ahead }) => {
      const doing = { receiving: "sending", waiting: "waiting", busy: "waiting", working: clip.steps ? "working" : task.verbs[1].toLowerCase() };
      words.textContent = `${doing[state] || state}${state === "waiting" && ahead ? `, ${ahead} ahead` : ""}`;
      if (state === "working" || state === "receiving") bar.value = done || 0; else bar.removeAttribute("value");
    };
    const [path, query] = clip.steps ? ["/v1/run", { steps: clip.steps }] : ["/v1/restore", { task: clip.task }];
    const once = async () => {
      if (signal.aborted) return;
      try {
        const answer = await post(path, clip.file, query, "*/*", { signal, report });
        const seconds = Number(answer.header("X-Pellucid-Seconds"));
        clip.answer = { blob: answer.blob, words: `${clip.steps ? "done" : task.verbs[2].toLowerCase()} in ${seconds.toFixed(1)} seconds by ${answer.header("X-Pellucid-Model")}` };
        this.keep(entry.number, clip);
        this.clear({ body });
        this.show(entry);
        this.say(`${clip.file.name} ${clip.answer.words}.`);
      } catch (error) {
        const gone = error.status === 0 && !(await this.presence.look());
        if (error instanceof Cancelled || signal.aborted) return;
        if (gone) {
          words.textContent = "waits for the service";
          await this.presence.there();
          await once();
          return;
        }
        bar.remove();
        away.textContent = "Remove";
        words.textContent = error.message;
        this.say(`${clip.file.name}: ${error.message}`);
      }
    };
    this.last = this.last.then(once);
  }

  show(entry) {
    const { clip: { file, task: name, steps, answer }, words, body: item } = entry;
    const { tasks, presets } = this.offers();
    const point = file.name.lastIndexOf(".");
    const mark = steps ? presets.find((preset) => preset.steps === steps)?.name ?? "steps" : tasks.find((task) => task.name === name).mark;
    const download = `${file.name.slice(0, point)}.${mark}${file.name.slice(point)}`;
    const source = URL.createObjectURL(answer.blob);
    words.textContent = answer.words;
    const videos = [file, answer.blob].map((content) => make("video", { muted: "", playsinline: "", preload: "auto" }));
    const [before, after] = videos;
    before.src = URL.createObjectURL(file);
    after.src = source;
    for (const video of videos) video.muted = true;
    const play = make("button", { type: "button" }, "Play");
    const sound = make("button", { type: "button", "aria-pressed": "false" }, "Sound");
    const time = make("input", { type: "range", min: 0, max: 1, step: 0.001, value: 0, "aria-label": "Time" });
    const line = make("input", { type: "range", min: 0, max: 100, step: 0.5, value: 50, "aria-label": "Divider between before and after" });
    const screen = make("div", { class: "reel" }, before, after,
      make("span", { class: "corner left", "aria-hidden": "true" }, "before"), make("span", { class: "corner right", "aria-hidden": "true" }, "after"));
    const link = make("a", { class: "button", href: source, download }, "Download");
    const away = make("button", { type: "button" }, "Remove");
    away.addEventListener("click", () => this.remove(entry));
    const tools = make("div", { class: "reel-tools" }, play, sound, time, line);
    item.append(screen, tools, make("div", { class: "actions" }, link, away));
    const cut = () => after.style.setProperty("clip-path", `inset(0 0 0 ${line.value}%)`);
    line.addEventListener("input", cut);
    screen.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch" && !event.buttons) return;
      const box = screen.getBoundingClientRect();
      line.value = (100 * (event.clientX - box.left)) / box.width;
      cut();
    });
    cut();
    const together = () => {
      if (!item.isConnected) return;
      if (after.duration) time.value = after.currentTime / after.duration;
      if (Math.abs(before.currentTime - after.currentTime) > APART) before.currentTime = after.currentTime;
      if (!after.paused && !after.ended) requestAnimationFrame(together);
    };
    play.addEventListener("click", () => (after.paused ? after.play() : after.pause()));
    after.addEventListener("play", () => { play.textContent = "Pause"; before.play(); together(); });
    for (const event of ["pause", "ended"]) after.addEventListener(event, () => { play.textContent = "Play"; before.pause(); together(); });
    sound.addEventListener("click", () => {
      after.muted = !after.muted;
      sound.setAttribute("aria-pressed", String(!after.muted));
    });
    time.addEventListener("input", () => {
      if (!after.duration) return;
      after.currentTime = before.currentTime = time.value * after.duration;
    });
    for (const video of videos) {
      video.addEventListener("error", () => {
        screen.replaceChildren(make("p", { class: "note" }, "This browser does not play clips of this kind; the download is whole."));
        tools.hidden = true;
      }, { once: true });
    }
  }
}

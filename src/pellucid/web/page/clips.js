// Clips: sent to the service one at a time, and shown before and after on both sides of a line, in step.

import { Cancelled, post } from "./api.js";

const APART = 0.04; // seconds by which both may differ while they play

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export class Clips {
  // `section` is shown once there is a clip in `list`; `say` speaks to the user.
  constructor({ section, list, say }) {
    Object.assign(this, { section, list, say, endings: [], last: Promise.resolve() });
  }

  takes(file) {
    return file.type.startsWith("video/") || this.endings.some((ending) => file.name.toLowerCase().endsWith(ending));
  }

  // Restores a clip by a task of the service's catalogue, with its default settings, once those before it are done.
  add(file, task) {
    const words = make("p", { class: "note", role: "status" }, "waiting");
    const bar = make("progress", { max: 1 });
    const away = make("button", { type: "button" }, "Cancel");
    const item = make("li", {}, make("h3", {}, file.name), words, bar, away);
    const controller = new AbortController();
    this.list.append(item);
    this.section.hidden = false;
    const remove = () => {
      controller.abort();
      for (const video of item.querySelectorAll("video")) URL.revokeObjectURL(video.src);
      item.remove();
      this.section.hidden = !this.list.children.length;
    };
    away.addEventListener("click", remove);
    const report = ({ state, done, ahead }) => {
      const doing = { receiving: "sending", waiting: "waiting", busy: "waiting", working: task.verbs[1].toLowerCase() };
      words.textContent = `${doing[state] || state}${state === "waiting" && ahead ? `, ${ahead} ahead` : ""}`;
      if (state === "working" || state === "receiving") bar.value = done || 0; else bar.removeAttribute("value");
    };
    this.last = this.last.then(async () => {
      if (controller.signal.aborted) return;
      try {
        const answer = await post("/v1/restore", file, { task: task.name }, "*/*", { signal: controller.signal, report });
        const seconds = Number(answer.header("X-Pellucid-Seconds"));
        words.textContent = `${task.verbs[2].toLowerCase()} in ${seconds.toFixed(1)} seconds by ${answer.header("X-Pellucid-Model")}`;
        away.textContent = "Remove";
        bar.remove();
        this.show(item, file, answer, task);
        this.say(`${file.name} ${words.textContent}.`);
      } catch (error) {
        if (error instanceof Cancelled) return;
        bar.remove();
        away.textContent = "Remove";
        words.textContent = error.message;
        this.say(`${file.name}: ${error.message}`);
      }
    });
    return this.last;
  }

  show(item, file, answer, task) {
    const point = file.name.lastIndexOf(".");
    const name = `${file.name.slice(0, point)}.${task.mark}${file.name.slice(point)}`;
    const source = URL.createObjectURL(answer.blob);
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
    const download = make("a", { class: "button", href: source, download: name }, "Download");
    const tools = make("div", { class: "reel-tools" }, play, sound, time, line);
    item.append(screen, tools, make("div", { class: "actions" }, download));
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
    for (const name of ["pause", "ended"]) after.addEventListener(name, () => { play.textContent = "Play"; before.pause(); together(); });
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

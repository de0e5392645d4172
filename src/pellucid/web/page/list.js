// The list of pictures, the buttons and the settings beside the chosen one, as things stand.

import { remove } from "./changes.js";
import { glanceSoon } from "./glance.js";
import { keep, keepPage } from "./keeping.js";
import { choose, thumbnail } from "./looking.js";
import { $, keepFocus, modelOf, page, takes } from "./page.js";
import { form, history, steps } from "./parts.js";
import { factsOf, otherSize, resultOf, stale } from "./requests.js";

// Puts a picture into the list: before another one, or at its end.
export function list(entry, before = null) {
  const root = document.createElement("li");
  const button = Object.assign(document.createElement("button"), { type: "button", className: "entry" });
  const thumb = Object.assign(document.createElement("canvas"), { width: 96, height: 96, className: "thumb" });
  thumb.setAttribute("aria-hidden", "true");
  const label = Object.assign(document.createElement("span"), { className: "entry-name", textContent: entry.name });
  const words = Object.assign(document.createElement("span"), { className: "entry-words" });
  const bar = Object.assign(document.createElement("progress"), { max: 1, hidden: true });
  bar.setAttribute("aria-hidden", "true");
  const text = document.createElement("span");
  text.className = "entry-text";
  text.append(label, words, bar);
  button.append(thumb, text);
  button.addEventListener("click", () => choose(entry));
  const cross = Object.assign(document.createElement("button"), { type: "button", className: "away quiet", textContent: "×" });
  cross.setAttribute("aria-label", `Remove ${entry.name}`);
  cross.addEventListener("click", () => remove([entry]));
  root.append(button, cross);
  $("list").insertBefore(root, before ? before.item.root : null);
  entry.item = { root, button, thumb, words, bar };
  if (entry.thumb) thumbnail(entry, entry.thumb).catch(() => {});
  refresh(entry);
}

export function refresh(entry) {
  const busy = Boolean(entry.controller);
  const { result } = entry;
  const done = result ? resultOf(entry, result, true) : "";
  entry.item.words.textContent = busy || entry.state === "failed" ? entry.words : stale(entry) ? "settings changed" : done;
  entry.item.root.dataset.state = busy ? "busy" : entry.state;
  entry.item.bar.hidden = !busy;
  if (entry.done === null || entry.done === undefined) entry.item.bar.removeAttribute("value");
  else entry.item.bar.value = entry.done;
  keep(entry);
  if (page.chosen !== entry) return;
  glanceSoon();
  $("busy").hidden = !busy;
  $("stage").setAttribute("aria-busy", String(busy));
  $("busy-words").textContent = entry.words;
  if (entry.done === null || entry.done === undefined) $("busy-bar").removeAttribute("value");
  else $("busy-bar").value = entry.done;
  buttons();
}

function buttons() {
  const busy = page.chosen && page.chosen.controller;
  $("restore").disabled = !page.chosen || Boolean(busy);
  const [verb] = page.task.verbs;
  $("restore").textContent = page.chosen && page.chosen.result && !stale(page.chosen) ? `${verb} again` : verb;
  $("restore").classList.toggle("primary", !(page.chosen && page.chosen.result && !stale(page.chosen)));
  $("download").classList.toggle("primary", Boolean(page.chosen && page.chosen.result && !stale(page.chosen)));
  $("download").disabled = !(page.chosen && page.chosen.result) || Boolean(busy);
  $("download-all").disabled = page.gathering || !page.pictures.some((entry) => entry.result);
  $("cancel-all").hidden = page.pictures.filter((entry) => entry.controller).length < 2;
  $("save-all").disabled = $("download-all").disabled;
  $("undo").disabled = !history.past.length;
  $("redo").disabled = !history.future.length;
  keepFocus();
}

export function show() {
  $("start").hidden = page.pictures.length > 0;
  $("work").hidden = page.pictures.length === 0;
  $("apply-all").hidden = page.pictures.length < 2;
  keepPage();
  if (page.task) buttons();
}

export function settings() {
  const { details, result } = page.chosen;
  $("name").textContent = page.chosen.name;
  const size = details ? `${details.width} × ${details.height}${result && otherSize(page.chosen, result) ? ` → ${result.width} × ${result.height}` : ""}` : "";
  const facts = details ? [size, details.format, details.depth.replace("uint8", "8 bits").replace("uint16", "16 bits"), details.pages > 1 ? `${details.pages} pages, the first is shown` : ""] : [];
  $("facts").textContent = facts.filter(Boolean).join(" · ");
  const model = modelOf(page.chosen);
  const noise = $("noise");
  noise.textContent = "";
  if (details) {
    noise.append("Noise in this picture: ", Object.assign(document.createElement("strong"), { textContent: details.diagnosis.summary }), ". ");
    if (result) {
      const words = factsOf(page.chosen, result).join(", ");
      noise.append(`${result.steps ? "Done" : page.task.verbs[2]} by ${result.model}${words ? `: ${words}` : ""}.`);
    }
    // How the file was read, where that is not plain.
    if (details.remarks.length) noise.append(` Read: ${details.remarks.join("; ")}.`);
  } else noise.textContent = "The service measures the noise once it has the picture.";
  const measured = { ...(details ? details.diagnosis : {}) };
  for (const option of page.task.options) if (option.follows) measured[option.name] = page.chosen.settings[option.follows];
  form.set(page.chosen.settings, measured);
  steps.set(page.chosen.steps, page.chosen.trust, page.chosen.id);
  // Settings of one task have no part in steps.
  const alone = !page.chosen.steps;
  for (const option of page.task.options) form.toggle(option.name, takes(model, option) && (alone || !option.of_task));
}

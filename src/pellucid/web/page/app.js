// The page, put together: what hands do, and how it starts.

import { catalogue } from "./api.js";
import { add, applyToAll, redo, remove, switchTask, undo, useTask } from "./changes.js";
import { canSaveInto, dropped } from "./folders.js";
import { openStore, remembered } from "./keeping.js";
import { show } from "./list.js";
import { choose } from "./looking.js";
import { erase, place } from "./marks.js";
import { $, page, say, warn } from "./page.js";
import { clips, painting, presence, steps, viewer } from "./parts.js";
import { restoreAgain, stop } from "./queue.js";
import { download, downloadAll, saveAll } from "./taking.js";

const FIELDS = "input:not([type=range], [type=checkbox], [type=radio], [type=file], [type=color], [type=button]), textarea, select";

function listen() {
  const input = $("files");
  input.addEventListener("change", () => { add(input.files); input.value = ""; });
  let depth = 0;
  addEventListener("dragenter", (event) => { event.preventDefault(); depth++; document.body.classList.add("over"); });
  addEventListener("dragleave", () => { if (--depth <= 0) { depth = 0; document.body.classList.remove("over"); } });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    document.body.classList.remove("over");
    dropped(event.dataTransfer).then(({ files, folder }) => {
      // Files of a folder that are no pictures are let be.
      const endings = page.service ? [...page.service.formats.flatMap((format) => format.endings), ...page.service.clips] : [];
      const named = (file) => endings.some((ending) => file.name.toLowerCase().endsWith(ending));
      const kept = folder ? files.filter(named) : files;
      if (folder && !kept.length) warn("there is no picture in this folder");
      add(kept);
    }).catch((error) => warn(error.message));
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData && event.clipboardData.files.length) {
      event.preventDefault();
      add(event.clipboardData.files);
    }
  });
  addEventListener("keydown", (event) => {
    const typing = event.target.matches("input[type=text], input[type=number], input[type=password], textarea");
    const acts = { z: typing ? null : event.shiftKey ? redo : undo, y: typing ? null : redo, o: () => input.click(), s: () => { if (!$("download").disabled) download(); } };
    const act = (event.ctrlKey || event.metaKey) && !event.altKey && (!event.shiftKey || event.key.toLowerCase() === "z") && acts[event.key.toLowerCase()];
    if (act) {
      event.preventDefault();
      act();
    }
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
      if (event.target.matches(FIELDS)) event.target.blur();
      else if (page.chosen && page.chosen.controller) stop(page.chosen);
      else if (painting.on) painting.turn(false);
    }
  });
  $("settings").addEventListener("submit", (event) => {
    event.preventDefault();
    if (page.chosen && !page.chosen.controller) restoreAgain(page.chosen);
  });
  $("cancel").addEventListener("click", () => { stop(page.chosen); say("Cancelled."); show(); });
  $("cancel-all").addEventListener("click", () => { for (const entry of page.pictures) stop(entry); say("All cancelled."); show(); });
  $("apply-all").addEventListener("click", applyToAll);
  $("download").addEventListener("click", download);
  $("download-all").addEventListener("click", downloadAll);
  $("save-all").hidden = !canSaveInto();
  $("save-all").addEventListener("click", saveAll);
  $("clear").addEventListener("click", () => remove([...page.pictures]));
  $("help").addEventListener("click", () => $("keymap").showModal());
  $("keymap-close").addEventListener("click", () => $("keymap").close());
  addEventListener("pagehide", () => { page.store?.flush(); page.leaving = true; });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  viewer.onKey = (key) => {
    const step = (way) => choose(page.pictures[page.pictures.indexOf(page.chosen) + way] || page.chosen);
    const acts = {
      p: () => { if (!$("brush").disabled) painting.turn(); }, e: () => painting.erase(!painting.erasing), ",": () => painting.wider(1 / 1.25), ".": () => painting.wider(1.25),
      PageDown: () => step(1), PageUp: () => step(-1), "?": () => $("help").click(), m: () => $("magnify").click(),
    };
    const act = acts[key.length === 1 ? key.toLowerCase() : key];
    if (act) act();
    return Boolean(act);
  };
  $("undo").addEventListener("click", undo);
  $("redo").addEventListener("click", redo);
  $("alert-close").addEventListener("click", () => warn(""));
  $("fit").addEventListener("click", () => viewer.fit());
  $("actual").addEventListener("click", () => viewer.zoomTo(1));
  $("in").addEventListener("click", () => viewer.zoomTo(viewer.scale * 1.25));
  $("out").addEventListener("click", () => viewer.zoomTo(viewer.scale / 1.25));
  const ground = () => viewer.setGround($("ground").value === "own" ? $("ground-colour").value : $("ground").value);
  $("ground").addEventListener("change", () => { $("ground-colour").hidden = $("ground").value !== "own"; ground(); });
  $("ground-colour").addEventListener("input", ground);
  $("magnify").addEventListener("click", () => $("magnify").setAttribute("aria-pressed", String(viewer.toggleMagnifier())));
  $("add").addEventListener("click", () => input.click());
  const themes = ["system", "light", "dark"];
  $("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const following = themes[(themes.indexOf(root.dataset.theme || "system") + 1) % themes.length];
    if (following === "system") delete root.dataset.theme;
    else root.dataset.theme = following;
    $("theme").setAttribute("aria-label", `Colours: ${following === "system" ? "as the system" : following}`);
  });
}

function tasks() {
  const field = $("tasks");
  field.hidden = page.service.tasks.length < 2;
  for (const each of page.service.tasks) {
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "task", value: each.name });
    const label = document.createElement("label");
    label.append(input, Object.assign(document.createElement("span"), { textContent: each.verbs[0] }));
    input.addEventListener("change", () => switchTask(each.name));
    field.append(label);
  }
  useTask(page.service.tasks[0].name);
}

// The service's offers; those of the last time where it has stopped: what was done can be looked at.
async function offers() {
  try {
    const found = await catalogue();
    page.store?.set("catalogue", found);
    return found;
  } catch (error) {
    const last = error.status === 0 && page.store ? await page.store.get("catalogue") : null;
    if (last) presence.look();
    else warn(error.message);
    return last;
  }
}

async function start() {
  listen();
  navigator.serviceWorker?.register("/offline.js").catch(() => {});
  await openStore();
  page.service = await offers();
  if (!page.service) return;
  const { formats, limits } = page.service;
  $("version").textContent = `pellucid ${page.service.version}`;
  clips.endings = page.service.clips;
  $("files").accept = ["image/*", ...formats.flatMap((format) => format.endings), ...page.service.clips].join(",");
  $("formats").textContent = `${formats.map((format) => format.name).join(", ")}; up to ${Number((limits.bytes / 1e6).toPrecision(3))} MB and ${Number((limits.pixels / 1e6).toPrecision(3))} megapixels.`;
  steps.build(page.service.presets);
  tasks();
  if (page.store) await remembered();
  show();
  // An installed page is given the files that were opened with it.
  globalThis.launchQueue?.setConsumer(async ({ files }) => add(await Promise.all((files || []).map((each) => each.getFile()))));
  document.documentElement.dataset.ready = "yes";
}

viewer.onPlace = place;
viewer.onErase = erase;
start();

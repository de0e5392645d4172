// The state of the page, which all its parts share, and what is asked of it everywhere.

export const $ = (id) => document.getElementById(id);

export const page = {
  service: null, // the catalogue of the service: tasks, models, formats, limits
  task: null, // the task of the chosen picture and of those that are added next, as the service declares it
  pictures: [],
  chosen: null,
  count: 0, // pictures so far, those that were removed among them
  store: null, // what this browser remembers; null: nothing
  leaving: false, // the page is being left: what breaks off now is no failure
  gathering: false, // the outputs of all pictures are being put together
  taking: null, // the name of the setting whose values are placed by hand
};

export function say(text) { $("status").textContent = text; }

export function warn(text) {
  $("alert-words").textContent = text;
  $("alert").hidden = !text;
}

let held = null; // the control that had the focus last
addEventListener("focusin", ({ target }) => { held = target; });

// Who works by keys does not begin at the top of the page again: where the control that had the focus is gone, hidden or out of use, the
// picture gets it, or the choice of pictures.
export function keepFocus() {
  const lost = held && [held, document.body].includes(document.activeElement) && (!held.isConnected || held.disabled || held.closest("[hidden]"));
  if (!lost || document.querySelector("dialog[open]")) return;
  held = null;
  $(page.chosen ? "picture" : "files").focus({ preventScroll: true });
}

export const taskOf = (entry) => page.service.tasks.find((each) => each.name === entry.task);
export const modelOf = (entry) => page.service.models.find((each) => each.name === entry.settings.model);

export function defaults(declared) {
  return Object.fromEntries(declared.options.map((option) => [option.name, option.default]));
}

// A setting of the task that other models take, and this one does not, has no effect.
export function takes(model, option) {
  if (!option.of_task || !model || model.takes.includes(option.name)) return true;
  return !page.service.models.some((each) => each.task === model.task && each.takes.includes(option.name));
}

// Two files are the same where they are one: as text all of them are equal.
export const same = (one, other) => one === other || (!(one instanceof File || other instanceof File) && JSON.stringify(one) === JSON.stringify(other));

export function picture(file, id = ++page.count) {
  return {
    id,
    file,
    name: file.name || `picture-${page.count}.png`,
    state: "new", // new, measuring, measured, restoring, restored, failed
    words: "",
    done: 0,
    shown: true, // whether this browser can show the file
    details: null,
    task: page.task.name,
    // The settings of each task, and its result: { blob, media, asked, model, facts, seconds, width, height, before, after }.
    of: Object.fromEntries(page.service.tasks.map((each) => [each.name, { settings: defaults(each), result: null }])),
    get settings() { return this.of[this.task].settings; },
    get result() { return this.of[this.task].result; },
    steps: "", // several tasks in the place of one, as text
    trust: false, // whether the service says how far off the result may be
    preview: null, // the service's PNG of the file, where the browser cannot show it
    thumb: null, // a small picture of it for the list, as a file
    tries: 0,
    due: false, // whether it is asked for soon
    controller: null,
    item: null,
  };
}

// The settings of a task as fields, made from the service's declarations: one editor for each kind of setting.

const element = (tag, attributes = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
};

const COLOUR = "#[0-9A-Fa-f]{3}|#[0-9A-Fa-f]{6}|[a-z]+";

// Kinds that are written as text -> the pattern of it, and how it is explained.
const WRITTEN = {
  text: { pattern: null, form: "" },
  point: { pattern: "[0-9]{1,9},[0-9]{1,9}", form: "X,Y in pixels, such as 120,80" },
  box: { pattern: "[0-9]{1,9}(,[0-9]{1,9}){3}", form: "X0,Y0,X1,Y1 in pixels, such as 0,0,120,80" },
  hint: { pattern: `[0-9]{1,9},[0-9]{1,9}=(${COLOUR})`, form: "X,Y=COLOUR, such as 120,80=#a03020" },
  colour: { pattern: COLOUR, form: "a colour, such as #a03020" },
  palette: { pattern: `(${COLOUR})( *, *(${COLOUR}))*`, form: "colours with commas between, such as #7b3f00,#87ceeb,olive" },
};

// Kind -> whether a value is of it, for settings of several kinds.
const IS = {
  number: (value) => typeof value === "number",
  flag: (value) => typeof value === "boolean",
  choice: (value, option) => option.choices.includes(value),
  colour: (value) => typeof value === "string" && value.startsWith("#"),
  file: (value) => value instanceof File,
  point: (value) => typeof value === "string" && new RegExp(`^${WRITTEN.point.pattern}$`).test(value),
  box: (value) => typeof value === "string" && new RegExp(`^${WRITTEN.box.pattern}$`).test(value),
  hint: (value) => typeof value === "string" && new RegExp(`^${WRITTEN.hint.pattern}$`).test(value),
  palette: (value) => typeof value === "string" && new RegExp(`^(${WRITTEN.palette.pattern})$`).test(value),
  text: (value) => typeof value === "string",
};

// Kinds that are placed on the picture itself.
export const PLACED = ["point", "box", "hint"];

const PROMPTS = { point: "Click on the picture", box: "Drag on the picture", hint: "Click on the picture" };
const MOST_HINTS = 500; // in a file: all of them are part of one address

// The place and the colour of a hint, X,Y=COLOUR.
export function partsOf(hint) {
  const [place, colour] = hint.split("=");
  return { point: place.split(",").map(Number), colour };
}

// A colour as #rrggbb, whatever way it is written in.
function coded(colour) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.fillStyle = colour;
  return pen.fillStyle;
}

// Hints as the text of a file, [[x, y, "#rrggbb"], ...], which the command line takes, too; and back, for a picture of a size.
export function toFile(hints) {
  const rows = hints.map((hint) => { const { point, colour } = partsOf(hint); return JSON.stringify([...point, coded(colour)]); });
  return `[${rows.join(",\n ")}]\n`;
}

export function fromFile(text, { width, height }) {
  let rows = null;
  try { rows = JSON.parse(text); } catch { /* the message is below */ }
  if (!Array.isArray(rows) || !rows.every((row) => Array.isArray(row) && row.length === 3)) throw new Error('it is not a list such as [[120, 80, "#87ceeb"]]');
  if (rows.length > MOST_HINTS) throw new Error(`it has ${rows.length} entries; the page takes ${MOST_HINTS}, the command line more`);
  return rows.map(([x, y, colour]) => {
    const hint = `${x},${y}=${String(colour).toLowerCase()}`;
    if (!IS.hint(hint)) throw new Error(`${JSON.stringify([x, y, colour]).slice(0, 60)} is not X, Y and a colour`);
    if (x >= width || y >= height) throw new Error(`${x},${y} lies outside the picture of ${width} × ${height} pixels`);
    return hint;
  });
}

// Kinds whose names say too little in a list of them.
const CALLED = { text: "text", palette: "colours" };

const none = (value) => value === null || value === undefined;

export class Form {
  // `change(name, value, finished)`: a value was moved (finished: let go of). `enter()`: a number was entered. For values that are
  // placed on the picture: `take(name)`: from now on it is a value of this setting; `mark(name, value)`: these are its values now;
  // `keep(name, text)`: they are to be a file; `load(name, file)`: they are in this file. `propose(name)`: its values are to be seen
  // side by side.
  constructor(main, more, change, enter, { take, mark, keep, load, propose } = {}) {
    this.main = main;
    this.more = more;
    this.change = change;
    this.enter = enter;
    Object.assign(this, { take, mark, keep, load, propose });
    this.fields = new Map();
  }

  // `choices`: for the names of settings whose values are listed elsewhere, [{ value, text }].
  build(options, choices) {
    this.main.replaceChildren();
    this.more.replaceChildren();
    this.fields.clear();
    for (const option of options) {
      const field = this.editor({ ...option, id: `option-${option.name}` }, choices[option.name]);
      this.explain(option, field.row);
      if (option.proposes) field.row.append(this.side(option));
      this.fields.set(option.name, field);
      (option.main ? this.main : this.more).append(field.row);
    }
  }

  // The help of a setting: a note that a button beside its name opens, and that screen readers read with its field.
  explain({ name, label, help }, row) {
    const id = `option-${name}`;
    const note = element("p", { id: `${id}-help`, className: "note", hidden: true }, help);
    const button = element("button", { type: "button", className: "about", title: help }, element("span", {}, "?"));
    button.setAttribute("aria-label", `About: ${label}`);
    button.setAttribute("aria-controls", note.id);
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => {
      note.hidden = !note.hidden;
      button.setAttribute("aria-expanded", String(!note.hidden));
    });
    const first = row.firstChild;
    if (first.className === "row-head") first.firstChild.after(button);
    else {
      const head = element("div", { className: "row-head" });
      first.replaceWith(head);
      head.append(first, button);
    }
    row.firstChild.after(note);
    for (const field of row.querySelectorAll(`[id="${id}"], [id="${id}-exact"]`)) {
      field.setAttribute("aria-describedby", `${note.id} ${field.getAttribute("aria-describedby") || ""}`.trim());
    }
  }

  editor(option, listed) {
    if (listed) return this.choice(option, listed);
    if (option.kinds.length === 1 && PLACED.includes(option.kinds[0])) return this.placed(option);
    if (option.many) return this.lines(option);
    if (option.kinds.length > 1) return this.several(option);
    const [kind] = option.kinds;
    if (kind === "number") return option.low === null || option.high === null ? this.unbounded(option) : this.number(option);
    if (kind === "flag") return this.flag(option);
    if (kind === "choice") return this.choice(option, option.choices.map((value) => ({ value, text: value })));
    if (kind === "colour") return this.colour(option);
    if (kind === "file") return this.file(option);
    return this.text(option, kind);
  }

  // The button that shows several values of a setting side by side.
  side(option) {
    const button = element("button", { type: "button" }, "Several side by side");
    button.setAttribute("aria-label", `${option.label}: several side by side`);
    button.addEventListener("click", () => this.propose(option.name));
    return button;
  }

  // Shows values; `measured` are those that the automatic ones have, by name.
  set(values, measured) {
    for (const [name, field] of this.fields) field.set(values[name], measured[name]);
  }

  // Shows or hides a setting's row.
  toggle(name, shown) {
    const field = this.fields.get(name);
    if (field) field.row.hidden = !shown;
  }

  number(option) {
    const percent = !option.whole && option.low === 0 && option.high <= 2 && option.step < 0.1;
    const unit = percent ? 100 : 1;
    const { id } = option;
    const step = option.step || (option.whole ? 1 : 0.01);
    const bounds = { min: (option.above ? option.low + step : option.low) * unit, max: option.high * unit, step: step * unit };
    const slide = element("input", { type: "range", id, ...bounds });
    const exact = element("input", { type: "number", id: `${id}-exact`, ...bounds });
    // Decimals that are shown: the step's, and one at least.
    const fine = option.whole ? 1 : 10 ** Math.max(1, Math.ceil(-Math.log10(bounds.step) - 1e-9));
    const marks = option.marks && option.marks.length
      ? element("datalist", { id: `${id}-marks` }, ...option.marks.map((value) => element("option", { value: value * unit })))
      : "";
    if (marks) slide.setAttribute("list", marks.id);
    exact.setAttribute("aria-label", `${option.label}, exactly`);
    const label = element("label", { htmlFor: id }, option.label);
    const head = element("div", { className: "row-head" }, label);
    const automatic = option.default === null ? element("input", { type: "checkbox", id: `${id}-automatic` }) : null;
    if (automatic) head.append(element("label", { className: "check" }, automatic, option.follows ? `as ${option.follows}` : "automatic"));
    const row = element("div", { className: "row number" }, head, element("div", { className: "pair" }, slide, marks, exact, percent ? element("span", { ariaHidden: "true" }, "%") : ""));
    const enter = (text, finished) => {
      const value = option.whole ? Math.round(Number(text)) : Number(text);
      if (text === "" || !Number.isFinite(value)) return;
      const kept = Math.min(bounds.max, Math.max(bounds.min, value));
      if (automatic) automatic.checked = false;
      slide.value = exact.value = String(kept);
      slide.setAttribute("aria-valuetext", percent ? `${kept} %` : String(kept));
      this.change(option.name, kept / unit, finished);
    };
    slide.addEventListener("input", () => enter(slide.value, false));
    slide.addEventListener("change", () => enter(slide.value, true));
    exact.addEventListener("change", () => enter(exact.value, true));
    exact.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      enter(exact.value, true);
      this.enter();
    });
    if (automatic) automatic.addEventListener("change", () => {
      if (automatic.checked) this.change(option.name, null, true);
      else enter(exact.value || "0", true);
    });
    const set = (value, measured) => {
      const shown = none(value) ? measured : value;
      if (automatic) automatic.checked = none(value);
      // A text like 24.4 is no multiple of the step; it is shown as it is.
      exact.step = "any";
      exact.value = none(shown) ? "" : String(Math.round(shown * unit * fine) / fine);
      slide.value = exact.value || String(bounds.min);
      slide.setAttribute("aria-valuetext", `${exact.value}${percent ? " %" : ""}${automatic && automatic.checked ? ", automatic" : ""}`);
    };
    return { row, set };
  }

  // A number without a lowest or a highest value has no slider.
  unbounded(option) {
    const input = element("input", { type: "number", id: option.id, step: option.whole ? 1 : "any" });
    if (!none(option.low)) input.min = option.low;
    if (!none(option.high)) input.max = option.high;
    input.addEventListener("change", () => {
      if (input.reportValidity()) this.change(option.name, input.value === "" ? option.default : Number(input.value), true);
    });
    const row = element("div", { className: "row" }, element("label", { htmlFor: option.id }, option.label), input);
    return { row, set: (value) => { input.value = none(value) ? "" : String(value); } };
  }

  flag(option) {
    const input = element("input", { type: "checkbox", id: option.id });
    input.addEventListener("change", () => this.change(option.name, input.checked, true));
    const row = element("div", { className: "row" }, element("label", { className: "check" }, input, option.label));
    return { row, set: (value) => { input.checked = Boolean(value); } };
  }

  choice(option, values) {
    const { id } = option;
    const select = element("select", { id });
    for (const { value, text } of values) select.append(element("option", { value }, text));
    select.addEventListener("change", () => this.change(option.name, select.value || null, true));
    const about = element("p", { className: "note", id: `${id}-choice` });
    select.setAttribute("aria-describedby", about.id);
    const row = element("div", { className: "row" }, element("label", { htmlFor: id }, option.label), select, about);
    const set = (value) => {
      select.value = none(value) ? "" : value;
      about.textContent = values.find((each) => each.value === select.value)?.about || "";
      about.hidden = !about.textContent;
    };
    return { row, set };
  }

  text(option, kind) {
    const { pattern, form } = WRITTEN[kind];
    const input = element("input", { type: "text", id: option.id, autocomplete: "off", spellcheck: false });
    if (pattern) Object.assign(input, { pattern, title: form, placeholder: form });
    input.addEventListener("change", () => {
      input.value = input.value.trim();
      if (input.reportValidity()) this.change(option.name, input.value || (option.default ?? null), true);
    });
    const row = element("div", { className: "row" }, element("label", { htmlFor: option.id }, option.label), input);
    return { row, set: (value) => { input.value = none(value) ? "" : value; } };
  }

  // A setting that may come more than once: a value in each line.
  lines(option, rows = 3) {
    const kinds = option.kinds.filter((kind) => kind in WRITTEN);
    const patterns = kinds.map((kind) => WRITTEN[kind].pattern);
    const form = kinds.map((kind) => WRITTEN[kind].form).filter(Boolean).join("; or ");
    const input = element("textarea", { id: option.id, rows, spellcheck: false, placeholder: rows > 1 ? [form, "one in each line"].filter(Boolean).join("; ") : form });
    input.addEventListener("change", () => {
      const values = input.value.split("\n").map((line) => line.trim()).filter(Boolean);
      const wrong = values.find((value) => !patterns.some((pattern) => !pattern || new RegExp(`^(${pattern})$`).test(value)));
      input.setCustomValidity(wrong === undefined ? "" : `“${wrong}” is not ${form}`);
      if (input.reportValidity()) this.change(option.name, values, true);
    });
    const row = element("div", { className: "row" }, element("label", { htmlFor: option.id }, option.label), input);
    return { row, set: (value) => { input.value = (value || []).join("\n"); } };
  }

  // A setting whose values are placed on the picture; they can be typed, too.
  placed(option) {
    const [kind] = option.kinds;
    const field = option.many ? this.lines(option, kind === "hint" ? 3 : 1) : this.text(option, kind);
    const take = element("button", { type: "button", className: "take" }, PROMPTS[kind]);
    take.setAttribute("aria-pressed", "false");
    take.setAttribute("aria-label", `${option.label}: ${take.textContent.toLowerCase()}`);
    take.addEventListener("click", () => this.take(option.name));
    const away = element("button", { type: "button", className: "quiet" }, "Remove");
    away.setAttribute("aria-label", `Remove: ${option.label}`);
    away.addEventListener("click", () => this.mark(option.name, option.many ? [] : null));
    field.row.insertBefore(element("div", { className: "pair" }, take, away), field.row.children[1]);
    const colours = kind === "hint" ? this.colours(option) : null;
    if (colours) field.row.insertBefore(colours.row, field.row.children[2]);
    const set = (value) => {
      field.set(value);
      away.disabled = none(value) || value.length === 0;
      if (colours) colours.set(value || []);
    };
    return { row: field.row, set, take, colours };
  }

  // Beside hints: the colour of the next one, swatches to pick it from, and the hints as a file.
  colours(option) {
    const named = (label, made) => { made.setAttribute("aria-label", `${option.label}: ${label}`); return made; };
    const input = named("the colour of the next mark", element("input", { type: "color", id: `${option.id}-colour`, value: "#a03020" }));
    const swatches = element("div", { className: "swatches" });
    const back = element("button", { type: "button", className: "quiet" }, "Take back the last");
    const keep = named("save as a file", element("button", { type: "button", className: "quiet" }, "Save"));
    const file = named("load from a file", element("input", { type: "file", id: `${option.id}-load`, accept: ".json,application/json", className: "unseen" }));
    let values = [];
    let offered = [];
    const draw = () => {
      const used = [...values].reverse().map((value) => coded(partsOf(value).colour));
      swatches.replaceChildren(...[...new Set([...offered, ...used])].slice(0, 14).map((colour) => {
        const swatch = named(colour, element("button", { type: "button", className: "swatch", title: colour }));
        swatch.style.backgroundColor = colour;
        swatch.setAttribute("aria-pressed", String(colour === input.value));
        swatch.addEventListener("click", () => { pick(colour); swatches.querySelector("[aria-pressed=true]")?.focus(); });
        return swatch;
      }));
    };
    const pick = (colour) => { input.value = colour; draw(); };
    input.addEventListener("input", draw);
    back.addEventListener("click", () => this.mark(option.name, values.slice(0, -1)));
    keep.addEventListener("click", () => this.keep(option.name, toFile(values)));
    file.addEventListener("change", () => {
      const [chosen] = file.files;
      // The same file can be loaded again when it has changed.
      file.value = "";
      if (chosen) this.load(option.name, chosen);
    });
    const set = (now) => {
      values = now;
      back.disabled = keep.disabled = !values.length;
      draw();
    };
    const row = element("div", { className: "row" }, element("div", { className: "pair" }, input, swatches),
      element("div", { className: "pair wrap" }, back, keep, file, element("label", { className: "button quiet", htmlFor: file.id }, "Load")));
    return { row, set, pick, offer: (found) => { offered = found; draw(); }, get value() { return input.value; } };
  }

  // The colour of the next hint; and colours to pick the next one from.
  colourOf(name) { return this.fields.get(name).colours.value; }
  pick(name, colour) { this.fields.get(name).colours.pick(colour); }
  offer(name, colours) { this.fields.get(name).colours.offer(colours); }

  // Shows which setting is placed on the picture.
  taken(name) {
    for (const [each, field] of this.fields) if (field.take) field.take.setAttribute("aria-pressed", String(each === name));
  }

  colour(option) {
    const input = element("input", { type: "color", id: option.id });
    const off = option.default === null ? element("input", { type: "checkbox", id: `${option.id}-none` }) : null;
    const head = element("div", { className: "row-head" }, element("label", { htmlFor: option.id }, option.label));
    if (off) head.append(element("label", { className: "check" }, off, "none"));
    input.addEventListener("change", () => {
      if (off) off.checked = false;
      this.change(option.name, input.value, true);
    });
    if (off) off.addEventListener("change", () => this.change(option.name, off.checked ? null : input.value, true));
    const set = (value) => {
      if (off) off.checked = none(value);
      input.value = value || "#ffffff";
    };
    return { row: element("div", { className: "row" }, head, input), set };
  }

  file(option) {
    const input = element("input", { type: "file", id: option.id, accept: "image/*", className: "unseen" });
    const name = element("span", { className: "note" });
    const away = element("button", { type: "button", className: "quiet" }, "Remove");
    away.setAttribute("aria-label", `Remove ${option.label}`);
    const show = (file) => {
      name.textContent = file ? file.name : "none";
      away.hidden = !file;
    };
    input.addEventListener("change", () => {
      const [file] = input.files;
      // The same file can be chosen again when it has changed.
      input.value = "";
      if (!file) return;
      show(file);
      this.change(option.name, file, true);
    });
    away.addEventListener("click", () => { show(null); this.change(option.name, null, true); });
    const choose = element("label", { className: "button", htmlFor: option.id }, "Choose a file");
    const row = element("div", { className: "row" }, element("label", { htmlFor: option.id }, option.label), element("div", { className: "pair" }, input, choose, name, away));
    return { row, set: show };
  }

  // A setting of several kinds: a list of them, and the editor of the one that is chosen.
  several(option) {
    const select = element("select", { id: option.id });
    if (option.default === null) select.append(element("option", { value: "" }, "none"));
    const inner = new Map();
    for (const kind of option.kinds) {
      if (kind === "choice") {
        for (const value of option.choices) select.append(element("option", { value: `choice ${value}` }, value));
        continue;
      }
      select.append(element("option", { value: kind }, CALLED[kind] || `a ${kind}`));
      // The list has the way back to none.
      inner.set(kind, this.editor({ ...option, kinds: [kind], default: undefined, id: `${option.id}-${kind}`, label: `${option.label}: ${CALLED[kind] || kind}` }));
    }
    const row = element("div", { className: "row" }, element("label", { htmlFor: option.id }, option.label), select, ...[...inner.values()].map((field) => field.row));
    const showOnly = () => { for (const [kind, field] of inner) field.row.hidden = kind !== select.value; };
    select.addEventListener("change", () => {
      showOnly();
      if (select.value.startsWith("choice ")) this.change(option.name, select.value.slice(7), true);
      else if (select.value === "") this.change(option.name, null, true);
      else if (select.value === "colour") this.change(option.name, "#ffffff", true);
    });
    const set = (value) => {
      const kind = none(value) ? "" : option.kinds.find((each) => IS[each](value, option)) || "";
      select.value = kind === "choice" ? `choice ${value}` : kind;
      if (inner.has(kind)) inner.get(kind).set(value);
      showOnly();
    };
    return { row, set };
  }
}

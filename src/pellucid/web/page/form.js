// The settings of a task as fields, made from the service's declarations.

const element = (tag, attributes = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
};

export class Form {
  // `change(name, value, finished)`: a value was moved (finished: let go of). `enter()`: a number was entered.
  constructor(main, more, change, enter) {
    this.main = main;
    this.more = more;
    this.change = change;
    this.enter = enter;
    this.fields = new Map();
  }

  // `choices`: for the names of settings whose values are listed elsewhere, [{ value, text }].
  build(options, choices) {
    this.main.replaceChildren();
    this.more.replaceChildren();
    this.fields.clear();
    for (const option of options) {
      const field = option.kind === "number" ? this.number(option)
        : option.kind === "flag" ? this.flag(option)
        : choices[option.name] || option.kind === "choice" ? this.choice(option, choices[option.name] || option.choices.map((value) => ({ value, text: value })))
        : this.text(option);
      field.row.title = option.help;
      this.fields.set(option.name, field);
      (option.main ? this.main : this.more).append(field.row);
    }
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
    const percent = option.low === 0 && option.high === 1;
    const unit = percent ? 100 : 1;
    const id = `option-${option.name}`;
    const bounds = { min: option.low * unit, max: option.high * unit, step: (option.step || 0.01) * unit };
    const slide = element("input", { type: "range", id, ...bounds });
    const exact = element("input", { type: "number", id: `${id}-exact`, ...bounds });
    // Decimals that are shown: the step's, and one at least.
    const fine = 10 ** Math.max(1, Math.ceil(-Math.log10(bounds.step) - 1e-9));
    const marks = option.marks && option.marks.length
      ? element("datalist", { id: `${id}-marks` }, ...option.marks.map((value) => element("option", { value: value * unit })))
      : "";
    if (marks) slide.setAttribute("list", marks.id);
    exact.setAttribute("aria-label", `${option.label}, exactly`);
    const label = element("label", { htmlFor: id }, option.label);
    const head = element("div", { className: "row-head" }, label);
    const automatic = option.default === null ? element("input", { type: "checkbox", id: `${id}-automatic` }) : null;
    if (automatic) head.append(element("label", { className: "check" }, automatic, "automatic"));
    const row = element("div", { className: "row number" }, head, element("div", { className: "pair" }, slide, marks, exact, percent ? element("span", { ariaHidden: "true" }, "%") : ""));
    const tell = (text, finished) => {
      const value = Number(text);
      if (text === "" || !Number.isFinite(value)) return;
      const kept = Math.min(bounds.max, Math.max(bounds.min, value));
      if (automatic) automatic.checked = false;
      slide.value = exact.value = String(kept);
      slide.setAttribute("aria-valuetext", percent ? `${kept} %` : String(kept));
      this.change(option.name, kept / unit, finished);
    };
    slide.addEventListener("input", () => tell(slide.value, false));
    slide.addEventListener("change", () => tell(slide.value, true));
    exact.addEventListener("change", () => tell(exact.value, true));
    exact.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      tell(exact.value, true);
      this.enter();
    });
    if (automatic) automatic.addEventListener("change", () => {
      if (automatic.checked) this.change(option.name, null, true);
      else tell(exact.value || "0", true);
    });
    const set = (value, measured) => {
      const shown = value === null || value === undefined ? measured : value;
      if (automatic) automatic.checked = value === null || value === undefined;
      // A text like 24.4 is no multiple of the step; it is shown as it is.
      exact.step = "any";
      exact.value = shown === undefined || shown === null ? "" : String(Math.round(shown * unit * fine) / fine);
      slide.value = exact.value || String(bounds.min);
      slide.setAttribute("aria-valuetext", `${exact.value}${percent ? " %" : ""}${automatic && automatic.checked ? ", automatic" : ""}`);
    };
    return { row, set };
  }

  flag(option) {
    const input = element("input", { type: "checkbox", id: `option-${option.name}` });
    input.addEventListener("change", () => this.change(option.name, input.checked, true));
    const row = element("div", { className: "row" }, element("label", { className: "check" }, input, option.label));
    return { row, set: (value) => { input.checked = Boolean(value); } };
  }

  choice(option, values) {
    const id = `option-${option.name}`;
    const select = element("select", { id });
    for (const { value, text } of values) select.append(element("option", { value }, text));
    select.addEventListener("change", () => this.change(option.name, select.value || null, true));
    const about = element("p", { className: "note" });
    const row = element("div", { className: "row" }, element("label", { htmlFor: id }, option.label), select, about);
    const set = (value) => {
      select.value = value === null || value === undefined ? "" : value;
      about.textContent = values.find((each) => each.value === select.value)?.about || "";
      about.hidden = !about.textContent;
    };
    return { row, set };
  }

  text(option) {
    const id = `option-${option.name}`;
    const input = element("input", { type: "text", id, autocomplete: "off", spellcheck: false });
    input.addEventListener("change", () => this.change(option.name, input.value.trim() || option.default, true));
    const row = element("div", { className: "row" }, element("label", { htmlFor: id }, option.label), input, element("p", { className: "note" }, option.help));
    return { row, set: (value) => { input.value = value === null || value === undefined ? "" : value; } };
  }
}

// Several tasks on one picture, and the pictures of each stage: what stands on the left and the right of the divider.

const $ = (id) => document.getElementById(id);

// The stages of a result by name: [words, picture].
export function stagesOf(entry, result) {
  const names = result.steps || [];
  const stages = { before: ["before", result.before || entry.file] };
  names.slice(0, -1).forEach((name, index) => { stages[`stage-${index + 1}`] = [`after ${name}`, result.stages[`stage-${index + 1}`]]; });
  stages.after = ["after", result.after || result.blob];
  if (result.confidence) stages.confidence = ["how far off it may be", result.confidence];
  return stages;
}

// The field for steps, and the two lists of stages. `changed(text, confidence)` is called when the user has chosen, `turned` when
// other stages are to be shown.
export class Steps {
  constructor({ changed, turned }) {
    this.presets = [];
    $("preset").addEventListener("change", () => {
      const { value } = $("preset");
      $("steps-own").hidden = value !== "own";
      if (value === "own") $("steps").focus();
      else changed(value, $("trust").checked);
    });
    $("steps").addEventListener("change", () => changed($("steps").value.trim(), $("trust").checked));
    $("trust").addEventListener("change", () => changed(this.text, $("trust").checked));
    for (const name of ["left", "right"]) $(name).addEventListener("change", turned);
  }

  get text() { return $("preset").value === "own" ? $("steps").value.trim() : $("preset").value; }

  build(presets) {
    this.presets = presets;
    const option = (value, text, title = "") => Object.assign(document.createElement("option"), { value, textContent: text, title });
    $("preset").replaceChildren(option("", "one task, as set above"), ...presets.map(({ name, summary, steps }) => option(steps, name, summary)), option("own", "other steps…"));
  }

  set(text, confidence, picture) {
    $("trust").checked = confidence;
    const same = this.picture === picture && this.last === text;
    this.picture = picture;
    this.last = text;
    // Settings of one task have no part in steps.
    $("main-settings").hidden = Boolean(text);
    // The user may be writing.
    if (same && $("preset").value === "own") return;
    const known = text === "" || this.presets.some((preset) => preset.steps === text);
    $("preset").value = known ? text : "own";
    $("steps-own").hidden = known;
    $("steps").value = known ? "" : text;
    const about = this.presets.find((preset) => preset.steps === text);
    $("steps-words").textContent = about ? `${about.summary}: ${about.steps}` : "";
  }

  // Offers the stages of a result; a new one shows its last two pictures, or how far off it may be.
  offer(stages, fresh) {
    const more = Object.keys(stages).length > 2;
    $("stages").hidden = !more;
    for (const name of ["left", "right"]) {
      const list = $(name);
      const last = list.value;
      list.replaceChildren(...Object.entries(stages).map(([value, [text]]) => Object.assign(document.createElement("option"), { value, textContent: text })));
      list.value = !fresh && last in stages ? last : name === "left" ? (stages.confidence ? "after" : "before") : stages.confidence ? "confidence" : "after";
    }
  }

  get left() { return $("left").value || "before"; }

  get right() { return $("right").value || "after"; }
}

// The parts of the page, each made once: what they do is said by their modules, and what they ask for is done by functions of others.

import { changed, chosenSteps, statesOf, turnTo } from "./changes.js";
import { Clips } from "./clips.js";
import { Form } from "./form.js";
import { History } from "./history.js";
import { keepClip, keepHistory, turnedAway } from "./keeping.js";
import { show } from "./list.js";
import { describe, look } from "./looking.js";
import { found, keepMarks, loadMarks, painted, propose, remarked, showMarks, take } from "./marks.js";
import { $, page, say, warn } from "./page.js";
import { Painting } from "./painting.js";
import { Proposals } from "./proposals.js";
import { restoreAgain } from "./queue.js";
import { stale } from "./requests.js";
import { Service } from "./service.js";
import { Steps } from "./steps.js";
import { Viewer } from "./viewer.js";

export const history = new History({ states: statesOf, turn: turnTo, changed: () => { show(); keepHistory(); } });
export const presence = new Service(turnedAway);
export const viewer = new Viewer({ stage: $("stage"), canvas: $("picture"), magnifier: $("magnifier"), divider: $("divider"), zoom: $("zoom"), onChange: describe });

export const form = new Form($("main-settings"), $("more-settings"), changed, () => {
  if (page.chosen && !page.chosen.controller && (stale(page.chosen) || !page.chosen.result)) restoreAgain(page.chosen);
}, { take, mark: remarked, keep: keepMarks, load: loadMarks, propose });

export const clips = new Clips({ section: $("clips"), list: $("clip-list"), say, offers: () => page.service, keep: keepClip, presence });
export const steps = new Steps({ changed: chosenSteps, turned: () => look(true) });

export const painting = new Painting(viewer, {
  options: painted,
  value: (name) => page.chosen.settings[name],
  set: (name, value) => { if (page.chosen) remarked(name, value); },
  setter: () => {
    const { chosen: entry } = page;
    const { task } = entry;
    return (name, value) => { if (entry.task === task) remarked(name, value, { entry }); };
  },
  size: () => (page.chosen && page.chosen.details) || null,
  key: () => (page.chosen ? `${page.chosen.id} ${page.chosen.task}` : ""),
  get finds() { return Boolean(page.service && page.service.tasks.some((each) => each.finds)); },
  found,
  turned: () => showMarks(),
  warn,
});

export const proposals = new Proposals();

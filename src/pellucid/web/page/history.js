// The steps that can be taken back: functions, each of which takes back one.

const MOST = 200;

export class History {
  // `changed()` is called when there is one step more or less.
  constructor(changed) {
    this.changed = changed;
    this.steps = [];
  }

  get length() { return this.steps.length; }

  record(back) {
    this.steps.push(back);
    if (this.steps.length > MOST) this.steps.shift();
    this.changed();
  }

  // Takes back the last step; whether there was one.
  undo() {
    const back = this.steps.pop();
    if (!back) return false;
    back();
    this.changed();
    return true;
  }
}

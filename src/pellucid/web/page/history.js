// The steps that can be taken back and done again: of each, how that which it changed was before.

const MOST = 200;

export class History {
  // `states(numbers)` gives how the pictures of these numbers are now, a Map; `turn(states)` makes them so; `changed()` is called when
  // there is one step more or less.
  constructor({ states, turn, changed }) {
    Object.assign(this, { states, turn, changed, past: [], future: [] });
  }

  // A step is about to be done, or was just done: `states` is how its pictures were before.
  record(states) {
    this.past.push(states);
    if (this.past.length > MOST) this.past.shift();
    this.future = [];
    this.changed();
  }

  // Takes back the last step, or does the last one that was taken back again; whether there was one.
  undo() { return this.go(this.past, this.future); }

  redo() { return this.go(this.future, this.past); }

  go(from, to) {
    const states = from.pop();
    if (!states) return false;
    to.push(this.states([...states.keys()]));
    this.turn(states);
    this.changed();
    return true;
  }
}

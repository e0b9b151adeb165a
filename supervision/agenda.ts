// What is left to do while actors end, as a stack of steps: an ending goes through any number of children and levels
// without a call per child or level on the host's stack. Depth first: what a step adds comes before what was there.
// A step must not throw. Called by `stopping.ts`.

/** One per runtime. */
export interface Agenda {
  readonly steps: (() => void)[];
  busy: boolean;
}

export function createAgenda(): Agenda {
  return { steps: [], busy: false };
}

/** Runs `step` and all it leads to before it returns, or, within a step, as soon as that one is over. */
export function perform(agenda: Agenda, step: () => void): void {
  agenda.steps.push(step);
  if (agenda.busy) return;
  agenda.busy = true;
  try {
    for (let next = agenda.steps.pop(); next !== undefined; next = agenda.steps.pop()) next();
  } finally {
    agenda.busy = false;
  }
}

// The steps that are left while actors end, as a stack. An ending may pass through any number of children and levels without
// a call per child or level on the host's stack. Depth first: what a step adds comes before what was there. A step must not
// throw. Called by `stopping.ts`.

/** One per runtime. */
export interface Agenda {
  readonly steps: (() => void)[];
  busy: boolean;
}

export function createAgenda(): Agenda {
  return { steps: [], busy: false };
}

/** Runs `step` and all it leads to before it returns. Called within a step, it runs them as soon as that step is over. */
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

// A trampoline: a loop that runs the remaining steps while actors end, from a stack. So an ending can pass through any number of
// children and levels without a nested call for each. The order is depth first: an added step runs before the older ones. A step
// must not throw. Called by `actor-stop.ts`.

/** One per runtime. */
export interface Trampoline {
  readonly steps: (() => void)[];
  isBusy: boolean;
}

export function createTrampoline(): Trampoline {
  return { steps: [], isBusy: false };
}

/**
 * Runs `step`, and all steps that it adds, before it returns. When called within a step, it returns at once; the new step runs
 * when the current one is over.
 */
export function runStep(trampoline: Trampoline, step: () => void): void {
  trampoline.steps.push(step);
  if (trampoline.isBusy) return;
  trampoline.isBusy = true;
  try {
    for (let next = trampoline.steps.pop(); next !== undefined; next = trampoline.steps.pop()) next();
  } finally {
    trampoline.isBusy = false;
  }
}

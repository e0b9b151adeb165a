// Counts how often each pipe has started. A start makes the main state of every node. But a node makes a new main state within a run,
// too. It does so after a result that forgets the state, and after a flush or a timer that has failed and was skipped. Then the other
// nodes still have theirs. If two nodes have forgotten theirs when a pipe ends, its next run is not told apart from this one.

type MainState = 'open' | 'forgotten' | 'failed' | 'ended';

interface Run {
  readonly number: number;
  readonly mainStates: Map<number, MainState>;
}

export interface Runs {
  current(pipe: number): number;
  /** A node makes its main state. Returns the number of the run. */
  mainBegins(pipe: number, index: number): number;
  /** What has happened to the main state. `open`: a call has succeeded after one that had failed. */
  note(pipe: number, index: number, what: MainState): void;
}

export function createRuns(): Runs {
  const runs = new Map<number, Run>();
  const start = (pipe: number): Run => {
    const run: Run = { number: (runs.get(pipe)?.number ?? 0) + 1, mainStates: new Map() };
    runs.set(pipe, run);
    return run;
  };
  const runOf = (pipe: number): Run => runs.get(pipe) ?? start(pipe);
  return {
    current: (pipe) => runOf(pipe).number,
    mainBegins: (pipe, index) => {
      let run = runOf(pipe);
      const own = run.mainStates.get(index);
      const others = [...run.mainStates].filter(([each]) => each !== index);
      const goesOn = others.length === 0 ? own === 'forgotten' : others.some(([, state]) => state !== 'ended');
      if (own === 'ended' || (own !== undefined && !goesOn)) run = start(pipe);
      run.mainStates.set(index, 'open');
      return run.number;
    },
    note: (pipe, index, what) => {
      const { mainStates } = runOf(pipe);
      const before = mainStates.get(index);
      if (what === 'ended' && (before === 'forgotten' || before === 'failed')) return;
      mainStates.set(index, what);
    },
  };
}

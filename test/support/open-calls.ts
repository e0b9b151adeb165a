// A reducer with `process` whose calls stay open until the test ends them, in any order.
import type { ReducerOptions } from '../../actors/reducer/reducer.js';
import type { FlushContext, Item, ProcessReducer } from '../../src/api/reducer.js';
import { retry } from '../../src/options/retry-policy.js';
import { settledIn } from './direct-process.js';
import { direct, type Effects } from './direct-reducer.js';
import { ofType } from './direct.js';

export interface OpenCall {
  readonly items: readonly Item<number>[];
  readonly context: FlushContext;
  /** Ends the call, with this error if there is one. Resolves to the effects of the turn after it. */
  end(error?: Error): Promise<Effects>;
}

type Begun = Omit<OpenCall, 'end'> & { readonly settle: (error?: Error) => void };

const nothing = { items: [], settle: () => {} } as unknown as Begun;

export function openCalls(definition: Partial<ProcessReducer<number>> = {}, options: Partial<ReducerOptions> = {}) {
  const open: OpenCall[] = [];
  const settled: number[] = [];
  const all: Effects[number][] = [];
  let begun: Begun | undefined;
  const begunCall = (): Begun | undefined => begun;
  const harness = direct(
    {
      process: (items, context) =>
        new Promise<void>((resolve, reject) => {
          begun = { items, context, settle: (error) => (error === undefined ? resolve() : reject(error)) };
        }),
      ...definition,
    },
    { batchSize: 1, onFailure: retry({ minMs: 100 }), random: { next: () => 1 }, ...options },
  );

  /** Starts the calls of these effects. */
  const begin = (effects: Effects): Effects => {
    all.push(...effects);
    settled.push(...settledIn(effects, harness.stage));
    for (const run of ofType(effects, 'run')) {
      begun = undefined;
      const result = run.start(new AbortController().signal) as Promise<never>;
      // A call without live items does not reach the application.
      const { items, context, settle } = begunCall() ?? nothing;
      const call: OpenCall = {
        ...{ items, context },
        end: async (error) => {
          open.splice(open.indexOf(call), 1);
          settle(error);
          return begin(harness.tell(run.done(await result)));
        },
      };
      open.push(call);
    }
    return effects;
  };
  return {
    ...harness,
    ...{ open, settled, all, begin },
    values: () => open.map(({ items }) => items.map(({ value }) => value).join('')).join(' '),
    /** So much time passes, and the attempts that are due begin. */
    wait: (ms: number) => {
      harness.clock.move(ms);
      return begin(harness.tell({ type: 'attemptDue' }));
    },
  };
}

// The options of `createConsumer` under `runtime`, as a table. consumer-option-table.ts has it as a row.
import type { Clock, Random, Timers } from '../api/ports.js';
import { anything, callback, optional, shaped, type Kind } from './option-table.js';

/** Accepts anything: `kinact/supervision`, which option tables may not import, checks the intercept. */
const intercept: Kind<unknown, object> = { ...(anything as Kind<object>), type: 'object' };

export const runtimeTable = {
  clock: optional(
    shaped<Clock>('a clock with now and wallNow', ['now', 'wallNow'], 'Clock'),
    'The time of day, and the elapsed time.',
    {
      shown: "the host's",
      example: 'new ManualClock()',
    },
  ),
  timers: optional(shaped<Timers>('timers with after', ['after'], 'Timers'), 'One-shot timers.', {
    shown: "the host's",
    example: 'new ManualClock()',
  }),
  random: optional(shaped<Random>('randomness with next', ['next'], 'Random'), 'Source of randomness.', {
    shown: "the host's",
    example: '{ next: () => 0.5 }',
  }),
  trace: optional(
    callback<(entry: object) => void, (entry: never) => void>('(entry: never) => void'),
    'Gets one entry per step of the actors: a `TraceEntry` of `kinact/supervision`. The same run gives the same entries.',
    { example: '(entry: TraceEntry) => console.log(entry.to, entry.what)' },
  ),
  intercept: optional(
    intercept,
    'Runs between actors and their messages and effects: an `Intercept` of `kinact/supervision`.',
    { example: '{ receive: (delivery, receive) => receive() } satisfies Intercept' },
  ),
};

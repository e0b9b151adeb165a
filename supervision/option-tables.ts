// The options of `kinact/supervision`, as tables: supervision/generated comes from them.
import { KinactError } from '../src/api/errors.js';
import type { Clock, Random, Timers } from '../src/api/ports.js';
import { callback, defaulting, duration, milliseconds, optional, refuse, shaped } from '../src/options/option-table.js';
import type { Kind } from '../src/options/option-table.js';
import { defaultShutdownMs } from './incarnation.js';
import { interceptKind } from './intercept.js';
import { isNactReference, isOfOurNact, type NactReference } from './nact.js';
import type { TraceEntry } from './seams.js';
import { systemClock, systemRandom, systemTimers } from './timers.js';

const nactParent: Kind<NactReference> = {
  expected: 'an actor, a runtime, or a nact actor or system',
  type: 'NactReference',
  parse(value, path) {
    if (!isNactReference(value)) return refuse(path, this.expected, value);
    if (isOfOurNact(value)) return value;
    throw new KinactError(
      'INVALID_OPTION',
      `${path}: expected a reference of the nact that kinact itself uses, got one of another copy of nact; \`npm ls nact\` shows both`,
      { data: { option: path } },
    );
  },
};

export const runtimeTable = {
  clock: optional(
    shaped<Clock>('an object with the methods now and wallNow', ['now', 'wallNow'], 'Clock'),
    'What time it is, and how much has passed.',
    { shown: "the host's", fallback: () => systemClock, example: 'new ManualClock()' },
  ),
  timers: optional(shaped<Timers>('an object with the method after', ['after'], 'Timers'), 'One-shot timers.', {
    shown: "the host's",
    fallback: () => systemTimers,
    example: 'new ManualClock()',
  }),
  random: optional(shaped<Random>('an object with the method next', ['next'], 'Random'), 'Where chance comes from.', {
    shown: "the host's",
    fallback: () => systemRandom,
    example: '{ next: () => 0.5 }',
  }),
  emit: optional(
    callback<(event: unknown) => void>('(event: Event | RuntimeEvent) => void'),
    'Gets every event that actors emit, and those of the runtime. What it throws or rejects with is counted.',
    { example: '(event) => console.log(event)' },
  ),
  parent: optional(nactParent, 'An actor or system of the application’s nact to live under.', {
    shown: 'a nact system of its own',
    example: 'start()',
  }),
  probeMs: defaulting(
    milliseconds(1),
    250,
    'How often to check whether the application has stopped `parent`; nact gives no notice of that.',
    '1_000',
  ),
  trace: optional(
    callback<(entry: TraceEntry) => void>('(entry: TraceEntry) => void'),
    'Gets every step. What it throws or rejects with is counted, and reported once, by the event `warning`.',
    { example: '({ to, what }) => console.log(to, what)' },
  ),
  intercept: optional(interceptKind, 'Stands between actors and their messages and effects.', {
    example: '{ receive: (delivery, receive) => receive() }',
  }),
};

export const spawnTable = {
  shutdownMs: defaulting(
    duration,
    defaultShutdownMs,
    'How long it may wait for its user effects and children when it ends by itself. 0: not at all.',
    '60_000',
  ),
};

export const stopTable = {
  deadlineMs: defaulting(
    duration,
    5_000,
    'How long its children and its user effects may take in all. Those that still run then are named in `orphans`.',
    '60_000',
  ),
};

export const askTable = {
  deadlineMs: optional(duration, 'After so long the question fails with ASK_TIMEOUT.', { example: '1_000' }),
  signal: optional(
    shaped<AbortSignal>('an AbortSignal', ['addEventListener', 'removeEventListener'], 'AbortSignal'),
    'Withdraws the question, and rejects with its reason.',
    { example: 'AbortSignal.timeout(1_000)' },
  ),
};

// The option tables of `kinact/supervision`. The files in supervision/generated are made from them.
import { KinactError } from '../src/api/errors.js';
import type { Clock, Random, Timers } from '../src/api/ports.js';
import {
  bounded,
  callback,
  defaulting,
  duration,
  kind,
  milliseconds,
  oneOf,
  optional,
  refuse,
  required,
  shaped,
  text,
  type Kind,
  type Resolved,
} from '../src/options/option-table.js';
import type { Effect } from './actor.js';
import { defaultShutdownMs, type ChildSpec, type Siblings } from './child-spec.js';
import { interceptKind } from './intercept-chain.js';
import { isNactReference, isOfOurNact, type NactReference } from './nact.js';
import type { TraceEntry } from './intercept.js';
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
    'The time of day, and the elapsed time.',
    { shown: "the host's", fallback: () => systemClock, example: 'new ManualClock()' },
  ),
  timers: optional(shaped<Timers>('an object with the method after', ['after'], 'Timers'), 'One-shot timers.', {
    shown: "the host's",
    fallback: () => systemTimers,
    example: 'new ManualClock()',
  }),
  random: optional(shaped<Random>('an object with the method next', ['next'], 'Random'), 'Source of randomness.', {
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
  intercept: optional(
    interceptKind,
    'Runs between actors and their messages and effects, for tracing, fault injection or throttling.',
    {
      example: '{ receive: (delivery, receive) => receive() }',
    },
  ),
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
    defaultShutdownMs,
    'How long its children and its user effects may take in all. Those that still run then are named in `orphans`.',
    '60_000',
  ),
};

export const askTable = {
  deadlineMs: optional(duration, 'The question fails with ASK_TIMEOUT after this time.', { example: '1_000' }),
  signal: optional(
    shaped<AbortSignal>('an AbortSignal', ['addEventListener', 'removeEventListener'], 'AbortSignal'),
    'Withdraws the question, and rejects with its reason.',
    { example: 'AbortSignal.timeout(1_000)' },
  ),
};

export const supervisorTable = {
  kind: defaulting(text('a non-empty string', /./s), 'supervisor', "The actor's kind, in its path.", "'orders'"),
  strategy: defaulting(
    oneOf('one-for-one', 'rest-for-one', 'one-for-all'),
    'one-for-one',
    'Which children restart with one that crashed: no other, those that were started after it, or all.',
    "'rest-for-one'",
  ),
  intensity: defaulting(
    bounded('a number of restarts, 0 or more', (value) => value >= 0),
    1,
    'At most this many restarts within `periodMs`; the next one makes the supervisor fail with RESTART_INTENSITY.',
    '5',
  ),
  periodMs: defaulting(
    bounded('milliseconds, more than 0', (value) => value > 0),
    5_000,
    'The length of the sliding period.',
    '60_000',
  ),
  autoShutdown: defaulting(
    oneOf('never', 'any-significant', 'all-significant'),
    'never',
    'Whether the supervisor ends when significant children have ended on their own and will not restart: one of them, or all.',
    "'any-significant'",
  ),
  children: required(
    kind<readonly ChildSpec[]>('an array of child specs', Array.isArray, 'readonly ChildSpec[]'),
    'Started in this order, stopped in the reverse one.',
    "[{ id: 'counter', start: () => counter }]",
  ),
  stopChildren: defaulting(
    oneOf('one-by-one', 'together'),
    'one-by-one',
    'See `Behaviour.stopChildren`: one after the other, as in OTP, or all at once.',
    "'together'",
  ),
  dynamic: optional(
    callback<(siblings: Siblings) => readonly ChildSpec[]>('(siblings: Siblings) => readonly ChildSpec[]'),
    'Further children, asked for after the first start, and after every restart under rest-for-one and one-for-all. One that does not start is left out.',
    { example: "() => [{ id: 'late', start: () => counter }]" },
  ),
  restartDelayMs: optional(
    callback<(count: number, error: Error) => number>('(count: number, error: Error) => number'),
    'How long to wait before a restart starts the children again, once they have stopped. Until then, the supervisor handles no other request. `count` counts the restarts of its life.',
    { shown: 'none', example: '(count) => Math.min(30_000, 500 * 2 ** (count - 1))' },
  ),
  restarting: optional(
    callback<(count: number, error: Error) => readonly Effect<never, unknown>[]>(
      '(count: number, error: Error) => readonly Effect<never, Event>[]',
    ),
    "Effects when a restart begins, such as an event. `count` counts the restarts of this supervisor's life.",
    { example: '(count, error) => [effect.emit({ count, error })]' },
  ),
};

/** The options of a supervisor, with all defaults filled in. */
export type Settings = Resolved<typeof supervisorTable>;

// The options of `openPipe`, and of the calls of an open pipe, as tables. docs/options.md and src/api/generated are generated from them.
import type { OnFailure } from '../api/failure-policy.js';
import { refuseName } from '../api/refusal.js';
import { consumerTable, onFailureKind } from './consumer-option-table.js';
import { callback, defaulting, group, integer, milliseconds, optional, text, type Kind } from './option-table.js';
import { retry } from './retry-policy.js';
import { runtimeTable } from './runtime-option-table.js';
import { refusedPolicy } from './open-pipe-policy.js';

const onFailure: Kind<OnFailure> = {
  expected: "retry(), park(), 'crash', 'skip' or a function",
  type: 'OnFailure',
  parse(value, path) {
    const policy = onFailureKind.parse.call(this, value, path);
    const refused = typeof policy === 'function' ? undefined : refusedPolicy(policy);
    return refused === undefined ? policy : refuseName(`${path}${refused.at}`, refused.text);
  },
};

export const openPipeTable = {
  name: optional(
    text('a non-empty string', /./s),
    'The name of the pipe in logs, errors, events and idempotency keys: `source` and `shardId` of its items.',
    {
      shown: '`pipe`',
      fallback: () => 'pipe',
      example: "'orders'",
    },
  ),
  firstOffset: defaulting(
    integer(0),
    0,
    'The offset of the first message. After an end, open the pipe again with `firstOpen` of the ending, and offsets and idempotency keys go on as before.',
    '120_000',
  ),
  onFailure: optional(
    onFailure,
    'What happens when a call of a node fails. `retry()` repeats it after a growing delay, and holds the node. `park()` sets aside what has failed, and needs a format. `skip` settles and counts it. `crash` ends the pipe. A function `(error, item, attempt) => policy` decides each time, and may return a promise. `stopShard` has no shard here.',
    { shown: '`retry()`', fallback: (): OnFailure => retry(), example: "'crash'" },
  ),
  onSettled: optional(
    callback<(offset: number) => unknown>('(offset: number) => unknown'),
    'Called with the offset up to which everything is done, when it has risen. Calls do not overlap: while a promise of it is pending, the next call waits, and then gets the newest offset. A failure is a `warning`. Do not await the end of the pipe in it: the end waits for it, at most `callDeadlineMs`. After `stop()` it is not called any more.',
    { example: '(offset) => console.log(offset)' },
  ),
  callDeadlineMs: defaulting(
    milliseconds(0),
    30_000,
    'How long a stop waits for running calls of your code, and a pipe that has crashed for its nodes to drain. It is also `timeoutMs` of the nodes that name none. And it is how long a policy function, and a call past its `timeoutMs`, may take. With 0 no stop waits, and these still have 30 s.',
    '10_000',
  ),
  logger: consumerTable.logger,
  runtime: group(
    runtimeTable,
    'The environment of the actors: clock, timers, randomness, and hooks for tests and tools.',
    { name: 'RuntimeSeams', example: '{ clock, timers: clock }' },
  ),
};

const deadlineMs = optional(
  milliseconds(0),
  'After this long the call rejects with PIPE_TIMEOUT. A call that has not begun by then has no effect; any other goes on.',
  { example: '5_000' },
);

export const feedTable = {
  key: optional(text('a text', /^/), '`key` of the item that the message stands for.', {
    shown: "`''`",
    fallback: () => '',
    example: "'customer-1'",
  }),
  deadlineMs,
};

export const flushTable = { deadlineMs };

export const drainTable = {
  deadlineMs: defaulting(
    milliseconds(0),
    20_000,
    'How long draining may take. After it, the pipe stops at once.',
    '50_000',
  ),
};

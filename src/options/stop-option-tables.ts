// The options of the two ways to stop a consumer, as tables: `consumer.stop` and `runUntilSignal`.
import { constants } from 'node:os';
import { defaulting, kind, milliseconds, optional } from './option-table.js';

const deadlineMs = defaulting(
  milliseconds(0),
  20_000,
  'How long draining may take. A shard that is not drained by then is released at its last settled record.',
  '50_000',
);

export const stopTable = { deadlineMs };

export const runTable = {
  signals: optional(
    kind<readonly NodeJS.Signals[]>(
      'a list of signals of this system, at least one',
      (value) =>
        Array.isArray(value) && value.length > 0 && value.every((name) => Object.hasOwn(constants.signals, name)),
      'readonly NodeJS.Signals[]',
    ),
    'Stop signals.',
    {
      shown: "`['SIGTERM', 'SIGINT']`",
      fallback: (): readonly NodeJS.Signals[] => ['SIGTERM', 'SIGINT'],
      example: "['SIGTERM', 'SIGUSR2']",
    },
  ),
  deadlineMs,
};

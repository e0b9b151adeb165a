// An open pipe in virtual time, with a log of what resolves and rejects. For the tests of `openPipe`.
import { setImmediate } from 'node:timers/promises';
import { openPipe, type OpenPipe, type PipeEnding } from '../../src/consumer/open-pipe.js';
import { isKinactError } from '../../src/api/errors.js';
import type { OpenPipeOptions } from '../../src/api/options.js';
import type { Pipe } from '../../src/api/pipe.js';
import { ManualClock } from '../../src/testing/manual-clock.js';

export interface OpenedPipe<In> {
  readonly opened: OpenPipe<In>;
  /** What has happened: the test adds to it, and so do the methods here. */
  readonly log: string[];
  /** Feeds, and logs `fed 1 as 0`, or `feed 1: PIPE_TIMEOUT`. Resolves when everything that can happen without time has. */
  feed(value: In, options?: { readonly deadlineMs?: number }): Promise<void>;
  /** Flushes, and logs `flushed`, or `flush: PIPE_TIMEOUT`. */
  flush(options?: { readonly deadlineMs?: number }): Promise<void>;
  /** Lets time pass. */
  advance(ms: number): Promise<void>;
  /** Resolves when everything that can happen without time has. */
  rest(): Promise<void>;
}

export async function openedPipe<In>(
  pipe: Pipe<In>,
  options: OpenPipeOptions = {},
  log: string[] = [],
): Promise<OpenedPipe<In>> {
  const clock = new ManualClock();
  const given = { logger: false, callDeadlineMs: 1_000, onFailure: 'crash', ...options } as const;
  const opened = await openPipe(pipe, { ...given, runtime: { clock, timers: clock } });
  const rest = async (): Promise<void> => {
    for (let turns = 0; turns < 100; turns += 1) await setImmediate();
  };
  const noted = (call: Promise<string>, what: string): Promise<void> => {
    void call.then(
      (text) => log.push(text),
      (error: unknown) => log.push(`${what}: ${reasonOf(error)}`),
    );
    return rest();
  };
  return {
    opened,
    log,
    rest,
    feed: (value, at) =>
      noted(
        opened.feed(value, at).then((offset) => `fed ${String(value)} as ${offset}`),
        `feed ${String(value)}`,
      ),
    flush: (at) =>
      noted(
        opened.flush(at).then(() => 'flushed'),
        'flush',
      ),
    advance: async (ms) => {
      await clock.advance(ms);
      await rest();
    },
  };
}

/** The code, or the text; of a failed call what it threw. */
function reasonOf(error: unknown): string {
  if (isKinactError(error) && error.code !== 'PROCESSING_FAILED') return error.code;
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
}

/** An ending in one line: `crash, open from 1: store down`. */
export function endingText({ reason, error, firstOpen, open }: PipeEnding): string {
  const from = open === 0 ? 'nothing open' : `${open} open from ${firstOpen}`;
  return `${reason}, ${from}${error === undefined ? '' : `: ${reasonOf(error)}`}`;
}

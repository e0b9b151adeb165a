// `kinact tail --application`: a full member of an application, with a reducer that writes lines. Invariant: an item is
// acknowledged after the write callback of its line has fired, so no checkpoint is ever ahead of the written lines. While a
// pipe is full, items stay open, which slows the reading; leases are still renewed.
import { createConsumer, type Consumer } from '../consumer/consumer.js';
import { recordKey } from '../core/record-key.js';
import { maxTimerMs } from '../options/option-table.js';
import type { UserRecord } from '../api/ports.js';
import { defineReducer, type RawReducer } from '../api/reducer.js';
import type { AnySource } from '../api/source.js';
import type { ConsumerStatus } from '../api/status.js';
import { say, type CommandIo } from './command.js';
import { idleMsOf, watchOf, type IdleWatch, type TailRequest } from './idle-watch.js';
import { retryReporter } from './retry-report.js';
import { sayEvents } from './tail-events.js';
import { hostEnvironment } from '../consumer/host-environment.js';
import { isClosedPipe, lineWriter, type LineWriter } from './record-lines.js';
import type { TailOrigin } from './tail-origin.js';

/** With a closed pipe nothing can drain: items stay open, and leases are released at their checkpoint. */
const closedPipeDeadlineMs = 1_000;
/** A child's lease is taken within two seconds of its parent's end. */
const handOverMs = 3_000;

export async function tailApplication(application: string, request: TailRequest, io: CommandIo): Promise<number> {
  const writer = lineWriter(io.stdout);
  const closedPipe = new AbortController();
  const watch = watchOf(request, writer, handOverMs, () => hasOpenedAll(consumer.status()));
  const { origin, from } = request;
  const spec = origin.spec(from, idleMsOf(request));

  const consumer = createConsumer({
    application,
    logger: false,
    source: watch === undefined ? spec : observed(spec, watch),
    extract: (record: UserRecord) => [{ key: recordKey(record), value: record }],
    reducer: linesReducer(writer, origin, closedPipe, watch),
    reducers: 1,
    // A line that cannot be written ends the command.
    onFailure: 'crash',
    // A full pipe is no stall, however long it is full.
    watchdogMs: maxTimerMs,
  });

  const reportRetry = retryReporter((text) => say(io, text), hostEnvironment.clock);
  // Behind a closed pipe the stop leaves open records on purpose.
  const sayUnlessClosed = (text: string): void => {
    if (!closedPipe.signal.aborted) say(io, text);
  };
  sayEvents(consumer, sayUnlessClosed, reportRetry);
  return await runToItsEnd(consumer, io.signal, closedPipe, watch);
}

/** The part of a coordinator's lease status that is used here. */
interface LeaseStatus {
  readonly leaseKey: string;
  readonly owner: string | undefined;
  readonly checkpoint: string;
  readonly here?: { readonly phase: 'wishing' | 'taking' | 'held'; readonly startable: boolean };
}

/**
 * True if every lease has ended, is read here, waits for its parents, or is another member's. Quiet shards alone prove nothing:
 * a slow machine reads the first shards to their tips before it takes the last leases.
 */
export function hasOpenedAll({ state, workerId, shards, leases }: ConsumerStatus): boolean {
  if (state !== 'running') return false;

  const reading = new Set(shards.flatMap(({ shardId, doing }) => (doing === 'reading' ? [shardId] : [])));
  return leases.every(({ state: said }) => {
    const rows = (said as { readonly leases?: readonly LeaseStatus[] } | undefined)?.leases ?? [];
    return rows.every(({ leaseKey, owner, checkpoint, here }) => {
      // In a table that several streams share, a key with colons belongs to another stream.
      if (checkpoint === 'SHARD_END' || leaseKey.includes(':')) return true;
      if (here === undefined) return owner !== undefined && owner !== workerId;
      return here.phase === 'held' && (!here.startable || reading.has(leaseKey));
    });
  });
}

async function runToItsEnd(
  consumer: Consumer,
  signal: AbortSignal,
  closedPipe: AbortController,
  watch: IdleWatch | undefined,
): Promise<number> {
  const stopRequested = new Promise<void>((resolve) => {
    for (const each of [signal, closedPipe.signal]) {
      if (each.aborted) resolve();
      else each.addEventListener('abort', () => resolve(), { once: true });
    }
    void watch?.idle.then(resolve);
  });

  let stopping = false;
  // Rejects if the start fails or the consumer ends by itself, but not if `stop` ends the consumer.
  const ended = consumer
    .start()
    .then(() => consumer.closed)
    .catch((error: unknown) => {
      if (!stopping) throw error;
    });

  await Promise.race([stopRequested, ended]);
  stopping = true;
  const { leases } = await consumer.stop(closedPipe.signal.aborted ? { deadlineMs: closedPipeDeadlineMs } : {});
  // Open records are not lost: they come after the released checkpoint. A lease still held delays its next owner.
  return leases.every(({ released }) => released) ? 0 : 1;
}

function linesReducer(
  writer: LineWriter,
  origin: TailOrigin,
  closedPipe: AbortController,
  watch: IdleWatch | undefined,
): RawReducer<undefined, UserRecord> {
  return defineReducer<undefined, UserRecord>({
    init: () => undefined,
    async behaviour(state, message, ctx) {
      if (message.type !== 'items') return state;
      let text = '';
      for (const { shardId, value } of message.items) text += origin.lineOf(value, shardId);
      try {
        await writer.write(text);
      } catch (error) {
        if (!isClosedPipe(error)) throw error;
        closedPipe.abort();
        await aborted(ctx.signal);
        return state;
      }
      for (const { token } of message.items) ctx.ack(token);
      watch?.stir();
      return state;
    },
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function observed(spec: AnySource, watch: IdleWatch): AnySource {
  return { ...spec, open: (environment) => watch.observe(spec.open(environment)) };
}

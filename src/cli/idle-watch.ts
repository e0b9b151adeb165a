// Finds out for `kinact tail --until-idle` when no more records come. A shard is quiet when an empty read at its tip was
// answered at least `idleMs` after the last record of any shard. The stream is idle when all shards that are read are quiet,
// and no line waits to be written. A slow read, or a full pipe that stops the reading, never counts as idle.
import type { InitialPosition } from '../core/position.js';
import type { ReadResult, ShardReader, StreamSource } from '../api/ports.js';
import type { LineWriter } from './record-lines.js';
import type { TailOrigin } from './tail-origin.js';
import { kinesisStreamDefaults } from '../options/kinesis-stream-option-table.js';
import { hostEnvironment } from '../consumer/host-environment.js';

/** What a user asked `tail` for. */
export interface TailRequest {
  readonly origin: TailOrigin;
  readonly from: InitialPosition;
  readonly untilIdleMs: number | undefined;
}

/** How long to wait for shards that are not open yet. */
const openingMs = 30_000;
const { idleMs: defaultIdleMs } = kinesisStreamDefaults;

export interface IdleWatch {
  /** Resolves once the stream is idle. */
  readonly idle: Promise<void>;
  /** Wraps the source, so that the watch sees every answer of its readers. */
  observe(source: StreamSource): StreamSource;
  /** Restarts the idle time, as a record does: something is about to be read, or was just done. */
  stir(): void;
  /** Checks whether the stream is idle now, as every empty read does. Call it after the last write. */
  check(): void;
}

export function idleWatch(options: {
  readonly idleMs: number;
  /** How long the readers of a shard's children may take to appear after the end of the shard. Added to `idleMs`. */
  readonly handOverMs: number;
  readonly now: () => number;
  /** True if no line waits to be written. */
  readonly settled: () => boolean;
  /**
   * True if no further shard is about to be opened. The wait for this is limited, because a lease may stay without an owner.
   * Default: true.
   */
  readonly opened?: () => boolean;
}): IdleWatch {
  const { idleMs, handOverMs, now, settled, opened = () => true } = options;
  /** Per open reader: when its last read was answered, if that was an empty read at the tip; else undefined. */
  const quiet = new Map<object, number | undefined>();
  let stirredAt = now();
  let settle: () => void = () => undefined;
  const idle = new Promise<void>((resolve) => (settle = resolve));

  const stir = (extraMs = 0): void => {
    stirredAt = Math.max(stirredAt, now() + extraMs);
  };
  const check = (): void => {
    if (quiet.size === 0) return;
    for (const at of quiet.values()) if (at === undefined || at < stirredAt + idleMs) return;
    if (settled() && (opened() || now() >= stirredAt + idleMs + openingMs)) settle();
  };
  const noticed = (reader: object, result: ReadResult): void => {
    if (result.type === 'shardEnd') {
      quiet.delete(reader);
      stir(handOverMs);
    } else if (result.records.length > 0 || (result.millisBehindLatest ?? 0) > 0) {
      quiet.set(reader, undefined);
      if (result.records.length > 0) stir();
    } else {
      quiet.set(reader, now());
      check();
    }
  };

  return {
    idle,
    stir,
    check,
    observe: (source) => ({
      ...source,
      open(shardId, start, notice, lease) {
        const reader = source.open(shardId, start, notice, lease);
        const observed: ShardReader = {
          async read(signal) {
            const result = await reader.read(signal);
            noticed(observed, result);
            return result;
          },
          close() {
            if (quiet.delete(observed)) stir(handOverMs);
            reader.close();
          },
        };
        quiet.set(observed, undefined);
        stir();
        return observed;
      },
    }),
  };
}

/** The watch for `--until-idle`; undefined without it. `opened`: no shard is about to be opened, as far as is known. */
export function watchOf(
  request: TailRequest,
  writer: LineWriter,
  handOverMs: number,
  opened: () => boolean = () => true,
): IdleWatch | undefined {
  const { untilIdleMs } = request;
  if (untilIdleMs === undefined) return undefined;
  return idleWatch({
    idleMs: untilIdleMs,
    handOverMs,
    now: () => hostEnvironment.clock.now(),
    settled: () => writer.pending === 0,
    opened,
  });
}

/** The time between reads at the tip: short enough to notice idleness in time, within the limits of the service. */
export function idleMsOf({ untilIdleMs = 2 * defaultIdleMs }: TailRequest): number {
  return Math.min(defaultIdleMs, Math.max(200, Math.floor(untilIdleMs / 2)));
}

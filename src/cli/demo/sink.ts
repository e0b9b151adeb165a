// Collects the ids of the records that the demo's consumers deliver, outside their processes. Only this data decides the
// verdict: the written ids and the delivered ids, and no checkpoints.

/** What one process delivered of one shard. */
export interface Delivered {
  readonly process: string;
  readonly shardId: string;
  /** Replays included. */
  records: number;
  /** Records that any process had delivered before. */
  replays: number;
}

export interface Verdict {
  readonly written: number;
  readonly seen: number;
  readonly lost: number;
  readonly deliveredMoreThanOnce: number;
}

export interface Sink {
  /** Ids that the service accepted. */
  write(ids: readonly number[]): void;
  /** Ids that a process delivered. */
  deliver(process: string, shardId: string, ids: readonly number[]): void;
  readonly written: number;
  /** How many written ids were delivered. */
  readonly seen: number;
  /** Grows with every delivery, which shows progress. */
  readonly deliveries: number;
  readonly byProcess: readonly Delivered[];
  verdict(): Verdict;
}

/** `dropId`: an id that the sink loses on purpose, to test the verdict. */
export function createSink(dropId: number | undefined): Sink {
  const written = new Set<number>();
  const times = new Map<number, number>();
  const lines = new Map<string, Delivered>();
  let deliveries = 0;
  let seen = 0;
  return {
    write(ids) {
      for (const id of ids) {
        written.add(id);
        // A record may be delivered before the reply of its put arrives.
        if (times.has(id)) seen += 1;
      }
    },
    deliver(process, shardId, ids) {
      const key = `${process} ${shardId}`;
      const line = lines.get(key) ?? { process, shardId, records: 0, replays: 0 };
      lines.set(key, line);
      for (const id of ids) {
        if (id === dropId) continue;
        deliveries += 1;
        const before = times.get(id) ?? 0;
        times.set(id, before + 1);
        line.records += 1;
        if (before > 0) line.replays += 1;
        else if (written.has(id)) seen += 1;
      }
    },
    get written() {
      return written.size;
    },
    get seen() {
      return seen;
    },
    get deliveries() {
      return deliveries;
    },
    get byProcess() {
      return [...lines.values()];
    },
    verdict() {
      let deliveredMoreThanOnce = 0;
      for (const [id, count] of times) if (count > 1 && written.has(id)) deliveredMoreThanOnce += 1;
      return { written: written.size, seen, lost: written.size - seen, deliveredMoreThanOnce };
    },
  };
}

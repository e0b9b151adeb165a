// I48: a call of the application keeps its shard. While one runs with records of a shard, its process neither hands the lease over nor
// says SHARD_END; a stop gives the lease back only after the call, or when its time is up. An item may be done long before its call
// is: an application may acknowledge early. A call may outlive its tenure, which a crash or a machine that stood still has ended.
import type { Item } from '../../src/api/reducer.js';
import type { Oracle, Written } from './oracle.js';

export interface CallsOptions {
  readonly layout: { nameOf(stream: string, shardId: string, sequenceNumber: string): string };
  readonly oracle: Pick<Oracle, 'violate'>;
}

export interface Calls {
  /** A call of this process begins that has these items. Returns how to say that it is over. */
  begins(process: string, items: readonly Item<string>[]): () => void;
  /** It has given up an actor whose call does not end, and said so: what runs now is nobody's any more. */
  orphaned(process: string): void;
  wrote(written: Written): void;
  /** This process is asked to stop: until then it waits for what runs. */
  stopping(process: string, until: number): void;
  /** It says whether all was drained. */
  stopped(process: string, drained: boolean): void;
}

export function createCalls({ layout, oracle }: CallsOptions): Calls {
  /** By process: the leases of each call that runs. */
  const running = new Map<string, Set<ReadonlySet<string>>>();
  const stopsAt = new Map<string, number>();
  const runsOf = (process: string): readonly string[] => [...(running.get(process) ?? [])].flatMap((each) => [...each]);

  return {
    begins: (process, items) => {
      const call = new Set(items.map((item) => layout.nameOf(item.source, item.shardId, item.sequenceNumber)));
      const calls = running.get(process) ?? new Set();
      running.set(process, calls.add(call));
      return () => void calls.delete(call);
    },
    orphaned: (process) => void running.delete(process),
    wrote: ({ process, leaseKey, before, after, sentAt }) => {
      if (before?.leaseOwner !== process || after === undefined) return;
      if (!runsOf(process).includes(leaseKey)) return;
      const { leaseOwner: heir, checkpoint } = after;
      const said = `${process}, where a call with records of ${leaseKey} runs,`;
      if (checkpoint === 'SHARD_END' && before.checkpoint !== 'SHARD_END')
        oracle.violate('I48', `${said} says that it has ended`);
      else if (heir !== undefined && heir !== process) oracle.violate('I48', `${said} hands it over to ${heir}`);
      else if (heir === undefined && sentAt < (stopsAt.get(process) ?? -Infinity))
        oracle.violate('I48', `${said} stops and gives it back`);
    },
    stopping: (process, until) => void stopsAt.set(process, until),
    stopped: (process, drained) => {
      const left = runsOf(process);
      if (drained && left.length > 0)
        oracle.violate('I48', `${process} says that it has drained, and calls run: ${left.join(', ')}`);
    },
  };
}

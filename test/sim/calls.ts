// I48: a call of the application keeps its shard. While one runs with records of a shard, its process neither hands the lease over nor
// says SHARD_END; a stop gives the lease back only after the call, or when its time is up. An item may be done long before its call
// is: an application may acknowledge early. A call whose tenure is over when the stop begins, or runs out during it because its process
// stood still or could not renew, holds nothing: others may have the lease already.
import type { Item } from '../../src/api/reducer.js';
import type { Oracle, Written } from './oracle.js';

export interface CallsOptions {
  readonly clock: { now(): number };
  readonly layout: { nameOf(stream: string, shardId: string, sequenceNumber: string): string };
  readonly oracle: Pick<Oracle, 'violate'>;
  /** Changes when a call of this process to the table is harmed, its mail held up, or when it stands still. */
  readonly troublesOf: (process: string) => string;
  /** Whether the table takes its time with what this process asks. */
  readonly isSlow: (process: string) => boolean;
}

export interface Calls {
  /** A call of this process begins that has these items. Returns how to say that it is over. */
  begins(process: string, items: readonly Item<string>[]): () => void;
  /** It has given up an actor whose call does not end, and said so: what runs now is nobody's any more. */
  orphaned(process: string): void;
  /** Its own code let nothing else run for a while. */
  blocked(process: string): void;
  wrote(written: Written): void;
  /** This process is asked to stop: until then it waits for what runs. */
  stopping(process: string, until: number): void;
  /** It says whether all was drained. */
  stopped(process: string, drained: boolean): void;
}

interface Call {
  readonly leaseKeys: ReadonlySet<string>;
  readonly tenures: readonly { readonly dead: boolean }[];
  /** Its tenures were over when the stop began. */
  lapsed: boolean;
}

interface Stop {
  readonly at: number;
  readonly until: number;
  readonly troubles: string;
}

export function createCalls({ clock, layout, oracle, troublesOf, isSlow }: CallsOptions): Calls {
  const running = new Map<string, Set<Call>>();
  const stops = new Map<string, Stop>();
  const blockedAt = new Map<string, number>();
  const callsOf = (process: string): readonly Call[] => [...(running.get(process) ?? [])];
  /** Of a stop that nothing disturbs, and whose time is not up. */
  const isHeld = (process: string, leaseKey: string, sentAt: number): boolean => {
    const stop = stops.get(process);
    if (stop === undefined || sentAt >= stop.until || isSlow(process)) return false;
    if (stop.troubles !== troublesOf(process) || (blockedAt.get(process) ?? -Infinity) >= stop.at) return false;
    return callsOf(process).some(({ leaseKeys, lapsed }) => !lapsed && leaseKeys.has(leaseKey));
  };

  return {
    begins: (process, items) => {
      const call: Call = {
        leaseKeys: new Set(items.map((item) => layout.nameOf(item.source, item.shardId, item.sequenceNumber))),
        tenures: items.map((item) => (item as unknown as { tenure: { dead: boolean } }).tenure),
        lapsed: false,
      };
      const calls = running.get(process) ?? new Set();
      running.set(process, calls.add(call));
      return () => void calls.delete(call);
    },
    orphaned: (process) => void running.delete(process),
    blocked: (process) => void blockedAt.set(process, clock.now()),
    wrote: ({ process, leaseKey, before, after, sentAt }) => {
      if (before?.leaseOwner !== process || after === undefined) return;
      if (!callsOf(process).some(({ leaseKeys }) => leaseKeys.has(leaseKey))) return;
      const { leaseOwner: heir, checkpoint } = after;
      const said = `${process}, where a call with records of ${leaseKey} runs,`;
      if (checkpoint === 'SHARD_END' && before.checkpoint !== 'SHARD_END')
        oracle.violate('I48', `${said} says that it has ended`);
      else if (heir !== undefined && heir !== process) oracle.violate('I48', `${said} hands it over to ${heir}`);
      else if (heir === undefined && isHeld(process, leaseKey, sentAt))
        oracle.violate('I48', `${said} stops and gives it back`);
    },
    stopping: (process, until) => {
      for (const call of callsOf(process)) call.lapsed = call.tenures.every(({ dead }) => dead);
      stops.set(process, { at: clock.now(), until, troubles: troublesOf(process) });
    },
    stopped: (process, drained) => {
      const left = callsOf(process).flatMap(({ leaseKeys }) => [...leaseKeys]);
      if (drained && left.length > 0)
        oracle.violate('I48', `${process} says that it has drained, and calls run: ${left.join(', ')}`);
    },
  };
}

// I48: a running call of the application keeps its lease. While a call runs with records of a shard, its process neither hands the
// lease over nor writes SHARD_END. A stop, or a failure that stops the shard, releases the lease only after the call or at the
// deadline. A lease that has several deadlines, for example of a failure and of a stop that comes later, has the earliest of them. An
// item may be done long before its call ends, because an application may acknowledge early. A call may also outlive its tenure, if a
// crash or a machine that stood still has ended the tenure.
// I52: a reducer makes no more calls at once than `concurrency` says, and no key is in two of them.
import { callDeadlineMs } from './cluster.js';
import { isKinactError } from '../../src/api/errors.js';
import type { Item } from '../../src/api/reducer.js';
import type { Oracle, Written } from './oracle.js';
import type { Seen } from './tenures.js';

export interface CallsOptions {
  readonly layout: { nameOf(stream: string, shardId: string, sequenceNumber: string): string };
  readonly oracle: Pick<Oracle, 'violate'>;
  readonly now: () => number;
}

/**
 * How long a release must wait for calls: less than in production, because a message may be on its way. If a failure stops the
 * shard, the time counts from the failure, whenever the call began (seed 809745). Otherwise it counts from the start of the call.
 */
const patienceMs = 0.8 * callDeadlineMs;

/**
 * How long a process must wait for calls from this message to a keeper on. Undefined unless the message says that the process gives up
 * the shard by itself. A release keeps the rest of its deadline for the write, as in a stop.
 */
export function waitOf(message: Seen): number | undefined {
  if (message.type === 'release') return message.reason.includes('failed') ? callDeadlineMs / 2 : undefined;
  if (message.type === 'shardWorkerEnded') return message.end.type === 'stopShard' ? patienceMs : undefined;
  if (message.type === 'shardWorkerDown') return isOfTheWatchdog(message.how?.error) ? patienceMs : undefined;
  return undefined;
}

const isOfTheWatchdog = (error: unknown): boolean =>
  isKinactError(error) && (error.code === 'WATCHDOG' || error.code === 'PENDING_LIMIT_TOO_SMALL');

/** A shard that a process gives up by itself. */
interface GivingUp {
  /** The worker that has, or had, its records. */
  readonly shardWorker: number | undefined;
  /** Until then the lease must wait for running calls. */
  readonly until: number;
}

/** Which reducer makes the call, and how many it may make at once. `slots`: undefined without `concurrency`. */
export interface Place {
  readonly reducer: number;
  readonly slots: number | undefined;
}

interface Call {
  readonly place: Place | undefined;
  readonly keys: ReadonlySet<string>;
  readonly leases: ReadonlySet<string>;
  readonly since: number;
}

export interface Calls {
  /** A call of this process begins, with these items. The returned function notes its end. */
  begins(process: string, items: readonly Item<string>[], place?: Place): () => void;
  /** The process has reported an orphan: calls that run now no longer count. */
  orphaned(process: string): void;
  wrote(written: Written): void;
  /** One of its leases must be released by then, drained or not. */
  draining(process: string, until: number): void;
  /** A worker has records of this shard. */
  works(process: string, shardWorker: number, leaseKey: string): void;
  /** The keeper of this path grants the worker a tenure. */
  keeps(process: string, keeper: string, shardWorker: number): void;
  /**
   * The process gives up the shard of this keeper by itself, and waits for calls for this time. If a stop or removal has a later
   * deadline, this one counts (seed 910480).
   */
  givesUp(process: string, keeper: string, waitMs: number): void;
  /** This process has been told to stop: until then it must wait for running calls. */
  stopping(process: string, until: number): void;
  /**
   * This process removes a source, whose leases wait until then. If a stop comes meanwhile, the earlier deadline counts (seed 900098). The
   * returned function notes that the removal has ended.
   */
  removing(process: string, source: string, until: number): () => void;
  /** The process has stopped, and reports whether it has drained. */
  stopped(process: string, drained: boolean): void;
}

export function createCalls({ layout, oracle, now }: CallsOptions): Calls {
  /** By process: its running calls. */
  const running = new Map<string, Set<Call>>();
  const drainsUntil = new Map<string, number>();
  const stopsAt = new Map<string, number>();
  /** By process and source: until when its leases wait while it is being removed. */
  const removedAt = new Map<string, number>();
  /** By process and worker: the keeper's path. */
  const keeperOf = new Map<string, string>();
  /** By process and keeper: its last worker, and its lease. */
  const shardWorkerOf = new Map<string, number>();
  const leaseOf = new Map<string, string>();
  /** By process and lease. */
  const givenUp = new Map<string, GivingUp>();
  const runsOf = (process: string): readonly string[] =>
    [...(running.get(process) ?? [])].flatMap(({ leases }) => [...leases]);
  const isNew = (process: string, leaseKey: string): boolean =>
    [...(running.get(process) ?? [])].some(({ leases, since }) => leases.has(leaseKey) && now() < since + patienceMs);

  /** Whether a lease that the process releases now is given up: it had no deadline for a release (`draining`) lately. */
  const isGivenUp = (process: string): boolean => now() > (drainsUntil.get(process) ?? -Infinity) + callDeadlineMs;

  /** Until when a process that stops, or removes the source, must keep this lease while its call runs. */
  const keptUntil = (process: string, leaseKey: string): number => {
    const ends = [stopsAt.get(process), removedAt.get(`${process}/${leaseKey.slice(0, leaseKey.indexOf('/'))}`)];
    const known = ends.filter((end) => end !== undefined);
    return known.length === 0
      ? -Infinity
      : Math.min(...known, givenUp.get(`${process}/${leaseKey}`)?.until ?? Infinity);
  };

  /** What an owner has given up does not count for its next ownership. */
  const ownershipEnds = (owner: string | undefined, heir: string | undefined, leaseKey: string): void => {
    if (owner !== undefined && owner !== heir) givenUp.delete(`${owner}/${leaseKey}`);
  };

  /** I52. A call that a restart has left running no longer counts. */
  const apart = (process: string, { reducer, slots }: Place, keys: ReadonlySet<string>, items: number): void => {
    const others = [...(running.get(process) ?? [])].filter(({ place }) => place?.reducer === reducer);
    const said = `reducer ${reducer} of ${process}`;
    if (others.length >= (slots ?? 1))
      oracle.violate('I52', `${said} begins a call beside ${others.length} others, and may make ${slots ?? 1}`);
    if (slots !== undefined && keys.size < items) oracle.violate('I52', `a call of ${said} has two items of a key`);
    for (const other of others)
      for (const key of keys)
        if (other.keys.has(key)) oracle.violate('I52', `key ${key} is in two calls of ${said} at once`);
  };

  return {
    begins: (process, items, place) => {
      const keys = new Set(items.map(({ key }) => key));
      if (place !== undefined) apart(process, place, keys, items.length);
      const leases = new Set(items.map((item) => layout.nameOf(item.source, item.shardId, item.sequenceNumber)));
      const call = { leases, since: now(), place, keys };
      const calls = running.get(process) ?? new Set();
      running.set(process, calls.add(call));
      return () => void calls.delete(call);
    },
    orphaned: (process) => void running.delete(process),
    wrote: ({ process, leaseKey, before, after, sentAt }) => {
      if (before?.leaseOwner !== process || after === undefined) {
        ownershipEnds(before?.leaseOwner, after?.leaseOwner, leaseKey);
        return;
      }
      const { leaseOwner: heir, checkpoint } = after;
      const until = givenUp.get(`${process}/${leaseKey}`)?.until;
      const kept = keptUntil(process, leaseKey);
      ownershipEnds(process, heir, leaseKey);
      if (!runsOf(process).includes(leaseKey)) return;
      const isTooSoon = until === undefined ? isNew(process, leaseKey) : sentAt < until;
      const said = `${process}, where a call with records of ${leaseKey} runs,`;
      if (checkpoint === 'SHARD_END' && before.checkpoint !== 'SHARD_END')
        oracle.violate('I48', `${said} says that it has ended`);
      else if (heir !== undefined && heir !== process) oracle.violate('I48', `${said} hands it over to ${heir}`);
      else if (heir === undefined && sentAt < kept)
        oracle.violate('I48', `${said} stops or removes its source, and gives it back`);
      else if (heir === undefined && !stopsAt.has(process) && isGivenUp(process) && isTooSoon)
        oracle.violate('I48', `${said} gives it up`);
    },
    // Once another worker has records of the shard, the shard no longer counts as given up.
    works: (process, shardWorker, leaseKey) => {
      const keeper = keeperOf.get(`${process}/${shardWorker}`);
      if (keeper !== undefined) leaseOf.set(`${process}/${keeper}`, leaseKey);
      const lease = `${process}/${leaseKey}`;
      if (givenUp.get(lease)?.shardWorker !== shardWorker) givenUp.delete(lease);
    },
    keeps: (process, keeper, shardWorker) => {
      keeperOf.set(`${process}/${shardWorker}`, keeper);
      shardWorkerOf.set(`${process}/${keeper}`, shardWorker);
    },
    givesUp: (process, keeper, waitMs) => {
      const leaseKey = leaseOf.get(`${process}/${keeper}`);
      if (leaseKey === undefined) return;
      const lease = `${process}/${leaseKey}`;
      const until = Math.min(now() + waitMs, givenUp.get(lease)?.until ?? Infinity);
      givenUp.set(lease, { shardWorker: shardWorkerOf.get(`${process}/${keeper}`), until });
    },
    draining: (process, until) => void drainsUntil.set(process, Math.max(until, drainsUntil.get(process) ?? 0)),
    stopping: (process, until) => void stopsAt.set(process, until),
    removing: (process, source, until) => {
      removedAt.set(`${process}/${source}`, until);
      return () => void removedAt.delete(`${process}/${source}`);
    },
    stopped: (process, drained) => {
      const left = runsOf(process);
      if (drained && left.length > 0)
        oracle.violate('I48', `${process} says that it has drained, and calls run: ${left.join(', ')}`);
    },
  };
}

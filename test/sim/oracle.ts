// The oracle judges a run by what must hold, and not by how kinact works. It knows which records exist, what was done with each,
// what every checkpoint claims, and which process may write and deliver at what time. The services and the application's code report
// every event to it.
import type { LeaseRow } from '../../src/core/lease.js';
import { createAlone } from './alone.js';
import { createHands, type HandsOptions } from './hands.js';
import { createLosses, type Losses } from './losses.js';
import { createRemadeRows, type RemadeRows } from './remade-rows.js';
import { createRepeats } from './repeats.js';
import { compareRows, createStreamLog, isNumber, type Put, type StreamLog } from './stream-log.js';
import { createTakes } from './takes.js';
import { createWishes } from './wishes.js';
import type { Said } from './world.js';

export interface Delivery {
  readonly process: string;
  readonly id: string;
  readonly shardId: string;
  readonly fence: number;
  /** The worker has ended, or kinact itself has marked the tenure as ended. */
  readonly isOver: boolean;
  /** Above 1: kinact delivers the item again after a failure. Default: 1. */
  readonly attempt?: number;
  /** The items that came before it in one call. Set if an item that fails is called alone: the law is I51. */
  readonly together?: readonly string[] | undefined;
  /** World time as the process sees it: ahead while the process computes. Default: now. */
  readonly at?: number;
}

export interface Written {
  readonly process: string;
  readonly leaseKey: string;
  readonly before: LeaseRow | undefined;
  readonly after: LeaseRow | undefined;
  /** World time. */
  readonly sentAt: number;
}

export interface StoppedLease {
  readonly leaseKey: string;
  readonly released: boolean;
  readonly recordsLeft: number;
}

export interface Violation {
  readonly invariant: string;
  readonly text: string;
}

export interface OracleOptions {
  /** World time. */
  readonly now: () => number;
  readonly failoverMsOf: (process: string) => number;
  /** The longest of any process. */
  readonly longestFailoverMs: number;
  readonly parentsOf: (shardId: string) => readonly string[];
  /** The children of this shard; none if listings may lack them. */
  readonly childrenOf?: (shardId: string) => readonly string[];
  readonly rowOf: (leaseKey: string) => LeaseRow | undefined;
  readonly onViolation: () => void;
  /** See takes.ts. Absent if a test harms mail and writes without a trace: the laws of `byTheHolder` are then left out. */
  readonly troublesOf?: (process: string) => string;
  /** Whether a process begins to read the table of this lease: it knows none of the earlier rows. Default: no process does. */
  readonly knowsNoRows?: (process: string, leaseKey: string) => boolean;
  /** See takes.ts. */
  readonly wayMsOf?: (process: string) => number;
  /** See hands.ts. If absent, the laws of hands.ts, repeats.ts and wishes.ts are left out. */
  readonly hands?: Pick<HandsOptions, 'tableOf' | 'conditionOf' | 'worldCondition'>;
}

export interface Oracle {
  readonly violations: Violation[];
  readonly checkpoints: () => number;
  readonly deliveries: () => number;
  readonly log: Pick<StreamLog, 'after' | 'isExcused' | 'isGone'>;
  readonly remade: Pick<RemadeRows, 'wasBegunAgain' | 'wasDeletedUnseen'>;
  violate(invariant: string, text: string): void;
  put(record: Put): void;
  /** The items so far need not be done: they came before LATEST. */
  excuseAll(stream?: string): void;
  /** This stream is deleted: its items so far need not be done, but may be. */
  streamGone(stream: string): void;
  /** These items need not be done. */
  excuse(ids: Iterable<string>): void;
  /** These items need not be done: they are trimmed, or dropped for their hash key. But an event must name them. */
  lose(why: 'trimmed' | 'dropped', ids: Iterable<string>): void;
  /** These items failed, and the policy skips them. An event must name them. */
  skipped(ids: Iterable<string>): void;
  /** A sink keeps these items, which have failed. */
  parked(ids: readonly string[]): void;
  /** Like `skipped`, but their record failed before it gave items: this process cannot hand them out. */
  notMade(process: string, ids: Iterable<string>): void;
  /** The policy decides later about the record of these items: this process hands out later items before them. */
  leftBehind(process: string, ids: Iterable<string>): void;
  /** I36. */
  allNamed(events: readonly Said[]): void;
  /** This row was deleted by hand: kinact promises nothing more about its order and its position. */
  tampered(leaseKey: string): void;
  /** `kinact reset` has written this row over one of an earlier stream or of this one: the checkpoint may fall. */
  reset(before: LeaseRow | undefined, after: LeaseRow): void;
  delivered(delivery: Delivery): void;
  /** I49: a call with this item has failed, and the policy is to try again, or to park it. */
  comesAgain(item: Pick<Delivery, 'process' | 'id' | 'shardId' | 'fence'>): void;
  /** The pipeline of this process has been restarted. */
  restarted(process: string): void;
  /** The application has acknowledged these items, or has returned from the call that acknowledges them. */
  acknowledged(ids: readonly string[]): void;
  wrote(written: Written): void;
  /** kinact has reported that this checkpoint is durable. */
  told(shardId: string, sequenceNumber: string, subSequenceNumber: number): void;
  /** kinact has reported that this lease is held, but that no worker reads its shard. */
  unread(process: string, leaseKey: string, reason: string): void;
  /** A process has stopped, and has reported these leases. */
  stopped(process: string, leases: readonly StoppedLease[]): void;
  /** The checkpoint of the row when the table last showed this process as its owner. */
  lastHeldAt(process: string, shardId: string): string | undefined;
  /** Whether the lease of this process has not run out. */
  mayDeliver(process: string, shardId: string, at: number): boolean;
  missing(): readonly string[];
  shardOf(id: string): string;
  /** Items of this shard that are not done. */
  openIn(shardId: string): number;
  /** When the oldest record of this shard that is not done was put. */
  openSince(shardId: string): number | undefined;
  /** Whether any item has been handed out and is not done yet. */
  hasOpen(): boolean;
  /** How often a lease was taken from an owner, or given back by a process that was not told to, since the start. */
  switches(): number;
  /** World time at which a wish was last made or raised. */
  wishedAt(): number;
  /** The leases for which this process has an open wish. */
  wishesOf(process: string): readonly string[];
  wasTroubled(process: string, since: number): boolean;
  /** I31: call this when nothing is open and the table has had time to show it. */
  atRest(): void;
}

/** How many violations of one invariant are kept. */
const enough = 10;

export function createOracle(options: OracleOptions): Oracle {
  const { now, failoverMsOf, longestFailoverMs, parentsOf, rowOf, troublesOf, wayMsOf = () => 0 } = options;
  const violations: Violation[] = [];
  const log: StreamLog = createStreamLog();
  const changedByHand = new Set<string>();
  const endedShards = new Set<string>();
  /** Per process and lease, until when peers must leave the lease alone. Per process and shard, the last item that was handed out. */
  const heldUntil = new Map<string, number>();
  const lastDelivered = new Map<string, { readonly fence: number; id: string }>();
  const lastHeldAt = new Map<string, string>();
  const releasedAt = new Map<string, LeaseRow>();
  const lastOfKey = new Map<string, number>();
  /** Per shard, key, fence and process: the items that wait for another attempt. */
  const waiting = new Map<string, Set<string>>();
  /** Per process, the items that it has skipped with their record. */
  const unmade = new Set<string>();
  const alone = createAlone(log, (invariant, text) => violate(invariant, text));
  const takes = createTakes({
    now,
    failoverMsOf,
    troublesOf: troublesOf ?? (() => ''),
    wayMsOf,
  });
  const losses = createLosses();
  let checkpoints = 0;
  let deliveries = 0;
  let wishedAt = -Infinity;
  const violate = (invariant: string, text: string): void => {
    if (violations.length === 0) options.onViolation();
    if (violations.filter((each) => each.invariant === invariant).length < enough) violations.push({ invariant, text });
  };

  const remade = createRemadeRows({
    ...options,
    holdsStill: (process, leaseKey) => now() < (heldUntil.get(`${process}/${leaseKey}`) ?? 0),
    violate,
  });
  let tamperedTimes = 0;
  const hands =
    options.hands &&
    createHands({
      ...options.hands,
      worldCondition: () => {
        const condition = options.hands!.worldCondition();
        return { ...condition, troubles: `${condition.troubles} ${tamperedTimes}` };
      },
      now,
      failoverMsOf,
      longestFailoverMs,
      violate,
    });

  const repeats =
    hands &&
    createRepeats({
      now,
      longestFailoverMs,
      wasTroubled: hands.wasTroubled,
      isTampered: (shardId) => changedByHand.has(shardId),
      violate,
    });

  const wishes =
    hands &&
    options.hands &&
    createWishes({ ...options.hands, now, failoverMsOf, rowOf, wasTroubled: hands.wasTroubled, wayMsOf, violate });

  const lossOf = (id: string, why: 'trimmed' | 'dropped' | 'skipped'): Parameters<Losses['lost']>[1] => {
    const { shardId, sequenceNumber, sub, key } = log.item(id);
    return { why, at: now(), shardId, sequenceNumber, sub, key };
  };

  const excuse = (ids: readonly string[]): void => {
    log.excuse(ids);
    losses.done(ids);
  };

  const waitNoMore = (ids: Iterable<string>): void => {
    if (waiting.size > 0) for (const id of ids) for (const each of waiting.values()) each.delete(id);
  };

  const acknowledged = (ids: readonly string[]): void => {
    log.done(ids);
    losses.done(ids);
  };

  const skipped = (ids: Iterable<string>): void => {
    waitNoMore(ids);
    for (const id of ids) if (log.isOpen(id)) losses.lost(id, lossOf(id, 'skipped'));
    log.done(ids);
  };

  /** I6: within a tenure, the items of a key come in order. All items before the first of them are done. */
  const inOrder = ({ process, id, shardId, fence, attempt = 1 }: Delivery): void => {
    const { key, index } = log.item(id);
    const name = `${shardId}/${key}/${fence}/${process}`;
    const last = lastOfKey.get(name);
    if (attempt > 1) {
      waiting.get(name)?.delete(id);
      if (last === undefined)
        violate('I49', `attempt ${attempt} of ${id} in fence ${fence} of ${process} is the first`);
      return;
    }
    const [first] = waiting.get(name) ?? [];
    if (first !== undefined)
      violate(
        'I49',
        `${id} of key ${key} came before ${first}, which waits for another attempt in fence ${fence} of ${process}`,
      );
    lastOfKey.set(name, index);
    if (last === undefined) {
      const open = log.firstOpen(shardId, key);
      if (open < index && !unmade.has(`${process}/${log.at(shardId, key, open)}`))
        violate('I6', `${id} begins key ${key} in fence ${fence}, but ${log.at(shardId, key, open)} is not done`);
    } else if (index <= last) {
      violate('I6', `${id} of key ${key} came after a later one within fence ${fence} of ${process}`);
    } else {
      for (let at = last + 1; at < index; at += 1) {
        const between = log.at(shardId, key, at);
        if (!log.isExcused(between) && !unmade.has(`${process}/${between}`))
          violate('I6', `${id} of key ${key} came without ${between} in fence ${fence} of ${process}`);
      }
    }
  };

  /** I7: both parents have ended in the table, unless the table was changed by hand. */
  const afterParents = ({ id, shardId, process }: Delivery): void => {
    for (const parent of parentsOf(shardId)) {
      if (endedShards.has(parent) || changedByHand.has(parent) || changedByHand.has(shardId)) continue;
      if (rowOf(parent) !== undefined)
        violate('I7', `${id} of ${shardId} was handed out by ${process} before its parent ${parent} had ended`);
    }
  };

  /** I30 and I32. */
  const byTheHolder = ({ process, id, shardId, fence }: Delivery): void => {
    if (troublesOf === undefined) return;
    const overMs = takes.overstays(process, shardId);
    if (overMs !== undefined)
      violate(
        'I32',
        `${id} of ${shardId} was handed out by ${process} (fence ${fence}) ${Math.round(overMs)} ms after another had taken it`,
      );
    const row = rowOf(shardId);
    if (row?.leaseOwner === process && log.isPassed(id, row) && !changedByHand.has(shardId))
      violate('I30', `${id} of ${shardId} was handed out by ${process} although the checkpoint had passed it`);
  };

  /** I39: when SHARD_END is written, every child of the shard has a row. */
  const childrenFirst = (leaseKey: string): void => {
    for (const child of options.childrenOf?.(leaseKey) ?? []) {
      if (rowOf(child) === undefined && !changedByHand.has(child))
        violate('I39', `${leaseKey} has ended, and its child ${child} has no row`);
    }
  };

  const covers = (row: LeaseRow): void => {
    if (row.checkpoint !== 'SHARD_END' && !isNumber(row.checkpoint)) return;
    checkpoints += 1;
    for (const id of log.passed(row)) {
      violate('I1', `checkpoint ${row.checkpoint}/${row.checkpointSubSequenceNumber} of ${row.leaseKey} passes ${id}`);
    }
  };

  /** I44: a lease is handed over only to the worker that asked for it, and only after the holder has settled all that it handed out. */
  const handedOver = (process: string, heir: string, row: LeaseRow, wish: string | undefined): void => {
    const { leaseKey } = row;
    if (wish?.startsWith(`${row.kinactWriter} `) !== true)
      violate('I44', `${process} handed ${leaseKey} over to ${heir}, who has not asked for it: ${wish}`);
    lastDelivered.delete(`${heir}/${leaseKey}`);
    const last = lastDelivered.get(`${process}/${leaseKey}`);
    if (last !== undefined && !log.isPassed(last.id, row) && !changedByHand.has(leaseKey))
      violate('I44', `${process} handed ${leaseKey} over to ${heir} at ${row.checkpoint}, before ${last.id}`);
  };

  const wrote = ({ process, leaseKey, before, after, sentAt }: Written): void => {
    const holder = `${process}/${leaseKey}`;
    takes.wrote({ process, leaseKey, before, after, sentAt });
    hands?.wrote({ process, leaseKey, before, after, sentAt });
    repeats?.wrote({ process, leaseKey, before, after, sentAt });
    wishes?.wrote({ process, leaseKey, before, after, sentAt });
    if (after?.kinactWish !== undefined && after.kinactWish !== before?.kinactWish) wishedAt = now();
    if (before === undefined && after !== undefined) {
      remade.made(process, after);
    }
    if (after === undefined) {
      if (before?.checkpoint !== 'SHARD_END')
        violate('I4', `${process} deleted the row ${leaseKey}, whose shard has not ended`);
      return;
    }
    lastHeldAt.set(`${after.leaseOwner}/${leaseKey}`, after.checkpoint);
    // A hand-over. Items that the new owner handed out before belong to an earlier ownership.
    const heir = before?.leaseOwner === process && after.leaseOwner !== process ? after.leaseOwner : undefined;
    if (heir !== undefined) handedOver(process, heir, after, before?.kinactWish);
    if (after.leaseOwner === process)
      heldUntil.set(holder, Math.max(heldUntil.get(holder) ?? 0, sentAt + failoverMsOf(process)));
    else if (before?.leaseOwner === process) heldUntil.delete(holder);
    if (before !== undefined && compareRows(after, before) < 0) {
      violate('I2', `the checkpoint of ${leaseKey} fell from ${before.checkpoint} to ${after.checkpoint}`);
    }
    const isOwners =
      before === undefined || before.leaseCounter === after.leaseCounter || before.leaseOwner === process;
    if (!isOwners && after.leaseOwner !== process) {
      violate('I20', `${process} wrote to ${leaseKey}, which is ${before.leaseOwner ?? 'nobody'}'s`);
    }
    if (
      before?.leaseOwner !== undefined &&
      after.leaseOwner === process &&
      before.leaseOwner !== process &&
      after.checkpoint !== before.checkpoint
    ) {
      violate('I20', `${process} took ${leaseKey} from ${before.leaseOwner} and moved its checkpoint in one write`);
    }
    // A take. Items that the owner handed out before belong to an earlier ownership.
    const isTake = before?.leaseOwner !== process || before.kinactWriter !== after.kinactWriter;
    if (isTake && after.leaseOwner === process) lastDelivered.delete(holder);
    if (before?.leaseOwner === process && after.leaseOwner !== process) releasedAt.set(holder, after);
    if (after.checkpoint === 'SHARD_END') {
      if (!endedShards.has(leaseKey)) childrenFirst(leaseKey);
      endedShards.add(leaseKey);
    }
    if (
      before === undefined ||
      before.checkpoint !== after.checkpoint ||
      before.checkpointSubSequenceNumber !== after.checkpointSubSequenceNumber
    ) {
      covers(after);
    }
  };

  return {
    violations,
    checkpoints: () => checkpoints,
    deliveries: () => deliveries,
    log,
    remade,
    violate,
    put: (record) => log.put(record, now()),
    excuse: (ids) => excuse([...ids]),
    excuseAll: (stream = '') => {
      const isIts = (shardId: string): boolean => shardId.startsWith(stream);
      excuse(log.missing().filter((id) => isIts(log.item(id).shardId)));
      losses.forget(isIts);
    },
    streamGone: (stream) => {
      const isIts = (shardId: string): boolean => shardId.startsWith(stream);
      log.gone(log.missing().filter((id) => isIts(log.item(id).shardId)));
      losses.forget(isIts);
    },
    lose: (why, of) => {
      const ids = [...of];
      if (why === 'trimmed') losses.done(ids);
      for (const id of ids) if (log.isOpen(id)) losses.lost(id, lossOf(id, why));
      log.excuse(ids);
    },
    skipped,
    parked: (ids) => {
      waitNoMore(ids);
      acknowledged(ids);
    },
    leftBehind: (process, ids) => {
      for (const id of ids) unmade.add(`${process}/${id}`);
    },
    notMade: (process, ids) => {
      for (const id of ids) unmade.add(`${process}/${id}`);
      skipped(ids);
    },
    allNamed: (events) => {
      for (const text of losses.unnamed(events)) violate('I36', `${text}, and no event says so`);
    },
    tampered: (leaseKey) => {
      tamperedTimes += 1;
      changedByHand.add(leaseKey);
      remade.deleted(leaseKey, rowOf(leaseKey));
    },
    reset: (before, after) => {
      // The names include the generation of the stream: the row of the old stream is gone.
      if (before !== undefined && before.leaseKey !== after.leaseKey) changedByHand.add(before.leaseKey);
      if (after.checkpoint !== 'SHARD_END') endedShards.delete(after.leaseKey);
      covers(after);
    },
    delivered: (delivery) => {
      deliveries += 1;
      const { process, id, shardId, fence, isOver, at = now() } = delivery;
      const until = heldUntil.get(`${process}/${shardId}`);
      if (isOver)
        violate('I27', `${id} of ${shardId} was handed out by ${process} after its tenure (fence ${fence}) had ended`);
      else if (until === undefined || at >= until) {
        violate('I27', `${id} of ${shardId} was handed out by ${process} (fence ${fence}) after its lease had run out`);
      }
      lastDelivered.set(`${process}/${shardId}`, { fence, id });
      log.handedOut(id);
      repeats?.delivered(delivery);
      byTheHolder(delivery);
      afterParents(delivery);
      inOrder(delivery);
      alone.delivered(delivery);
    },
    comesAgain: ({ process, id, shardId, fence }) => {
      const name = `${shardId}/${log.item(id).key}/${fence}/${process}`;
      waiting.set(name, (waiting.get(name) ?? new Set()).add(id));
    },
    restarted: (process) => repeats?.restarted(process),
    acknowledged,
    wrote,
    told: (shardId, sequenceNumber, subSequenceNumber) => {
      const row = rowOf(shardId);
      if (row === undefined || changedByHand.has(shardId)) return;
      const told = { checkpoint: sequenceNumber, checkpointSubSequenceNumber: subSequenceNumber };
      if (compareRows(row, told) < 0)
        violate('I28', `checkpoint ${sequenceNumber} of ${shardId} was told, but the table says ${row.checkpoint}`);
    },
    unread: (process, leaseKey, reason) => hands?.unread(process, leaseKey, reason),
    stopped: (process, leases) => {
      for (const { leaseKey, released, recordsLeft } of leases) {
        const last = lastDelivered.get(`${process}/${leaseKey}`);
        const row = releasedAt.get(`${process}/${leaseKey}`);
        if (!released || recordsLeft !== 0 || last === undefined || row === undefined) continue;
        if (!log.isPassed(last.id, row) && !changedByHand.has(leaseKey))
          violate('I22', `${process} drained ${leaseKey} and released it at ${row.checkpoint}, before ${last.id}`);
      }
    },
    lastHeldAt: (process, shardId) => lastHeldAt.get(`${process}/${shardId}`),
    mayDeliver: (process, shardId, at) => at < (heldUntil.get(`${process}/${shardId}`) ?? -Infinity),
    missing: () => log.missing(),
    shardOf: (id) => log.item(id).shardId,
    openIn: (shardId) => log.openIn(shardId),
    openSince: (shardId) => log.openSince(shardId),
    hasOpen: () => log.hasOpen(),
    switches: () => hands?.changes() ?? 0,
    wishedAt: () => wishedAt,
    wishesOf: (process) => wishes?.of(process) ?? [],
    wasTroubled: (process, since) => hands?.wasTroubled(process, since) !== false,
    atRest: () => {
      for (const { shardId, last } of log.ends()) {
        const row = rowOf(shardId);
        if (row !== undefined && compareRows(row, last) < 0)
          violate('I31', `all of ${shardId} is done up to ${last.checkpoint}, but its row says ${row.checkpoint}`);
      }
    },
  };
}

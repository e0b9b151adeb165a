// The laws of a worker that continued after others had taken its leases, judged by the sinks and by the writes that a witness saw.
import { expect } from 'chai';
import type { WorkerProcess } from './fleet.js';
import { expectedBy, handsOver, movesCounter, setBy, type WitnessedWrite } from './lease-witness.js';
import type { LoadScene } from './load-scene.js';
import type { Delivery } from './worker-process.js';

/** An allowance, because the time stamps come from two processes and are rounded to milliseconds. */
const roundingMs = 5;

/** Records for which `reduce` began after the worker's right to deliver had ended: no accepted renewal covers this time. */
export function deliveredTooLate(
  deliveries: readonly Delivery[],
  writes: readonly WitnessedWrite[],
  failoverMs: number,
): readonly string[] {
  const renewals = writes.filter((each) => each.accepted && movesCounter(each) && !handsOver(each));
  return deliveries.flatMap(({ worker, shardId, began, id }) => {
    const renewed = renewals.filter((each) => each.worker === worker && each.leaseKey === shardId && each.at <= began);
    const deadline = Math.max(...renewed.map(({ at }) => at)) + failoverMs * 0.9 + roundingMs;
    return began <= deadline ? [] : [`${id} of ${shardId} by ${worker}, ${began - deadline} ms late`];
  });
}

/** Records for which `reduce` began after `moment`, under a fence that the worker had before `moment`. */
export function deliveredUnderOldFence(
  deliveries: readonly Delivery[],
  worker: string,
  moment: number,
): readonly string[] {
  const own = deliveries.filter((each) => each.worker === worker);
  const tenure = ({ shardId, fence }: Delivery): string => `${shardId} #${fence}`;
  const old = new Set(own.filter(({ began }) => began < moment).map(tenure));
  return own
    .filter((each) => each.began >= moment && old.has(tenure(each)))
    .map((each) => `${each.id} of ${tenure(each)}, ${each.began - moment} ms after`);
}

/** Deliveries with a user call that began before `moment` and ended after it. They are allowed, but reported. */
export function finishedAfter(deliveries: readonly Delivery[], worker: string, moment: number): readonly Delivery[] {
  return deliveries.filter((each) => each.worker === worker && each.began < moment && each.at >= moment);
}

/**
 * Judges the accepted writes of each row in the order of their counters. Each write must be conditional on a counter, and no two writes
 * on the same one. Unless a write takes the lease, its author must be the owner that the previous write left, also in a hand-over. No
 * checkpoint may be lower than the previous one.
 */
export function brokenChains(writes: readonly WitnessedWrite[]): readonly string[] {
  const complaints: string[] = [];
  const moving = writes.filter((each) => each.accepted && movesCounter(each));
  for (const leaseKey of new Set(moving.map((each) => each.leaseKey))) {
    const accepted = moving.filter((each) => each.leaseKey === leaseKey);
    let owner: string | undefined;
    let counter = -1;
    let checkpoint = -1n;
    for (const write of accepted.toSorted((a, b) => (behind(a) ?? -1) - (behind(b) ?? -1))) {
      const expected = behind(write);
      const set = setBy(write);
      const complain = (what: string): void =>
        void complaints.push(`${leaseKey} #${expected} by ${write.worker}: ${what}`);
      if (expected === undefined) complain('without a condition');
      else if (expected === counter) complain('a second write behind this counter');
      const takes = set['leaseOwner'] !== undefined && !handsOver(write);
      if (!takes && owner !== write.worker) complain(`not the owner, who is ${owner}`);
      const text = set['checkpoint']?.S;
      const number = text === undefined || !/^\d+$/.test(text) ? checkpoint : BigInt(text);
      if (number < checkpoint) complain(`checkpoint ${number} behind ${checkpoint}`);
      owner = handsOver(write) ? set['leaseOwner']?.S : write.worker;
      [counter, checkpoint] = [expected ?? counter, number];
    }
  }
  return complaints;
}

/** The counter in the condition of a write; undefined if there is none. */
function behind(write: WitnessedWrite): number | undefined {
  const counter = expectedBy(write)['leaseCounter']?.N;
  return counter === undefined ? undefined : Number(counter);
}

/** A worker that did nothing between two moments. */
export interface Absence {
  readonly worker: WorkerProcess;
  readonly from: number;
  readonly to: number;
  readonly failoverMs: number;
}

/** Expects that the worker delivered nothing under a lost lease, and broke no row. Returns how many calls ended after the loss. */
export function expectNothingUnderLostLease(
  { fleet, witness }: LoadScene,
  { worker: { name }, from, to, failoverMs }: Absence,
): number {
  const deliveries = fleet.deliveries();
  expect(deliveredTooLate(deliveries, witness.writes, failoverMs)).to.deep.equal([]);
  expect(deliveredUnderOldFence(deliveries, name, to)).to.deep.equal([]);
  expect(brokenChains(witness.writes)).to.deep.equal([]);
  const refused = witness.writes.filter(({ worker, accepted, at }) => worker === name && !accepted && at >= from);
  const finished = finishedAfter(deliveries, name, to).length;
  process.stdout.write(`        ${refused.length} writes refused, ${finished} calls ended after the loss\n`);
  return finished;
}

// What must hold of a worker that went on after others had taken its leases, judged by the sinks and by what a witness saw
// of the lease table.
import type { TableWrite } from './table-witness.js';
import type { Delivery } from './worker-process.js';

/** Time stamps of two processes, rounded to milliseconds. */
const roundingMs = 5;

/** Records whose `reduce` began when no renewal that the table had accepted gave their worker the right to. */
export function deliveredTooLate(
  deliveries: readonly Delivery[],
  writes: readonly Pick<TableWrite, 'worker' | 'leaseKey' | 'accepted' | 'at'>[],
  failoverMs: number,
): readonly string[] {
  return deliveries.flatMap(({ worker, shardId, began, id }) => {
    const renewed = writes.filter(
      (each) => each.accepted && each.worker === worker && each.leaseKey === shardId && each.at <= began,
    );
    const deadline = Math.max(...renewed.map(({ at }) => at)) + failoverMs * 0.9 + roundingMs;
    return began <= deadline ? [] : [`${id} of ${shardId} by ${worker}, ${began - deadline} ms late`];
  });
}

/** Records whose `reduce` began after `moment`, under a fence that this worker had before it. */
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

/** What was in the middle of a user call at `moment` and ended after it: allowed, and to be told. */
export function finishedAfter(deliveries: readonly Delivery[], worker: string, moment: number): readonly Delivery[] {
  return deliveries.filter((each) => each.worker === worker && each.began < moment && each.at >= moment);
}

/**
 * The accepted writes of each row, in the order of their counters: no two behind one counter, none without one, each by whom
 * the one before left as the owner unless it takes the lease, and no checkpoint lower than the one before. Who gives a lease away
 * is its owner, too.
 */
export function brokenChains(writes: readonly TableWrite[]): readonly string[] {
  const complaints: string[] = [];
  for (const leaseKey of new Set(writes.map((each) => each.leaseKey))) {
    const accepted = writes.filter((each) => each.accepted && each.leaseKey === leaseKey);
    let owner: string | undefined;
    let counter = -1;
    let checkpoint = -1n;
    for (const write of accepted.toSorted((a, b) => (a.behind ?? -1) - (b.behind ?? -1))) {
      const complain = (what: string): void =>
        void complaints.push(`${leaseKey} #${write.behind} by ${write.worker}: ${what}`);
      if (write.behind === undefined) complain('without a condition');
      else if (write.behind === counter) complain('a second write behind this counter');
      const takes = write.set['leaseOwner'] !== undefined && !write.handsOver;
      if (!takes && owner !== write.worker) complain(`not the owner, who is ${owner}`);
      const text = write.set['checkpoint']?.S;
      const number = text === undefined || !/^\d+$/.test(text) ? checkpoint : BigInt(text);
      if (number < checkpoint) complain(`checkpoint ${number} behind ${checkpoint}`);
      owner = write.handsOver ? write.set['leaseOwner']?.S : write.worker;
      [counter, checkpoint] = [write.behind ?? counter, number];
    }
  }
  return complaints;
}

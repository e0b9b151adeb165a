// The checks at the end of every test of test/integrity: no written record is lost, keys are in order, replays are runs, and the
// checkpoints in the table cover all deliveries. One line on stdout shows how much was replayed.
import { expect } from 'chai';
import type { Fleet } from './fleet.js';
import { allSeen, lost, outOfOrder, replays } from './fleet-laws.js';
import { readStrictly, type TableSnapshot } from './strict-lease-reader.js';
import type { Delivery } from './worker-process.js';

/** `integrity sigkill: 1,200 written, 40 replayed, 0 lost`. */
export function sayReplays(scenario: string, fleet: Fleet): void {
  const [written, again, gone] = [fleet.written.length, replays(fleet), lost(fleet).length].map((count) =>
    count.toLocaleString('en'),
  );
  process.stdout.write(`        integrity ${scenario}: ${written} written, ${again} replayed, ${gone} lost\n`);
}

/** Within a tenure of a shard (one fence), a key is delivered as a run without a gap. A run starts at most one after the furthest seen. */
export function brokenRuns(deliveries: readonly Delivery[]): readonly string[] {
  const runs = new Map<string, number>();
  const seen = new Map<string, number>();
  const complaints: string[] = [];
  for (const { id, key, shardId, fence, worker } of deliveries) {
    const serial = Number(id.split('/')[1]);
    const run = `${shardId}#${fence} ${key}`;
    const before = runs.get(run);
    const furthest = seen.get(key) ?? -1;
    if (before === undefined ? serial > furthest + 1 : serial !== before + 1)
      complaints.push(`${run}: ${serial} after ${before ?? furthest}, by ${worker}`);
    runs.set(run, serial);
    seen.set(key, Math.max(furthest, serial));
  }
  return complaints;
}

/** Shards with a delivery after the checkpoint in their row. */
export function uncovered(rows: TableSnapshot, deliveries: readonly Delivery[]): readonly string[] {
  const complaints = new Set<string>();
  for (const { shardId, sequenceNumber } of deliveries) {
    const checkpoint = rows.get(shardId)?.['checkpoint']?.S ?? 'no row';
    const covered =
      checkpoint === 'SHARD_END' || (/^\d+$/.test(checkpoint) && BigInt(checkpoint) >= BigInt(sequenceNumber));
    if (!covered) complaints.add(`${shardId} at ${checkpoint}`);
  }
  return [...complaints];
}

/** Waits until every record is seen, drains every living process, and judges the table and the sinks. */
export async function expectNothingLost(scenario: string, fleet: Fleet, deadlineMs?: number): Promise<void> {
  await allSeen(fleet, deadlineMs);
  const left = fleet.workers.filter(({ alive }) => alive);
  for (const worker of left) worker.kill('SIGTERM');
  for (const worker of left) expect(await worker.exited, worker.name).to.equal(0);
  sayReplays(scenario, fleet);
  const ends = await Promise.all(fleet.workers.map(async ({ name, exited }) => ({ name, end: await exited })));
  const killed = ends.flatMap(({ name, end }) => (end === 'SIGKILL' ? [name] : []));
  const rows = await fleet.rows((table) =>
    readStrictly(fleet.dynamodb, table, { afterCleanStop: true, expectKinact: true, killed }),
  );
  expect(lost(fleet), 'lost').to.deep.equal([]);
  expect(outOfOrder(fleet.deliveries()), 'first attempts in order').to.deep.equal([]);
  expect(brokenRuns(fleet.deliveries()), 'replays are runs').to.deep.equal([]);
  expect(uncovered(rows, fleet.deliveries()), 'checkpoints cover all').to.deep.equal([]);
}

// In some worlds an operator sets the checkpoint of a lease beyond the newest record of its shard, by mistake, and corrects the row
// later. The holder dies both times, because a worker reads the checkpoint only when it begins. I65: until the row is corrected, nothing
// of the shard is delivered or checkpointed, and only for such a shard is `checkpointBeyondTip` said. This fault has its own dice, so it
// does not change the rest of what a seed means. A row that is deleted and begun again is as good as corrected (seed 991009). If it is
// deleted just after a change by hand, a worker may create it as it was before: corrected, or misplaced again (seed 994035).
import { createDice, type Dice } from './dice.js';
import { kill } from './faults.js';
import { youngMs } from './remade-rows.js';
import { beyondTip, isNumber, type Checkpointed } from './stream-log.js';
import { isAtWork } from './stopping.js';
import type { World } from './world.js';
import type { LeaseRow } from '../../src/core/lease.js';

const misplaced = 1 / 4;
const lookMs = 500;
const mostLooks = 120;
/** A shard without records proves nothing. */
const leastRecords = 1;

/** Misplaces checkpoints until the returned function is called. */
export function misplace(world: World, seed: number): () => void {
  const dice = createDice(seed ^ 0x71b);
  let cancel = (): void => {};
  // A Java worker reads from such a row as the service lets it. kinact promises nothing about that.
  if (!dice.chance(misplaced) || world.java !== undefined) return cancel;
  const { clock } = world;
  let correct = (): void => {};
  const wait = (): void => {
    cancel = clock.after(dice.between(10_000, 90_000), () => {
      const row = chosen(world, dice);
      if (row === undefined) return wait();
      setByHand(world, row.leaseKey, { checkpoint: beyondTip, checkpointSubSequenceNumber: 0 });
      killOwner(world, row);
      correct = () => {
        correct = () => {};
        correctRow(world, row);
      };
      watch(row.leaseKey, clock.now(), clock.now() + dice.between(20_000, 120_000));
    });
  };
  const watch = (leaseKey: string, since: number, until: number): void => {
    const { remade } = world.oracle;
    const isExcused = remade.wasBegunAgain(leaseKey, since) || remade.wasDeletedUnseen(leaseKey, since);
    const row = isExcused ? undefined : world.leases.row(leaseKey);
    if (row !== undefined && isNumber(row.checkpoint) && row.checkpoint !== beyondTip)
      world.oracle.violate('I65', `${leaseKey}, whose checkpoint is beyond the tip, was moved to ${row.checkpoint}`);
    if (row?.checkpoint === 'SHARD_END')
      world.oracle.violate('I65', `${leaseKey}, whose checkpoint is beyond the tip, was ended`);
    if (clock.now() < until) return void (cancel = clock.after(lookMs, () => watch(leaseKey, since, until)));
    correct();
    wait();
  };
  wait();
  return () => {
    cancel();
    correct();
  };
}

/** A row that a process at work holds, with records in its shard. */
function chosen(
  { isShutDown, kinesis, layout, leases, lostStreams, processes }: World,
  dice: Dice,
): LeaseRow | undefined {
  if (isShutDown || lostStreams.size > 0) return undefined;
  const names = new Set(processes.filter(isAtWork).map(({ machine }) => machine.name));
  const rows = [...leases.rows().values()].filter(({ checkpoint, leaseKey, leaseOwner = '' }) => {
    const [stream = '', shardId = ''] = leaseKey.split(/(?:@\d+)?\//);
    const shard = kinesis.streams.get(stream)?.shards.get(shardId);
    const hasRecords = (shard?.records.length ?? 0) >= leastRecords;
    return isNumber(checkpoint) && names.has(leaseOwner) && layout.isOfTheLast(leaseKey) && hasRecords;
  });
  return rows.length === 0 ? undefined : dice.pick(rows);
}

/** The counter rises, so no write that is on its way takes effect. */
function setByHand({ leases, say }: World, leaseKey: string, row: Checkpointed): void {
  const { checkpoint, checkpointSubSequenceNumber } = row;
  say(`the checkpoint of ${leaseKey} is set to ${checkpoint} by hand`);
  leases.change(leaseKey, (item) => ({
    ...item,
    checkpoint: { S: checkpoint },
    checkpointSubSequenceNumber: { N: String(checkpointSubSequenceNumber) },
    leaseCounter: { N: String(Number(item['leaseCounter']?.N) + 1) },
  }));
}

/** Puts the row back as it was, and lets another worker begin there. A deleted row comes back as its holder has read it. */
function correctRow(world: World, row: LeaseRow, looks = mostLooks): void {
  const current = world.leases.row(row.leaseKey);
  if (current === undefined && looks > 0)
    return void world.clock.after(lookMs, () => correctRow(world, row, looks - 1));
  // Somebody has reset the row meanwhile.
  if (current?.checkpoint !== beyondTip) return;
  setByHand(world, row.leaseKey, row);
  killOwner(world, current);
  const correctedAt = world.clock.now();
  world.clock.after(youngMs, () => {
    if (world.oracle.remade.wasDeletedUnseen(row.leaseKey, correctedAt)) correctRow(world, row);
  });
}

function killOwner(world: World, { leaseOwner }: LeaseRow): void {
  const owner = world.processes.find(({ machine }) => machine.name === leaseOwner);
  if (owner?.machine.alive === true) kill(world, owner);
}

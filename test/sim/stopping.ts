// Stops processes, and checks the laws of a stop: it keeps its deadline (I22), the table shows what was drained, and nothing of the
// process lives on (I25).
import { callDeadlineMs } from './cluster.js';
import { troublesOf } from './conditions.js';
import type { Process, World } from './world.js';

/** Even if draining has used up the deadline, the actors get a second, and so does the coordinator for its answer. */
const graceMs = 3_000;
/** A lease can still be written after the deadline, for a tenth of the failover time. */
const restMs = 2_000;
/** A process without troubles for `calmMs` withdraws its wishes within `wishMs` when it stops. */
const calmMs = 60_000;
const wishMs = 5_000;

export function stopProcess(world: World, process: Process, deadlineMs: number, mustDrain = false): Promise<void> {
  const { clock, oracle } = world;
  const { machine, consumer } = process;
  world.say(`stop ${machine.name} within ${deadlineMs}`);
  // The rest of the deadline is kept for the writes that release the leases.
  world.calls.stopping(machine.name, clock.now() + deadlineMs / 2);
  const isWell = deadlineMs >= wishMs && !oracle.wasTroubled(machine.name, clock.now() - calmMs);
  const troubles = isWell ? troublesOf(process) : '';
  process.stopped = true;
  process.disturbed = machine.standsStill();
  const askedAt = clock.now();
  return consumer.stop({ deadlineMs }).then(
    ({ leases, drained }) => {
      if (!machine.alive) return;
      const tookMs = clock.now() - askedAt;
      const { delayed } = machine.mischief;
      if (!process.disturbed && delayed === 0 && tookMs > deadlineMs + graceMs + callDeadlineMs)
        oracle.violate('I22', `${machine.name} took ${Math.round(tookMs)} ms to stop within ${deadlineMs}`);
      // If a call never ends, a stop must not report that it has drained.
      if (mustDrain && !drained && !process.hasHung)
        oracle.violate('I22', `${machine.name} did not drain although nothing was open`);
      const wishes =
        isWell && !process.disturbed && troublesOf(process) === troubles ? oracle.wishesOf(machine.name) : [];
      if (wishes.length > 0)
        oracle.violate('I47', `${machine.name} has stopped, and its wishes for ${wishes.join(', ')} stand`);
      const named = leases.map((lease) => ({ ...lease, leaseKey: world.nameOf(lease.source, lease.shardId) }));
      oracle.stopped(machine.name, named);
      world.calls.stopped(machine.name, drained);
      clock.after(restMs, () => noTimerLeft(world, process));
    },
    (error: unknown) => oracle.violate('I22', `stop of ${machine.name} rejected: ${String(error)}`),
  );
}

export function isAtWork({ machine, ended, stopped }: Process): boolean {
  return machine.alive && ended === undefined && !stopped;
}

export function noTimerLeft({ fanOut, oracle }: World, { machine, wires }: Process): void {
  if (!machine.alive || machine.standsStill() || wires.some((wire) => wire.open() > 0)) return;
  const kept = fanOut.laws.of(machine.name);
  if (kept.length > 0) oracle.violate('I63', `${machine.name} has stopped, and is subscribed for ${kept.join(', ')}`);
  const left = machine.liveTimers();
  if (left > 0) oracle.violate('I25', `${left} timers of ${machine.name} live on after it has stopped`);
}

// How often a process of the simulation is configured to write checkpoints, and how late a checkpoint may be.
import type { CheckpointCadence } from '../../src/core/checkpoint-cadence.js';
import type { Dice } from './dice.js';

export function drawCadence(dice: Dice, failoverMs: number): CheckpointCadence {
  return {
    intervalMs: dice.pick([0, 0, 7_000, 200, 500]),
    records: dice.pick([0, 0, 1, 50]),
    renewalMs: failoverMs / 3,
  };
}

/** A renewal carries the checkpoint in any case. The limit allows for delays by a queue or an earlier refusal. */
export function limitMs({ intervalMs, renewalMs }: CheckpointCadence): number {
  return intervalMs + 3 * renewalMs + 5_000;
}

/** An earlier write may be under way, and calls take some milliseconds. */
const slackMs = 1_500;

/** The limit if nothing was wrong for a while. */
export function calmLimitMs(cadence: CheckpointCadence): number {
  const { intervalMs, records, renewalMs } = cadence;
  if (records === 1) return slackMs;
  return intervalMs > 0 && intervalMs < renewalMs ? intervalMs + slackMs : limitMs(cadence);
}

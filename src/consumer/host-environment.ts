// The host's clock, timers and random numbers: the defaults of a consumer. Commands use them for an adapter without a consumer.
import type { Environment } from '../api/source.js';
import { systemClock, systemRandom, systemTimers } from '../../supervision/timers.js';

export const hostEnvironment: Environment = { clock: systemClock, timers: systemTimers, random: systemRandom };

/** The environment with these parts; what is not given is the host's. */
export function environmentOf({
  clock,
  timers,
  random,
}: { readonly [Part in keyof Environment]?: unknown }): Environment {
  const { clock: hostClock, timers: hostTimers, random: hostRandom } = hostEnvironment;
  return { clock: clock ?? hostClock, timers: timers ?? hostTimers, random: random ?? hostRandom } as Environment;
}

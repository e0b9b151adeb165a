// The host's clock, timers and random numbers: the defaults of a consumer. Commands use them for an adapter without a consumer.
import type { Environment } from '../api/source.js';
import { systemClock, systemRandom, systemTimers } from '../../supervision/timers.js';

export const hostEnvironment: Environment = { clock: systemClock, timers: systemTimers, random: systemRandom };

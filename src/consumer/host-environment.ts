// The host's clock, timers and dice: the defaults of a consumer, and what commands use that need an adapter without a consumer.
import type { Environment } from '../api/source.js';
import { systemClock, systemRandom, systemTimers } from '../../supervision/timers.js';

export const hostEnvironment: Environment = { clock: systemClock, timers: systemTimers, random: systemRandom };

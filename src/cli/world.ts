// The host's clock, timers and dice for the commands that use an adapter directly, without a consumer around it.
import type { World } from '../api/source.js';

export const hostWorld: World = {
  clock: { now: () => performance.now(), wallNow: () => Date.now() },
  timers: {
    after(ms, callback) {
      const timer = setTimeout(callback, Math.max(0, Math.ceil(ms)));
      return () => clearTimeout(timer);
    },
  },
  random: { next: () => Math.random() },
};

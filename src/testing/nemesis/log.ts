// The log of a nemesis: for the message of a failed test, and to check that a seed repeats the same faults.
import type { Runtime } from '../../../supervision/index.js';
import type { NemesisEntry } from './types.js';

export function createLog(seed: number, { clock }: Runtime) {
  const log: NemesisEntry[] = [];
  return {
    log,
    note: (what: NemesisEntry['what'], target: string, detail?: string): void => {
      log.push({ at: clock.now(), what, target, ...(detail === undefined ? {} : { detail }) });
    },
    report: (): string => [`nemesis, seed ${seed}:`, ...log.map(lineOf)].join('\n'),
  };
}

const lineOf = ({ at, what, target, detail }: NemesisEntry): string =>
  `  ${at.toFixed(0)} ms: ${what} ${target}${detail === undefined ? '' : ` (${detail})`}`;

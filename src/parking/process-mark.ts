// Who this process is, and whether another one still lives. A process id is given again after a while, so the time when the process
// started belongs to it. Only a process on the same machine, in the same container, can be looked for.
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface ProcessMark {
  /** The machine since its last boot, and the namespace of the process ids. */
  readonly place: string;
  readonly processId: number;
  /** As the system counts it; empty if it does not tell. */
  readonly startedAt: string;
}

const textOf = (read: () => string): string => {
  try {
    return read().trim();
  } catch {
    return '';
  }
};

/** In /proc: the state of a process, and the ticks between the boot and its start. Its name may have spaces and brackets. */
function statusOf(processId: number): { readonly state: string; readonly startedAt: string } | undefined {
  const line = textOf(() => readFileSync(`/proc/${processId}/stat`, 'utf8'));
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const [state = '', startedAt = ''] = [fields[0], fields[19]];
  return startedAt === '' ? undefined : { state, startedAt };
}

export function ownMark(): ProcessMark {
  const boot = textOf(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'));
  const namespace = textOf(() => readlinkSync('/proc/self/ns/pid'));
  const place = [hostname(), boot, namespace].filter((part) => part !== '').join(' ');
  return { place, processId: process.pid, startedAt: statusOf(process.pid)?.startedAt ?? '' };
}

/** Whether the process lives; undefined if that cannot be known from here. */
export function isAlive({ place, processId, startedAt }: ProcessMark, own = ownMark()): boolean | undefined {
  if (place !== own.place) return undefined;
  try {
    process.kill(processId, 0);
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'ESRCH') return false;
  }
  const status = statusOf(processId);
  // Without /proc, another process may have the id by now.
  if (startedAt === '' || status === undefined) return undefined;
  return status.startedAt === startedAt && status.state !== 'Z' && status.state !== 'X';
}

// Reports calls that a command repeats: a kind of failure at once, then at most every ten seconds with a count, for all shards
// together. Otherwise an outage of a stream with many shards would fill the screen.
import { isKinactError } from '../api/errors.js';
import type { Clock } from '../api/ports.js';
import { errorLine } from './command.js';

const everyMs = 10_000;

/** Called on every failure. `operation` names the call that failed, not a shard. */
export type ReportRetry = (operation: string, error: unknown) => void;

export function retryReporter(say: (text: string) => void, clock: Pick<Clock, 'now'>): ReportRetry {
  const lastReports = new Map<string, { at: number; unsaid: number }>();
  return (operation, error) => {
    const kind = `${operation} ${isKinactError(error) ? `${error.code} ${error.data.kind ?? ''}` : ''}`;
    const known = lastReports.get(kind);
    if (known !== undefined && clock.now() - known.at < everyMs) {
      known.unsaid += 1;
      return;
    }
    const more = known === undefined || known.unsaid === 0 ? '' : `, ${known.unsaid} more since then`;
    lastReports.set(kind, { at: clock.now(), unsaid: 0 });
    say(`${operation} is repeated${more}: ${errorLine(error)}`);
  };
}

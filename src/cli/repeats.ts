// What a command says of calls that it repeats. It names a kind of failure at once, then every ten seconds with how
// often, whichever shard met it. Otherwise an outage of a stream of many shards would fill the screen.
import { isKinactError } from '../api/errors.js';
import type { Clock } from '../api/ports.js';
import { errorLine } from './command.js';

const everyMs = 10_000;

/** Hears of every failure; `operation` names a call of the code, not a shard. */
export type SayRepeat = (operation: string, error: unknown) => void;

export function repeatsTo(say: (text: string) => void, clock: Pick<Clock, 'now'>): SayRepeat {
  const told = new Map<string, { at: number; unsaid: number }>();
  return (operation, error) => {
    const kind = `${operation} ${isKinactError(error) ? `${error.code} ${error.data.kind ?? ''}` : ''}`;
    const known = told.get(kind);
    if (known !== undefined && clock.now() - known.at < everyMs) {
      known.unsaid += 1;
      return;
    }
    const more = known === undefined || known.unsaid === 0 ? '' : `, ${known.unsaid} more since then`;
    told.set(kind, { at: clock.now(), unsaid: 0 });
    say(`${operation} is repeated${more}: ${errorLine(error)}`);
  };
}

// I38: whatever fails, nobody asks without pause: within ten seconds one process makes so many calls of one kind about one thing.
// Writes of a row have a pace of their own: back-off up to a sixth of the writer's `failoverMs`.
export interface CallRates {
  called(process: string, operation: string, about: string): void;
}

const spanMs = 10_000;
/** Five reads a second are what a shard bears; a scan that fails is tried ten times a second at most. */
const mostCalls = 120;
/** Twice what full jitter comes to on average, and some more for what is new. */
const mostWrites = (failoverMs: number): number => 20 + (2 * spanMs) / (failoverMs / 12);

export function createCallRates(
  now: () => number,
  failoverMsOf: (process: string) => number,
  violate: (invariant: string, text: string) => void,
): CallRates {
  const counts = new Map<string, { since: number; count: number }>();
  return {
    called: (process, operation, about) => {
      const name = `${process} ${operation} ${about}`;
      const at = now();
      const known = counts.get(name);
      if (known === undefined || known.since < at - spanMs) return void counts.set(name, { since: at, count: 1 });
      known.count += 1;
      const most = operation === 'UpdateItem' ? Math.round(mostWrites(failoverMsOf(process))) : mostCalls;
      if (known.count === most)
        violate(
          'I38',
          `${process} has called ${operation} ${most} times in ${Math.round(at - known.since)} ms, for ${about}`,
        );
    },
  };
}

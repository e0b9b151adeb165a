// A reducer of any kind, with any failures of the application, its policies and sinks, any order of ends, timers, lost leases and
// punctuation: each item is settled once, with a reason, in the order of its key, and nothing is left at the end. KINACT_SEED and
// KINACT_RUNS choose the draws.
import { expect } from 'chai';
import fc from 'fast-check';
import { NonRetryableError } from '../../src/api/failure-policy.js';
import {
  checkEnd,
  drawnReducer,
  kinds,
  outcomes,
  policyNames,
  type DrawnReducer,
  type Kind,
  type Scene,
} from '../support/reducer-laws.js';
import { tick } from '../support/reducer-world.js';

const seed = Number(process.env['KINACT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const numRuns = Number(process.env['KINACT_RUNS'] ?? 80);

type Act =
  | readonly ['items', number, readonly number[]]
  | readonly ['deliver', number]
  | readonly ['end', number, 'ok' | 'throw' | 'final']
  | readonly ['pass', number, boolean]
  | readonly ['punctuate', number, 'flush' | 'drain']
  | readonly ['revoke', number]
  | readonly ['die', number]
  | readonly ['late', number]
  | readonly ['ack', number]
  | readonly ['failLate', number]
  | readonly ['heartbeat']
  | readonly ['status']
  | readonly ['down', boolean]
  | readonly ['rate', number | undefined];

const shardWorker = fc.integer({ min: 1, max: 3 });
const place = fc.nat(9);
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.tuple(
      fc.constant('items' as const),
      shardWorker,
      fc.array(fc.nat(15), { minLength: 1, maxLength: 12, size: 'max' }),
    ),
  },
  { weight: 6, arbitrary: fc.tuple(fc.constant('deliver' as const), fc.integer({ min: 1, max: 5 })) },
  {
    weight: 8,
    arbitrary: fc.tuple(
      fc.constant('end' as const),
      place,
      fc.constantFrom('ok' as const, 'ok' as const, 'throw' as const, 'final' as const),
    ),
  },
  { weight: 6, arbitrary: fc.tuple(fc.constant('pass' as const), fc.constantFrom(1, 20, 150, 400, 900), fc.boolean()) },
  {
    weight: 4,
    arbitrary: fc.tuple(
      fc.constant('punctuate' as const),
      shardWorker,
      fc.constantFrom('flush' as const, 'drain' as const),
    ),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constant('revoke' as const), shardWorker) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('die' as const), shardWorker) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('late' as const), shardWorker) },
  { weight: 4, arbitrary: fc.tuple(fc.constant('ack' as const), place) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('failLate' as const), place) },
  { weight: 1, arbitrary: fc.constant(['heartbeat'] as const) },
  { weight: 1, arbitrary: fc.constant(['status'] as const) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('down' as const), fc.boolean()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('rate' as const), fc.constantFrom(undefined, 5, 50)) },
);

const scenes = (kind: Kind): fc.Arbitrary<Scene> =>
  fc.record({
    kind: fc.constant(kind),
    batchSize: fc.integer({ min: 1, max: 12 }),
    credit: fc.integer({ min: 1, max: 12 }),
    byShard: fc.boolean(),
    timeoutMs: fc.constantFrom(undefined, undefined, 300),
    limit: fc.option(fc.record({ perSecond: fc.constantFrom(5, 30, 200), tokens: fc.integer({ min: 0, max: 8 }) }), {
      nil: undefined,
    }),
    policies: fc.array(
      fc.oneof(
        { weight: 30, arbitrary: fc.constantFrom('retry', 'retry', ...policyNames.filter((name) => name !== 'crash')) },
        { weight: 1, arbitrary: fc.constant('crash' as const) },
      ),
      { minLength: 1, maxLength: 3 },
    ),
    answers: fc.array(fc.constantFrom('now' as const, 'now' as const, 'promise' as const, 'later' as const), {
      minLength: 1,
      maxLength: 4,
    }),
    calls: fc.array(
      fc.oneof(
        { weight: 5, arbitrary: fc.constant('ok' as const) },
        { weight: 4, arbitrary: fc.constantFrom(...outcomes) },
      ),
      { minLength: 1, maxLength: 12, size: 'max' },
    ),
    sinks: fc.array(fc.constantFrom(...(['kept', 'kept', 'kept', 'refused', 'refused', 'later', 'final'] as const)), {
      minLength: 1,
      maxLength: 4,
    }),
    bad: fc.array(fc.nat(6), { maxLength: 2 }),
  });

async function perform(drawn: DrawnReducer, [name, ...args]: Act): Promise<void> {
  const { on, open, limit } = drawn;
  const [one, two] = args as [never, never];
  /** The worker that has this shard now. */
  const at = (shard: number): number => (on.shardWorkers.get(shard)?.tenure.ended === true ? at(shard + 3) : shard);
  if (name === 'items') on.items(at(one), two);
  else if (name === 'deliver') await on.deliver(one);
  else if (name === 'pass') await on.pass(one, two);
  else if (name === 'punctuate') on.punctuate(at(one), two);
  else if (name === 'revoke') on.revoke(at(one));
  else if (name === 'die') on.shardWorker(at(one)).tenure.ended = true;
  else if (name === 'late') on.shardWorker(at(one)).tenure.deadline = 0;
  else if (name === 'heartbeat') on.heartbeat();
  else if (name === 'status') on.status();
  else if (name === 'down') drawn.life.isDown = one;
  else if (name === 'rate' && limit !== undefined) on.setRate(limit, one);
  else if (name === 'end' && open.length > 0) {
    const errors = { ok: undefined, throw: new Error('no'), final: new NonRetryableError('never') };
    open[one % open.length]!.end(errors[two]);
    await tick();
  } else if (name === 'ack' && drawn.unacknowledged.size > 0) {
    const items = [...drawn.unacknowledged.keys()];
    drawn.acknowledge(items[one % items.length]!);
  } else if (name === 'failLate') {
    const items = [...on.shardWorkers.values()].flatMap((each) => each.items);
    const item = items[items.length - 1 - one];
    if (item === undefined || drawn.lastContext.context === undefined) return;
    if (drawn.statuses.get(item) !== 'folded') return;
    drawn.unacknowledged.delete(item);
    if (!on.settled.has(item)) drawn.statuses.set(item, 'failedByHand');
    drawn.lastContext.context.fail(item.token, new Error('late'));
  }
}

describe(`a reducer, whatever fails (KINACT_SEED=${seed})`, function () {
  this.timeout(60_000);

  for (const kind of kinds)
    it(`settles each item once, with a reason and in the order of its key, and leaves nothing: ${kind}`, async () => {
      await fc.assert(
        fc.asyncProperty(
          scenes(kind),
          fc.array(act, { minLength: 1, maxLength: 70, size: 'max' }),
          async (scene, acts) => {
            const drawn = drawnReducer(scene);
            for (const each of acts) {
              if (drawn.world.crash !== undefined) break;
              await perform(drawn, each);
              drawn.check();
            }
            await drawn.recover();
            // An outage may have lost all that it knows of. Items of another lease end it.
            drawn.items(99, [0, 1, 2]);
            for (const [number] of drawn.shardWorkers) drawn.punctuate(number, 'drain');
            await drawn.recover();
            drawn.check();
            if (drawn.world.crash === undefined) checkEnd({ scene, drawn });
            drawn.stop();
            if (drawn.limit !== undefined && Math.abs(drawn.limit.reserved) + drawn.limit.watchers.size > 0)
              drawn.complain('tokens: a stopped reducer has some');
            expect(drawn.complaints.join('\n')).to.equal('');
          },
        ),
        { seed, numRuns },
      );
    });
});

// Enhanced fan-out in a world. In half of them all shards are polled, as before it was drawn. In the others each process draws how it
// fetches records. All of this has its own dice, so it does not change the rest of what a seed means.
import type { ScriptedKinesisOptions } from '../../src/testing/index.js';
import { troublesOf, wayMsOf } from './conditions.js';
import { createDice, type Dice } from './dice.js';
import { createSubscriptionLaws, type SubscriptionLaws } from './subscription-laws.js';
import type { Pipe } from './subscribing.js';
import type { Granted } from './tenures.js';
import type { World } from './world.js';

export type Retrieval = 'polling' | 'fan-out' | 'auto';

export interface FanOut {
  readonly isUsed: boolean;
  readonly laws: SubscriptionLaws;
  /** The subscriptions that are open on the service. */
  readonly pipes: Set<Pipe>;
  /** Events take up to so long; 0: no longer than other answers. */
  late: number;
  /** By process, when an event last reached it late: until the next one, it cannot know how far behind it is. */
  readonly lateAt: Map<string, number>;
  retrievalOf(process: string): Retrieval;
  diceOf(process: string): Dice;
}

export interface DrawnFanOut extends Pick<FanOut, 'isUsed' | 'retrievalOf' | 'diceOf'> {
  readonly settings: ScriptedKinesisOptions;
}

const used = 1 / 2;

export function drawFanOut(seed: number): DrawnFanOut {
  const dice = createDice(seed ^ 0xfa0001);
  const isUsed = dice.chance(used);
  const of = (name: string, salt: number): Dice => createDice(seed ^ salt ^ (Number(name.slice(1)) * 0x9e3779b1));
  const among = dice.pick<readonly Retrieval[]>([
    ['fan-out'],
    ['auto'],
    ['fan-out', 'auto', 'polling'],
    ['auto', 'polling'],
  ]);
  return {
    isUsed,
    settings: isUsed
      ? {
          consumerMs: dice.pick([0, 2_000]),
          subscriptionMs: dice.pick([10_000, 60_000, 300_000]),
          endOfShard: dice.pick(['withRecords', 'emptyAnswer']),
        }
      : {},
    retrievalOf: (name) => (isUsed ? of(name, 0xfa0002).pick(among) : 'polling'),
    diceOf: (name) => of(name, 0xfa0003),
  };
}

export function fanOutOf(drawn: DrawnFanOut, world: () => World): FanOut {
  const processOf = (name: string): World['processes'][number] | undefined =>
    world().processes.find(({ machine }) => machine.name === name);
  return {
    ...drawn,
    pipes: new Set(),
    late: 0,
    lateAt: new Map(),
    laws: createSubscriptionLaws({
      now: () => world().clock.now(),
      rowOf: (leaseKey) => world().leases.row(leaseKey),
      noticeMsOf: (name) => world().failovers.of(name) / 3 + wayMsOf(processOf(name)),
      troublesOf: (name) => `${troublesOf(processOf(name))} ${world().garbled.size} ${world().lostStreams.size}`,
      isHeldUp: (name) => {
        const machine = processOf(name)?.machine;
        return machine?.standsStill() === true || machine?.mailWaits() === true;
      },
      violate: (invariant, text) => world().oracle.violate(invariant, text),
    }),
  };
}

/** A reader begins that knows nothing of earlier subscriptions. */
export function readerBegins({ fanOut, layout }: World, process: string, tenure: Granted['answer']['tenure']): void {
  if (tenure !== undefined) fanOut.laws.granted(process, layout.nameOf(tenure.source, tenure.shardId));
}

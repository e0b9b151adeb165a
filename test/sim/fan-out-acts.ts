// Faults of subscriptions: they break, stall, end early or are refused, strangers take them over, and operators deregister consumers.
// Their dice are their own, so they do not change the rest of what a seed means.
import { createDice, type Dice } from './dice.js';
import { drawn } from './service-faults.js';
import { errorNames } from './sdk-answers.js';
import { subscribeIn, type Pipe } from './subscribing.js';
import type { World } from './world.js';

type Act = (world: World, dice: Dice) => void;

const onSome =
  (what: string, act: (pipe: Pipe, world: World, dice: Dice) => void): Act =>
  (world, dice) => {
    const all = [...world.fanOut.pipes].filter((pipe) => !pipe.isStalled());
    if (all.length === 0) return;
    const some = dice.chance(0.3) ? all : [dice.pick(all)];
    world.say(`${what}: ${some.map(({ process, stream, shardId }) => `${process} ${stream}/${shardId}`).join(', ')}`);
    for (const pipe of some) act(pipe, world, dice);
  };

const inStream = [
  'ResourceInUseException',
  'ResourceInUseException',
  'LimitExceededException',
  'InternalFailureException',
  'ResourceNotFoundException',
  'KMSThrottlingException',
  'TimeoutError',
];

const breaks = onSome('subscriptions break', (pipe, _world, dice) => pipe.breaks(dice.pick(inStream)));
const breaksAnyhow = onSome('subscriptions break', (pipe, _world, dice) =>
  pipe.breaks(dice.pick(errorNames('kinesis'))),
);
const ends = onSome('subscriptions end early', (pipe) => pipe.ends());
const stalls = onSome('subscriptions stall', (pipe) => pipe.stalls());

const firstMs = 5_500;

/** Someone else subscribes with the same consumer: once, or again and again, as another application with its name would. */
const stranger = onSome('a stranger subscribes', ({ consumerArn, stream, shardId }, world, dice) => {
  const { clock, kinesis } = world;
  const times = dice.pick([1, 1, 2, 5]);
  for (let time = 0; time < times; time += 1) {
    clock.after(dice.between(1, 2_000) + time * firstMs, () => {
      if (!kinesis.streams.has(stream)) return;
      try {
        const input = { ConsumerARN: consumerArn, ShardId: shardId, StartingPosition: { Type: 'LATEST' } };
        const taken = subscribeIn(world, input);
        clock.after(dice.between(100, 20_000), () => taken.close());
      } catch {
        // It was refused: the subscription is too young, or gone.
      }
    });
  }
});

const refusals = [
  'ResourceInUseException',
  'LimitExceededException',
  'ProvisionedThroughputExceededException',
  'InternalFailure',
  'ResourceNotFoundException',
  'AccessDeniedException',
];

const refused: Act = ({ clock, say, serviceFaults }, dice) => {
  const name = dice.pick(refusals);
  say(`SubscribeToShard is refused with ${name}`);
  const mishap = { type: 'error', name } as const;
  serviceFaults.add({ service: 'kinesis', operation: 'SubscribeToShard', mishap, ...drawn(dice, clock.now()) });
};

/** An event says that the shard ends, and it does not. */
const falseEnds: Act = ({ clock, say, serviceFaults }, dice) => {
  say('events without a continuation');
  const mishap = { type: 'noIterator' } as const;
  serviceFaults.add({ service: 'kinesis', operation: 'SubscribeToShardEvent', mishap, ...drawn(dice, clock.now()) });
};

/** An operator deregisters the consumers of a stream, and perhaps registers them again. */
const deregister: Act = ({ clock, kinesis, say, streams }, dice) => {
  const there = streams();
  if (there.length === 0) return;
  const name = dice.pick(there);
  const stream = kinesis.stream(name);
  const again = dice.chance(0.5);
  const afterMs = dice.pick([0, 3_000, 20_000]) + 2_500;
  for (const consumer of [...stream.consumers.values()]) {
    // It is being deregistered already.
    if (consumer.goneAt !== undefined) continue;
    say(`consumer ${consumer.name} of ${name} is deregistered`);
    kinesis.handle('DeregisterStreamConsumer', { ConsumerARN: consumer.arn });
    if (!again) continue;
    clock.after(afterMs, () => {
      if (kinesis.streams.get(name) !== stream || stream.consumers.has(consumer.name)) return;
      say(`consumer ${consumer.name} of ${name} is registered again`);
      kinesis.handle('RegisterStreamConsumer', { StreamARN: stream.arn, ConsumerName: consumer.name });
    });
  }
};

/** Events come late: some come after their lease was lost. */
const late: Act = ({ clock, fanOut, say }, dice) => {
  fanOut.late = dice.pick([2_000, 15_000, 40_000]);
  say(`events take up to ${fanOut.late} ms`);
  clock.after(dice.between(2_000, 20_000), () => (fanOut.late = 0));
};

const acts: readonly Act[] = [
  breaks,
  breaks,
  breaksAnyhow,
  ends,
  stalls,
  stranger,
  stranger,
  refused,
  refused,
  falseEnds,
  deregister,
  late,
];

/** Acts until the returned function is called, which ends what would last. */
export function disturb(world: World, seed: number): () => void {
  const { clock, fanOut } = world;
  const dice = createDice(seed ^ 0xfa0004);
  let cancel = (): void => {};
  const next = (): void => {
    cancel = clock.after(dice.between(500, 8_000), () => {
      if (!world.isShutDown) dice.pick(acts)(world, dice);
      next();
    });
  };
  if (fanOut.isUsed) next();
  return () => {
    cancel();
    fanOut.late = 0;
    for (const pipe of [...fanOut.pipes]) if (pipe.isStalled()) pipe.breaks('TimeoutError');
  };
}

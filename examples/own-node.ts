// A node of one's own: it joins each order with its payment, whichever comes first. What waits for its partner is kept, so no checkpoint
// passes it. A pair stands for both messages. What has lost its lease is taken out of the state, since another process gets it now.
// Run: npm run example -- own-node
import { createConsumer, defineNode, kinesisStream, pipe, runUntilSignal, type PipeMessage } from 'kinact';
import { localStreams } from './support/local-stream.js';

interface Fact {
  readonly kind: 'order' | 'payment';
  readonly id: string;
}

const pairs = defineNode({
  name: 'pairs',
  init: (): ReadonlyMap<string, PipeMessage<Fact>> => new Map(),
  handleMessage: (waiting, message: PipeMessage<Fact>) => {
    const { id, kind } = message.value;
    const other = waiting.get(id);
    // A call may be repeated, so it returns a new state, and does not change the old one.
    const rest = new Map(waiting);
    if (other === undefined) return { state: rest.set(id, message), keep: [message] };
    if (other.value.kind === kind) return { drop: [message] }; // a producer has sent it twice
    rest.delete(id);
    return { state: rest, outputs: [{ value: id, of: [other, message] }] };
  },
  // Without `handleFlush`, what waits stays open, and is delivered again after a stop.
  handleLost: (waiting, { messages }) => new Map([...waiting].filter(([, message]) => !messages.includes(message))),
});

const total = 200;
await using streams = await localStreams('facts');
const facts = (kind: Fact['kind'], from: number): { readonly key: string; readonly data: string }[] =>
  Array.from({ length: total }, (_, n) => `id-${(n + from) % total}`).map((id) => ({ key: id, data: `${kind} ${id}` }));
await streams.put('facts', [...facts('order', 0), ...facts('payment', 70)]);

const paid = new Set<string>();
let allPaid = (): void => {};
const done = new Promise<void>((resolve) => (allPaid = resolve));

const consumer = createConsumer({
  application: 'own-node',
  source: kinesisStream({ streamName: 'facts' }),
  pipe: pipe()
    .map((bytes): Fact => {
      const [kind, id = ''] = bytes.toString().split(' ');
      return { kind: kind === 'order' ? 'order' : 'payment', id };
    })
    .node(pairs)
    .to((id) => {
      paid.add(id);
      if (paid.size === total) allPaid();
    }),
});
void done.then(() => consumer.stop());
const { drained } = await runUntilSignal(consumer);
console.log(`own-node: ${paid.size} orders paid, drained: ${drained}`);

// A stream that is resharded while whole consumers read it, in virtual time, over the scripted Kinesis. Every call has a latency from
// the seed. A process that is killed gets no answer any more, and what it delivers afterwards does not count. The scene
// measures each hand-over: from the end of the parents to the first call that reads the child.
import { kinesisStream } from '../../src/aws/kinesis/kinesis-stream.js';
import type { KinesisStreamOptions } from '../../src/index.js';
import type { LeaseStore, Timers } from '../../src/api/ports.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { createDice, type Dice } from '../../src/testing/dice.js';
import type { ManualClock } from '../../src/testing/manual-clock.js';
import { memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import type { ScriptedKinesis } from '../../src/testing/scripted-server/scripted-kinesis.js';
import type { ScriptedStreamSettings } from '../../src/testing/scripted-server/scripted-settings.js';
import type { ScriptedShard } from '../../src/testing/scripted-server/scripted-shards.js';
import type { Said } from './consumer-harness.js';
import { modelClient, type ModelClient } from './model-kinesis-client.js';
import { inVirtualTime } from './virtual.js';
import { seeded, virtualConsumer, type VirtualConsumer, type VirtualOptions } from './virtual-consumer.js';

export const idOf = (index: number): string => `shardId-${String(index).padStart(12, '0')}`;

export interface SceneOptions {
  readonly seed?: number;
  readonly shards?: number;
  readonly retrieval?: 'polling' | 'fan-out';
  readonly settings?: ScriptedStreamSettings;
  /** How long the stream is UPDATING after a change. Default 500. */
  readonly updateMs?: number;
  readonly stream?: Partial<KinesisStreamOptions>;
  /** The longest delay of one call of a service, half before it and half after it. Default 20. */
  readonly latencyMs?: number;
  /** How long an item takes; default: not at all. */
  readonly itemMs?: (id: string, worker: string) => number;
}

export interface Delivered {
  readonly id: string;
  readonly key: string;
  readonly shardId: string;
  readonly worker: string;
  readonly at: number;
}

/** From the end of the parents of a shard to the first call that reads the shard. */
export interface ShardHandOver {
  readonly shardId: string;
  readonly parents: readonly string[];
  readonly ms: number;
  /** One process ended all parents and reads the child. */
  readonly isWithin: boolean;
  readonly by: string;
}

interface Process {
  readonly name: string;
  readonly made: VirtualConsumer;
  isAlive: boolean;
}

const streamName = 'orders';

export class ReshardingScene {
  readonly clock: ManualClock;
  readonly client: ModelClient;
  readonly store = memoryLeaseStore([], 'orders');
  readonly written: string[] = [];
  readonly delivered: Delivered[] = [];
  readonly processes: Process[] = [];
  readonly #options: SceneOptions;
  readonly dice: Dice;
  /** When an answer first showed the end of a shard to a process: `process shard`. */
  readonly #ended = new Map<string, number>();
  readonly #begun = new Map<string, { at: number; by: string }>();
  readonly #closedBy = new Map<string, string>();
  readonly #keys: number;

  constructor(clock: ManualClock, options: SceneOptions = {}) {
    this.clock = clock;
    this.#options = options;
    this.dice = createDice(options.seed ?? 1);
    this.#keys = 48;
    this.client = modelClient(clock, { updateMs: options.updateMs ?? 500 });
    this.client.kinesis.createStream(streamName, options.shards ?? 4, options.settings);
  }

  get kinesis(): ScriptedKinesis {
    return this.client.kinesis;
  }

  get shards(): readonly ScriptedShard[] {
    return [...this.kinesis.stream(streamName).shards.values()];
  }

  get open(): readonly ScriptedShard[] {
    return this.shards.filter(({ endingSequenceNumber }) => endingSequenceNumber === undefined);
  }

  get rows(): ReadonlyMap<string, LeaseRow> {
    return this.store.rows;
  }

  get living(): readonly Process[] {
    return this.processes.filter(({ isAlive }) => isAlive);
  }

  /** The events of all processes. */
  heard<Name extends Said['name']>(name: Name): readonly Extract<Said, { readonly name: Name }>['data'][] {
    return this.processes.flatMap(({ made }) => made.heard(name) as never);
  }

  /** Starts a process under this name. */
  async start(name: string, more: VirtualOptions = {}): Promise<void> {
    const { retrieval = 'polling', stream, itemMs = () => 0 } = this.#options;
    const self = { name, isAlive: true } as { -readonly [K in keyof Process]: Process[K] };
    const client = this.#clientOf(self);
    const timers: Timers = { after: (ms, run) => this.clock.after(ms, () => (self.isAlive ? run() : undefined)) };
    const fanOut = retrieval === 'fan-out' ? { retrieval, consumerName: 'orders', subscriptionClient: client } : {};
    const spec = kinesisStream({ streamName, client, initialPosition: 'TRIM_HORIZON', ...fanOut, ...stream } as never);
    self.made = virtualConsumer(this.clock, {
      source: { ...spec, openLeases: () => this.#storeOf(self) },
      workerId: name,
      onItem: ({ key, shardId, value }) => {
        const note = (): void => {
          const item = { id: String(value), key, shardId, worker: name, at: this.clock.now() };
          if (self.isAlive) this.delivered.push(item);
        };
        const ms = itemMs(String(value), name);
        if (ms === 0) return note();
        return new Promise<void>((resolve) => timers.after(ms, () => (note(), resolve())));
      },
      ...more,
      runtime: {
        clock: this.clock,
        timers,
        random: seeded((this.#options.seed ?? 1) * 1_000 + this.processes.length),
        ...more.runtime,
      },
    });
    this.processes.push(self);
    await inVirtualTime(this.clock, self.made.consumer.start());
  }

  /** Ends a process without a word, as SIGKILL does. */
  kill(name: string): void {
    const found = this.living.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no living ${name}`);
    found.isAlive = false;
  }

  /** Lets time pass while a record is put every 20 ms; the keys take turns. */
  async write(ms: number, everyMs = 20): Promise<void> {
    for (let passed = 0; passed < ms; passed += everyMs) {
      this.put(1);
      await this.clock.advance(everyMs);
    }
  }

  put(count: number): void {
    for (let index = 0; index < count; index += 1) {
      const key = `k${this.written.length % this.#keys}`;
      const id = `${key}/${Math.floor(this.written.length / this.#keys)}`;
      this.written.push(id);
      this.kinesis.put(streamName, { partitionKey: key, data: id });
    }
  }

  /** UpdateShardCount, as soon as the stream is ACTIVE, under load. */
  async scale(TargetShardCount: number): Promise<void> {
    while (this.kinesis.stream(streamName).status !== 'ACTIVE') await this.write(100);
    const input = { StreamName: streamName, TargetShardCount, ScalingType: 'UNIFORM_SCALING' };
    this.kinesis.handle('UpdateShardCount', input);
  }

  split(shardId: string): readonly string[] {
    return this.kinesis.split(streamName, shardId);
  }

  merge(shardId: string, adjacent: string): string {
    return this.kinesis.merge(streamName, shardId, adjacent);
  }

  /** Waits until everything is delivered and every shard that has closed is at SHARD_END. */
  async settled(ms = 60_000): Promise<boolean> {
    return this.clock.advanceUntil(() => this.lost().length === 0 && this.unended().length === 0, ms);
  }

  async stop(): Promise<void> {
    for (const { made } of this.living) {
      const report = await inVirtualTime(this.clock, made.consumer.stop());
      if (!report.drained) throw new Error(`not drained: ${JSON.stringify(report)}`);
    }
  }

  lost(): readonly string[] {
    const seen = new Set(this.delivered.map(({ id }) => id));
    return this.written.filter((id) => !seen.has(id));
  }

  /** Deliveries beyond the first of each record. */
  repeats(): readonly string[] {
    const seen = new Set<string>();
    return this.delivered
      .filter(({ id }) => seen.size === seen.add(id).size)
      .map(({ id, worker }) => `${id} by ${worker}`);
  }

  /** First deliveries of a key that are not in the order in which its records were put. */
  outOfOrder(): readonly string[] {
    const last = new Map<string, number>();
    const seen = new Set<string>();
    return this.delivered.flatMap(({ id, key, shardId }) => {
      if (seen.has(id)) return [];
      seen.add(id);
      const serial = Number(id.split('/')[1]);
      const before = last.get(key) ?? -1;
      last.set(key, Math.max(before, serial));
      return serial === before + 1 ? [] : [`${id} after ${before} in ${shardId}`];
    });
  }

  /** Closed shards that have a row, and are not at SHARD_END. */
  unended(): readonly string[] {
    return this.shards
      .filter(({ shardId, endingSequenceNumber }) => {
        const row = this.store.rows.get(shardId);
        return endingSequenceNumber !== undefined && row !== undefined && row.checkpoint !== 'SHARD_END';
      })
      .map(({ shardId }) => shardId);
  }

  /** The hand-overs from parents to children so far. */
  handOvers(): readonly ShardHandOver[] {
    return this.shards.flatMap(({ shardId, parents }) => {
      const begun = this.#begun.get(shardId);
      // Of a lease that moved while its shard ended, the last holder has found the end once more.
      const ends = parents.map((parent) => this.#ended.get(`${this.#closedBy.get(parent)} ${parent}`));
      if (begun === undefined || parents.length === 0 || ends.includes(undefined)) return [];
      const last = Math.max(
        ...ends.map((end) => end!),
        ...this.delivered.filter((each) => parents.includes(each.shardId)).map(({ at }) => at),
      );
      const isWithin = parents.every((parent) => this.#closedBy.get(parent) === begun.by);
      return [{ shardId, parents, ms: begun.at - last, isWithin, by: begun.by }];
    });
  }

  #clientOf(self: Process): ModelClient {
    const { client } = this;
    const send = async (command: { readonly input: Record<string, any> }, more?: object): Promise<unknown> => {
      await this.#pass(self);
      const operation = command.constructor.name.replace(/Command$/, '');
      const { input } = command;
      if (operation === 'GetRecords') this.#noteBegin(shardOf(input['ShardIterator'] as string), self);
      const output = (await client.send(command as never, more as never)) as Record<string, any>;
      await this.#pass(self);
      if (operation === 'GetRecords' && output['NextShardIterator'] === undefined)
        this.#noteEnd(shardOf(input['ShardIterator'] as string), self);
      if (operation === 'SubscribeToShard')
        return { EventStream: this.#eventsOf(self, input['ShardId'] as string, output['EventStream'] as never) };
      return output;
    };
    return { ...client, send } as never;
  }

  async *#eventsOf(self: Process, shardId: string, events: AsyncIterable<Record<string, any>>): AsyncGenerator<object> {
    for await (const event of events) {
      await this.#pass(self);
      this.#noteBegin(shardId, self);
      if (event['SubscribeToShardEvent']?.ContinuationSequenceNumber === undefined) this.#noteEnd(shardId, self);
      yield event;
    }
  }

  /** A killed process gets no answers. */
  async #pass(self: Process): Promise<void> {
    const ms = (this.dice.next() * (this.#options.latencyMs ?? 20)) / 2;
    await new Promise<void>((resolve) => this.clock.after(ms, () => (self.isAlive ? resolve() : undefined)));
  }

  #noteBegin(shardId: string, { name }: Process): void {
    if (!this.#begun.has(shardId)) this.#begun.set(shardId, { at: this.clock.now(), by: name });
  }

  #noteEnd(shardId: string, { name }: Process): void {
    const key = `${name} ${shardId}`;
    if (!this.#ended.has(key)) this.#ended.set(key, this.clock.now());
  }

  #storeOf(self: Process): LeaseStore {
    const { store } = this;
    const around =
      <Args extends readonly unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
      async (...args: Args): Promise<Result> => {
        await this.#pass(self);
        store.serviceTimeMs = this.clock.wallNow();
        try {
          return await call(...args);
        } finally {
          await this.#pass(self);
        }
      };
    const update: LeaseStore['update'] = async (...args) => {
      const [shardId] = args;
      const answer = await store.update(...args);
      if (store.rows.get(shardId)?.checkpoint === 'SHARD_END' && !this.#closedBy.has(shardId))
        this.#closedBy.set(shardId, self.name);
      return answer;
    };
    const wrapped = Object.fromEntries(
      Object.entries(store)
        .filter(([name, member]) => typeof member === 'function' && name !== 'close')
        .map(([name, member]) => [name, around(name === 'update' ? (update as never) : (member as never))]),
    );
    return { ...store, ...wrapped } as never;
  }
}

function shardOf(iterator: string): string {
  return (JSON.parse(Buffer.from(iterator, 'base64').toString()) as { shard: string }).shard;
}

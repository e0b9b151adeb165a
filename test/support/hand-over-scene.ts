// The scene of a hand-over, with real processes: the holder has every lease of a stream, and the asker asks for some. A witness between
// the workers and the table sees every write, so a test can act on a worker at a chosen moment. `end` checks the laws of the outcome.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { scriptedServer, type ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import type { Fleet, WorkerProcess } from './fleet.js';
import { setBy, type WitnessedWrite, type WriteRequest } from './lease-witness.js';
import { judgeWrites, type OwnerChange } from './lease-write-laws.js';
import { LoadScene } from './load-scene.js';
import type { TableSnapshot } from './strict-lease-reader.js';
import type { Delivery, WorkerConfig } from './worker-process.js';
import { deliveredTooLate } from './zombie-laws.js';

/** On a busy machine a renewal may wait for a second, and the holder must not lapse because of that. */
export const failoverMs = 3_000;

export interface SceneOptions {
  /** The name of the stream, and in the names of the application and the closing note. */
  readonly name: string;
  readonly endpoints: Fleet['endpoints'];
  /** Default 2. */
  readonly shards?: number;
  /** Further streams with as many shards each. */
  readonly moreStreams?: readonly string[];
  /** Whether each stream has its own lease table. Default: all streams share one. */
  readonly severalTables?: boolean;
  /** Failover times by worker. Default: `failoverMs`. */
  readonly failovers?: Readonly<Record<string, number>>;
  /** A writer that need not keep our laws: its name at the witness and in the table. */
  readonly stranger?: string;
  /** Whether a server between the witness and the table can refuse calls (`throttle`). */
  readonly throttled?: boolean;
  /** Whether the holder has too much work from the asker's start until `hurry`. It then drains for as long as the test wants. */
  readonly drainsSlowly?: boolean;
}

/** Whether this is the write that a test waits for. */
export type Is = (write: WitnessedWrite) => boolean;

export interface Ending {
  readonly changes: readonly OwnerChange[];
  /** On a busy machine a holder may get the answer to a renewal too late. It then begins again under another fence. */
  readonly lapses: readonly OwnerChange[];
  readonly deliveries: readonly Delivery[];
  /** Deliveries after the first one of a record, except those that follow from a lapse. */
  readonly replayed: number;
}

/** After its answer, the holder delivers for another second, and then drains. */
const noticeMs = 1_000;
/** More than half a minute's work for a slow holder with two reducers, with records of every shard. */
const backlog = 160;
/** The limit of a wait that would never end. */
const patienceMs = 120_000;

const holderName = 'holder';
const askerName = 'asker';

export const isWish: Is = (write) => write.accepted && setBy(write)['kinactWish'] !== undefined;
export const isYielding: Is = (write) =>
  write.accepted && setBy(write)['kinactAnswer']?.S?.startsWith('yielding') === true;
export const isRefusal: Is = (write) =>
  write.accepted && setBy(write)['kinactAnswer']?.S?.startsWith('refused') === true;
/** The owner that a write sets. */
export const newOwner = (write: WitnessedWrite): string | undefined => setBy(write)['leaseOwner']?.S;
export const isHandOver: Is = (write) =>
  write.accepted && newOwner(write) !== undefined && newOwner(write) !== write.worker;
export const isTake: Is = (write) => write.accepted && newOwner(write) === write.worker;

/** Each worker of the scene has its own proxy in front of the witness. */
export class Scene extends LoadScene {
  readonly #options: SceneOptions;
  #throttle: ScriptedServer | undefined;
  /** While this file exists, the holder is slow. */
  #slowWhile: string | undefined;

  constructor(options: SceneOptions) {
    const { name, endpoints, shards = 2, moreStreams = [], severalTables = false } = options;
    super({
      shards,
      application: `${name}-app`,
      streamName: name,
      moreStreams,
      severalTables,
      servers: () => endpoints,
      load: { count: 2, everyMs: 200 },
      worker: { itemMs: 5, idleMs: 200, failoverMs },
      witnessed: true,
    });
    this.#options = options;
  }

  protected override async behindWitness(): Promise<string> {
    const upstream = await super.behindWitness();
    if (this.#options.throttled !== true) return upstream;
    this.#throttle = await scriptedServer({ proxy: { upstream } });
    this.closes(() => this.#throttle?.stop());
    return this.#throttle.url;
  }

  /**
   * From now on the table refuses calls of all workers as if over its capacity: reads and writes for which `refuses` returns true.
   * Returns a function that ends this.
   */
  throttle(refuses: (input: WriteRequest) => boolean = () => true): () => void {
    const error = { type: 'error', code: 'ProvisionedThroughputExceededException' } as const;
    const scripts = ['UpdateItem', 'PutItem', 'GetItem', 'Scan'].map((operation) =>
      this.#throttle?.respond(operation, Infinity, error, (input) => refuses(input as WriteRequest)),
    );
    return () => {
      for (const script of scripts) script?.cancel();
    };
  }

  /** Starts a worker that reaches DynamoDB through its own proxy, with its failover time in this scene. */
  override startProxied(name: string, config: Partial<WorkerConfig> = {}): Promise<WorkerProcess> {
    return super.startProxied(name, { failoverMs: this.#failoverOf(name), ...config });
  }

  #failoverOf(name: string): number {
    return this.#options.failovers?.[name] ?? failoverMs;
  }

  /** Starts a worker that holds every lease, and waits for a checkpoint of each shard. */
  async holder(): Promise<WorkerProcess> {
    const { drainsSlowly = false, shards = 2, moreStreams = [] } = this.#options;
    const holder = await this.startProxied(holderName, drainsSlowly ? { slowWhile: this.#makeSlowFile() } : {});
    await this.fleet.balanced([holder]);
    await this.fleet.put(24);
    const isNumbered = (rows: TableSnapshot): boolean =>
      rows.size === shards * (1 + moreStreams.length) &&
      [...rows.values()].every((row) => /^\d+$/.test(row['checkpoint']?.S ?? ''));
    await this.fleet.until('a checkpoint of each shard', async () => isNumbered(await this.fleet.rows()));
    return holder;
  }

  #makeSlowFile(): string {
    const directory = mkdtempSync(join(tmpdir(), 'kinact-scene-'));
    this.closes(() => rmSync(directory, { recursive: true, force: true }));
    this.#slowWhile = join(directory, 'slow');
    return this.#slowWhile;
  }

  /** Starts workers that join, and ask for their share. */
  async askers<Names extends readonly string[]>(
    ...names: Names
  ): Promise<{ readonly [Index in keyof Names]: WorkerProcess }> {
    if (this.#slowWhile !== undefined) {
      writeFileSync(this.#slowWhile, '');
      await this.fleet.put(backlog);
    }
    const workers = await Promise.all(names.map((name) => this.startProxied(name)));
    return workers as { readonly [Index in keyof Names]: WorkerProcess };
  }

  async asker(): Promise<WorkerProcess> {
    const [asker] = await this.askers(askerName);
    return asker;
  }

  /** The holder works fast again, so its drain can end. */
  hurry(): void {
    if (this.#slowWhile !== undefined) rmSync(this.#slowWhile, { force: true });
  }

  /** Waits for the next write for which `is` returns true. `act` is called before the writing worker gets the answer. */
  async meet(what: string, is: Is, act?: (write: WitnessedWrite) => unknown): Promise<WitnessedWrite> {
    let met: WitnessedWrite | undefined;
    void this.witness.meet(is, act).then((write) => (met = write));
    return await this.fleet.until(what, () => met, patienceMs);
  }

  /** Waits for a renewal by a holder that has begun to drain, and has not handed over. */
  async meetDraining(act?: (write: WitnessedWrite) => unknown): Promise<WitnessedWrite> {
    // One predicate sees every write. With two waits, on a busy machine, the drain could be over before the second wait begins.
    let yielded: WitnessedWrite | undefined;
    const hasNoticed: Is = (write) => {
      if (yielded === undefined) {
        if (isYielding(write)) yielded = write;
        return false;
      }
      const { leaseKey, worker, doneAt } = yielded;
      if (write.leaseKey !== leaseKey || write.worker !== worker || !write.accepted) return false;
      return write.sentAt > doneAt + 1.2 * noticeMs && !isHandOver(write);
    };
    return await this.meet('a renewal while it drains', hasNoticed, act);
  }

  /** Lets the holder hurry once this wish, which no worker has renewed, no longer counts for the holder. */
  async outliveWish({ leaseKey, doneAt }: WitnessedWrite, holder: WorkerProcess): Promise<void> {
    const isStale: Is = (write) =>
      write.leaseKey === leaseKey && write.worker === holder.name && write.sentAt > doneAt + 1.5 * failoverMs;
    await this.meet('a renewal after the wish', isStale, () => this.hurry());
  }

  /** Waits until a worker delivers a record of this shard that was written after this call. */
  async deliversWhatIsNew(worker: WorkerProcess, shardId: string | undefined): Promise<void> {
    const before = new Set(this.fleet.written);
    const isNew = (each: Delivery): boolean => each.worker === worker.name && each.shardId === shardId;
    await this.fleet.until(
      `${worker.name} delivers what is new of ${shardId}`,
      () => this.fleet.deliveries().some((each) => isNew(each) && !before.has(each.id)),
      patienceMs,
    );
  }

  /** Waits until all records are delivered, stops every process, and judges all deliveries and writes. */
  async end(): Promise<Ending> {
    const { fleet, witness } = this;
    const { name, stranger } = this.#options;
    this.hurry();
    await this.stopWriting();
    await this.expectNothingLost(name, patienceMs);
    const names = new Set(fleet.workers.map((worker) => worker.name));
    const { complaints, changes, lapses } = judgeWrites(witness.writes, (id) =>
      names.has(id) || id === stranger ? id : undefined,
    );
    const deliveries = fleet.deliveries();
    const ours = complaints.filter((text) => stranger === undefined || !text.includes(`, by ${stranger}: `));
    expect(ours.slice(0, 5), 'writes').to.deep.equal([]);
    const repeats = repeatsIn(deliveries, [...changes, ...lapses]);
    const unexplained = repeats.filter(({ reason }) => reason === undefined);
    expect(unexplained.slice(0, 5).map(shownRepeat), 'repeats').to.deep.equal([]);
    // The laws of writes check the failover time of the previous owner.
    const hasty = changes.filter(
      ({ kind, from, to = '', silentMs }) =>
        kind === 'take' && from !== undefined && names.has(to) && silentMs <= this.#failoverOf(to),
    );
    expect(hasty, 'taken before the taker’s own failover time has passed').to.deep.equal([]);
    for (const each of names) {
      const own = deliveries.filter(({ worker }) => worker === each);
      expect(deliveredTooLate(own, witness.writes, this.#failoverOf(each)), 'late').to.deep.equal([]);
    }
    return { changes, lapses, deliveries, replayed: repeats.filter(({ reason }) => reason !== 'lapse').length };
  }
}

/** The row's checkpoint as a number; -1 for a sentinel. */
function checkpointOf(row: OwnerChange['row']): bigint {
  const text = row['checkpoint']?.S ?? '';
  return /^\d+$/.test(text) ? BigInt(text) : -1n;
}

/** A delivery of a record that had been delivered before. */
export interface Repeat {
  readonly delivery: Delivery;
  /** The previous delivery. */
  readonly before: Delivery;
  /** The change with which the fence of `delivery` began, if this change allows the repeat. */
  readonly reason: 'take' | 'lapse' | undefined;
}

/**
 * Finds the repeats, each with its reason. A repeat is allowed only if its tenure began with one of three changes: a take by force, a
 * take of a row created again after a deletion, or a renewal after the right to deliver had ended. The record must be after the
 * checkpoint that the row had then, and the previous delivery before this change. Fences rise across owners, so they give the order.
 */
export function repeatsIn(deliveries: readonly Delivery[], changes: readonly OwnerChange[]): readonly Repeat[] {
  const seen = new Map<string, Delivery>();
  const inOrder = changes.toSorted((a, b) => a.doneAt - b.doneAt);
  return deliveries
    .toSorted((a, b) => a.fence - b.fence)
    .flatMap((delivery) => {
      const { id, shardId, fence } = delivery;
      const before = seen.get(id);
      seen.set(id, delivery);
      if (before === undefined) return [];
      const began = inOrder.findLast((change) => change.leaseKey === shardId && counterOf(change) <= fence);
      return [{ delivery, before, reason: reasonIn(began, delivery, before) }];
    });
}

function reasonIn(began: OwnerChange | undefined, { sequenceNumber }: Delivery, before: Delivery): Repeat['reason'] {
  if (began === undefined || before.fence >= counterOf(began)) return undefined;
  if (BigInt(sequenceNumber) <= checkpointOf(began.row)) return undefined;
  if (began.kind === 'take') return began.from !== undefined || began.remade ? 'take' : undefined;
  return began.kind === 'lapse' ? 'lapse' : undefined;
}

function counterOf({ row }: OwnerChange): number {
  return Number(row['leaseCounter']?.N);
}

function shownRepeat({ delivery: { id, shardId, fence, worker }, before }: Repeat): string {
  return `${id} of ${shardId}: #${before.fence} by ${before.worker}, #${fence} by ${worker}`;
}

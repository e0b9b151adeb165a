// One worker that holds every lease of a stream, and one that asks it for some: real processes, with a witness of every write between
// them and the table, so that something can be done to either of them at a moment of the hand-over; and the laws of what comes of it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { scriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import type { ScriptedServer } from '../../src/testing/scripted-server/scripted-server.js';
import type { Fleet, WorkerProcess } from './fleet.js';
import { setBy } from './lease-witness.js';
import type { WitnessedWrite, WriteRequest } from './lease-witness.js';
import { judgeWrites } from './lease-write-laws.js';
import type { OwnerChange } from './lease-write-laws.js';
import { LoadScene } from './load-scene.js';
import type { TableSnapshot } from './strict-lease-reader.js';
import type { Delivery, WorkerConfig } from './worker-process.js';
import { deliveredTooLate } from './zombie-laws.js';

/** A busy machine lets a renewal wait for a second: its holder must not lapse for that. */
export const failoverMs = 3_000;

export interface SceneOptions {
  /** Of the stream, the application and the closing note. */
  readonly name: string;
  readonly endpoints: Fleet['endpoints'];
  /** Default 2. */
  readonly shards?: number;
  /** Further streams, each of as many shards. */
  readonly moreStreams?: readonly string[];
  /** Each stream has a lease table of its own; default: all have one. */
  readonly severalTables?: boolean;
  /** By worker, where it is another one than `failoverMs`. */
  readonly failovers?: Readonly<Record<string, number>>;
  /** Its name at the witness, and in the table: it keeps none of our laws. */
  readonly stranger?: string;
  /** A server between the witness and the table refuses what the test says. */
  readonly throttled?: boolean;
  /** From the start of the one who asks until `hurry`, the holder has more than it can do: it drains for as long as the test wants. */
  readonly drainsSlowly?: boolean;
}

/** What a test waits for: a write, and what is to be done the moment the table has done it. */
export type Is = (write: WitnessedWrite) => boolean;

export interface Ending {
  readonly changes: readonly OwnerChange[];
  /** A busy machine makes a holder hear of its renewals too late: it begins again, under another fence. */
  readonly lapses: readonly OwnerChange[];
  readonly deliveries: readonly Delivery[];
  /** Deliveries beyond the first of a record, but for those of a holder that heard of its renewals too late to go on under one fence. */
  readonly replayed: number;
}

/** The holder delivers on for a second after its answer, and then drains. */
const noticeMs = 1_000;
/** More than half a minute's work for a slow holder with its two reducers, and some of every shard. */
const backlog = 160;
/** Ends what would never end. */
const patienceMs = 120_000;

const holderName = 'holder';
const askerName = 'asker';

export const isWish: Is = (write) => write.accepted && setBy(write)['kinactWish'] !== undefined;
export const isYielding: Is = (write) =>
  write.accepted && setBy(write)['kinactAnswer']?.S?.startsWith('yielding') === true;
export const isRefusal: Is = (write) =>
  write.accepted && setBy(write)['kinactAnswer']?.S?.startsWith('refused') === true;
/** To whom a write gives a lease. */
export const newOwner = (write: WitnessedWrite): string | undefined => setBy(write)['leaseOwner']?.S;
export const isHandOver: Is = (write) =>
  write.accepted && newOwner(write) !== undefined && newOwner(write) !== write.worker;
export const isTake: Is = (write) => write.accepted && newOwner(write) === write.worker;

/** A worker that is started here has a proxy of its own before the witness. */
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
   * From now on the table refuses calls of all workers, as it does over its capacity: reads and writes, those that `refuses` is
   * true of. Returns how to end that.
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

  /** A worker that reaches DynamoDB by a proxy of its own, with the failover time that the scene gives it. */
  override startProxied(name: string, config: Partial<WorkerConfig> = {}): Promise<WorkerProcess> {
    return super.startProxied(name, { failoverMs: this.#failoverOf(name), ...config });
  }

  #failoverOf(name: string): number {
    return this.#options.failovers?.[name] ?? failoverMs;
  }

  /** A worker that holds everything, and has a checkpoint of each shard. */
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

  /** Workers that join, and ask for their part. */
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

  /** The holder gets done what it has been handed out: its drain may end. */
  hurry(): void {
    if (this.#slowWhile !== undefined) rmSync(this.#slowWhile, { force: true });
  }

  /** The next write that `is` is true of, and what is to happen before its worker hears of it. */
  async meet(what: string, is: Is, act?: (write: WitnessedWrite) => unknown): Promise<WitnessedWrite> {
    let met: WitnessedWrite | undefined;
    void this.witness.meet(is, act).then((write) => (met = write));
    return await this.fleet.until(what, () => met, patienceMs);
  }

  /** A renewal by a holder that has begun to drain, and has not handed over. */
  async meetDraining(act?: (write: WitnessedWrite) => unknown): Promise<WitnessedWrite> {
    // One look at each write: on a busy machine the drain may be over before this process gets a turn between two waits.
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

  /** Lets the holder hurry when it believes no more in a wish that nobody has renewed since then. */
  async outliveWish({ leaseKey, doneAt }: WitnessedWrite, holder: WorkerProcess): Promise<void> {
    const isStale: Is = (write) =>
      write.leaseKey === leaseKey && write.worker === holder.name && write.sentAt > doneAt + 1.5 * failoverMs;
    await this.meet('a renewal after the wish', isStale, () => this.hurry());
  }

  /** Waits until a worker delivers something of this shard that was not written yet when this was called. */
  async deliversWhatIsNew(worker: WorkerProcess, shardId: string | undefined): Promise<void> {
    const before = new Set(this.fleet.written);
    const isNew = (each: Delivery): boolean => each.worker === worker.name && each.shardId === shardId;
    await this.fleet.until(
      `${worker.name} delivers what is new of ${shardId}`,
      () => this.fleet.deliveries().some((each) => isNew(each) && !before.has(each.id)),
      patienceMs,
    );
  }

  /** Lets the rest be delivered and every process stop, and judges what all have done and written. */
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
    // The other's failover time is in the laws of writes.
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

/** A number of the row, or one before all. */
function checkpointOf(row: OwnerChange['row']): bigint {
  const text = row['checkpoint']?.S ?? '';
  return /^\d+$/.test(text) ? BigInt(text) : -1n;
}

/** What a worker delivered that had been delivered before. */
export interface Repeat {
  readonly delivery: Delivery;
  /** The last time. */
  readonly before: Delivery;
  /** What the fence began with that it came again under, where that is a reason. */
  readonly reason: 'take' | 'lapse' | undefined;
}

/**
 * What came more than once may have come again only in a tenure that began with a take by force, of a row that was deleted and made
 * again, or with a renewal after the right to deliver had ended; only from behind the checkpoint that the row had then; and only if it
 * came before that. Fences rise over owners, so they say which came first.
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

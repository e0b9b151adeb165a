// The scene of an integrity test: real worker processes (`fleet`) share the leases of a stream while a producer writes to it
// (`load`). `start` and `startDelivering` start workers. A worker of `startProxied` reaches DynamoDB through a proxy that can fail
// (`proxyOf`). With `witnessed`, a witness between the workers and DynamoDB records every write to the lease table (`witness`).
// A test causes a fault of a worker or a server. `expectNothingLost` then stops writing, waits for all records, and judges. The
// scene closes everything that it has opened.
import { ownersDeliver } from './fleet-laws.js';
import { faultyProxy, type FaultyProxy } from './faulty-proxy.js';
import { startFleet, type Fleet, type FleetOptions, type WorkerProcess } from './fleet.js';
import { witnessLeases, type LeaseWitness } from './lease-witness.js';
import { expectNothingLost } from './replays.js';
import type { WorkerConfig } from './worker-process.js';

export interface LoadSceneOptions extends Omit<FleetOptions, 'endpoints'> {
  /** `count` records are written every `everyMs`, 100 by default. Absent: only the test writes records. */
  readonly load?: { readonly count: number; readonly everyMs?: number };
  /** The configuration that all workers share. */
  readonly worker?: Partial<WorkerConfig>;
  /** Every worker reaches DynamoDB through a witness of its writes. */
  readonly witnessed?: true;
  /** Servers in place of the fleet's own. */
  readonly servers?: (scene: LoadScene) => Fleet['endpoints'] | Promise<Fleet['endpoints']>;
}

export class LoadScene {
  readonly #options: LoadSceneOptions;
  readonly #proxies = new Map<string, FaultyProxy>();
  #closing: (() => unknown)[] = [];
  #fleet: Fleet | undefined;
  #witness: LeaseWitness | undefined;
  #stopWriting: (() => Promise<void>) | undefined;

  constructor(options: LoadSceneOptions) {
    this.#options = options;
  }

  async open(): Promise<this> {
    const { load, servers, witnessed, worker: _, ...options } = this.#options;
    const endpoints = await servers?.(this);
    this.#fleet = await startFleet({ ...options, ...(endpoints === undefined ? {} : { endpoints }) });
    if (witnessed === true) this.#witness = await witnessLeases(await this.behindWitness(), options.severalTables);
    if (load !== undefined) this.keepWriting(load.count, load.everyMs);
    return this;
  }

  /** The endpoint to which the witness passes requests on. */
  protected behindWitness(): string | Promise<string> {
    return this.fleet.endpoints.dynamodb;
  }

  get fleet(): Fleet {
    return opened(this.#fleet);
  }

  get witness(): LeaseWitness {
    return opened(this.#witness);
  }

  /** The proxy of a worker that was started by `startProxied`. */
  proxyOf({ name }: WorkerProcess): FaultyProxy {
    return opened(this.#proxies.get(name));
  }

  /** Adds a function to be called when the scene is closed, after those added before. */
  closes(close: () => unknown): void {
    this.#closing.push(close);
  }

  keepWriting(count: number, everyMs = 100): void {
    this.#stopWriting = this.fleet.keepWriting(count, everyMs);
  }

  /** Stops the producer, and resolves when the last record is written. */
  async stopWriting(): Promise<void> {
    await this.#stopWriting?.();
  }

  /** Starts a worker. Its name is also its id in the table. */
  start(name: string, config: Partial<WorkerConfig> = {}, dynamodb = this.#dynamodb(name)): WorkerProcess {
    const { fleet } = this;
    return fleet.start(name, { ...this.#options.worker, ...config }, { ...fleet.endpoints, dynamodb });
  }

  /** Starts a worker that reaches DynamoDB through its own proxy. */
  async startProxied(name: string, config: Partial<WorkerConfig> = {}): Promise<WorkerProcess> {
    const proxy = await faultyProxy(this.#dynamodb(name));
    this.#proxies.set(name, proxy);
    const path = this.#witness === undefined ? '' : `/${name}`;
    return this.start(name, config, `${proxy.endpoint}${path}`);
  }

  /** Starts workers, and waits until all workers of the fleet share the leases and deliver. */
  async startDelivering<Names extends readonly string[]>(
    ...names: Names
  ): Promise<{ readonly [Index in keyof Names]: WorkerProcess }> {
    const workers = names.map((name) => this.start(name));
    await ownersDeliver(this.fleet);
    return workers as { readonly [Index in keyof Names]: WorkerProcess };
  }

  /** Stops writing, waits until everything is delivered, drains every process, and judges the table and the sinks. */
  async expectNothingLost(scenario: string, deadlineMs?: number): Promise<void> {
    await this.stopWriting();
    await expectNothingLost(scenario, this.fleet, deadlineMs);
  }

  async close(): Promise<void> {
    await this.stopWriting();
    await this.#fleet?.stop();
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.close()));
    await this.#witness?.stop();
    for (const close of this.#closing) await close();
    this.#closing = [];
    this.#proxies.clear();
    this.#fleet = this.#witness = this.#stopWriting = undefined;
  }

  #dynamodb(name: string): string {
    return this.#witness?.endpoint(name) ?? this.fleet.endpoints.dynamodb;
  }
}

function opened<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('this scene is not open, or has no such part');
  return part;
}

/** One scene for all tests of a suite. */
export function sceneOfSuite(options: LoadSceneOptions): LoadScene {
  const scene = new LoadScene(options);
  before(() => scene.open());
  after(() => scene.close());
  return scene;
}

/** The same scene, opened again for each test of a suite. */
export function sceneOfTest(options: LoadSceneOptions): LoadScene {
  const scene = new LoadScene(options);
  beforeEach(() => scene.open());
  afterEach(() => scene.close());
  return scene;
}

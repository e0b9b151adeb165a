// kinact: a whole consumer, from GetRecords to the checkpoints that its stop writes, with default options unless a variant says otherwise,
// except for four reducers. Two things differ from production: leases are in memory, and the limits of five reads and 2 MB/s per shard
// never apply. Otherwise the benchmark would measure only these limits. Both differences use the ports that a source has anyway.
import { createConsumer, defineReducer, kinesisStream, type Item, type ReducerContext } from '../../src/index.js';
import { pipe } from '../../src/pipes/pipe.js';
import type { ConsumerOptions } from '../../src/api/options.js';
import type { Clock } from '../../src/api/ports.js';
import type { SourceSpec } from '../../src/api/source.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import type { Side, SideRun } from './side.js';
import { createTally, sum, type Tally } from './tally.js';
import { shardIds, type Workload } from './workload.js';

/** Without a limit, the benchmark would wait forever for a consumer that has lost a record. */
const longestMs = 120_000;
const pipeNodes = 4;

/** The options of a variant, given what counts a record. */
type OptionsOf = (reducer: Reducer) => Partial<ConsumerOptions>;

interface Reducer {
  readonly init: () => State;
  readonly take: (state: State, item: Item) => State;
  /** Like `take`, but the record is acknowledged later. */
  readonly begin: (state: State, item: Item) => State;
  /** All records that have begun are acknowledged. */
  readonly settle: (state: State) => void;
}

interface State {
  readonly tally: Tally;
  readonly begun: Item[];
}

const folding: OptionsOf = ({ init, take }) => ({ reducer: defineReducer({ init, reduce: take }) });

const variants = {
  kinact: folding,
  'kinact, flush': ({ init, begin, settle }) => ({ reducer: defineReducer({ init, reduce: begin, flush: settle }) }),
  'kinact, extract': (reducer) => ({
    ...folding(reducer),
    extract: (record) => [{ key: record.partitionKey ?? '', value: record.data }],
  }),
  'kinact, key': (reducer) => ({ ...folding(reducer), key: (record) => record.partitionKey ?? '' }),
  'kinact, manual': ({ init, take }) => ({
    reducer: defineReducer({
      init,
      acknowledge: 'manual',
      reduce(state: State, item: Item, context: ReducerContext) {
        context.ack(item.token);
        return take(state, item);
      },
    }),
  }),
  'kinact, crash': (reducer) => ({ ...folding(reducer), onFailure: 'crash' }),
  'kinact, pipe': ({ init, take }) => {
    const state = init();
    let chain = pipe();
    for (let node = 1; node < pipeNodes; node += 1) chain = chain.map((data) => data);
    return { pipe: chain.to((data) => void take(state, { value: data } as Item)) };
  },
  'kinact, 1 reducer': (reducer) => ({ ...folding(reducer), reducers: 1 }),
  'kinact, 16 reducers': (reducer) => ({ ...folding(reducer), reducers: 16 }),
  'kinact, 64 reducers': (reducer) => ({ ...folding(reducer), reducers: 64 }),
} as const satisfies Readonly<Record<string, OptionsOf>>;

export type KinactName = keyof typeof variants;

export const kinactSides = Object.fromEntries(
  Object.entries(variants).map(([name, optionsOf]) => [name, (run: SideRun) => readAll(run, optionsOf)]),
) as Readonly<Record<KinactName, Side>>;

async function readAll(run: SideRun, optionsOf: OptionsOf): Promise<Tally> {
  const { workload, transport } = run;
  const store = memoryLeaseStore();
  const states: State[] = [];
  let allReduced = (): void => {};
  const everything = new Promise<void>((resolve) => (allReduced = resolve));
  const consumer = createConsumer({
    logger: false,
    application: 'bench',
    source: unlimited(kinesisStream({ streamName: 'bench', client: transport.kinactClient() }), store),
    reducers: 4,
    ...optionsOf(reducerOf(run, states, allReduced)),
  } as ConsumerOptions);

  const late = setTimeout(allReduced, longestMs);
  try {
    await consumer.start();
    await Promise.race([everything, consumer.closed]);
  } finally {
    clearTimeout(late);
    await consumer.stop();
  }
  checkFrontiers(workload, store);
  return sum(states.map(({ tally }) => tally));
}

function reducerOf({ workload, take, delays }: SideRun, states: State[], allReduced: () => void): Reducer {
  let left = workload.records;
  const counted = ({ tally }: State, value: Uint8Array): boolean => {
    left -= 1;
    if (left === 0) allReduced();
    take(tally, value);
    return delays.isDue(tally);
  };
  const settled = ({ shardId, sequenceNumber }: Item): void => {
    // A pipe hands on values, which do not know their record.
    if (shardId !== undefined) delays.settled(shardId, sequenceNumber);
  };
  return {
    init() {
      const state = { tally: createTally(), begun: [] };
      states.push(state);
      return state;
    },
    take(state, item) {
      if (counted(state, item.value)) settled(item);
      return state;
    },
    begin(state, item) {
      if (counted(state, item.value)) state.begun.push(item);
      return state;
    },
    settle({ begun }) {
      for (const item of begun.splice(0)) settled(item);
    },
  };
}

/** Gives the source a clock that advances by a million seconds at each look, so the source never waits for its own limits. */
export function unlimited(spec: SourceSpec, store: MemoryLeaseStore): SourceSpec {
  const clockOf = (clock: Clock): Clock => {
    let looks = 0;
    return { now: () => (looks += 1e9), wallNow: () => clock.wallNow() };
  };
  return {
    ...spec,
    open: (harness) => spec.open({ ...harness, clock: clockOf(harness.clock) }),
    openLeases: () => store,
  };
}

/** Throws unless every shard is checkpointed at its end. Records without a checkpoint would be cheaper. */
function checkFrontiers(workload: Workload, store: MemoryLeaseStore): void {
  for (const shardId of shardIds(workload)) {
    const { checkpoint } = store.row(shardId);
    if (checkpoint !== workload.lastSequenceNumber)
      throw new Error(`kinact: ${shardId} is checkpointed at ${checkpoint} instead of ${workload.lastSequenceNumber}`);
  }
}

// Resolves the options of `createConsumer` to one complete, frozen object, once, at construction. The rest of kinact reads only
// this object, never the application's own.
import { checkPerSecond, consumerTable, pipeTable } from './consumer-option-table.js';
import { KinactError } from '../api/errors.js';
import { membersOf, refuse, resolveTable, type Resolved } from './option-table.js';
import { refuseName } from '../api/refusal.js';
import type { Pipe } from '../api/pipe.js';
import type { ReducerDefinition } from '../api/reducer.js';
import type { AnySource } from '../api/source.js';
import { createDoubts, refuseOwnStreams, refuseUnwritable, type DoubtOf } from './policy-sinks.js';
import { applicationName } from './kinesis-stream-option-table.js';

/** One source with the table that holds its leases. */
export interface ResolvedSource {
  readonly spec: AnySource;
  readonly tableName: string;
}

type Table = Resolved<typeof consumerTable>;

/** The items go to reducers. `batch`: when they flush, with the defaults filled in. */
export interface ReducerProcessing {
  readonly kind: 'reducer';
  readonly reducer: ReducerDefinition;
  readonly batch: { readonly size: number; readonly intervalMs: number };
  /** What the reducers emit goes through pipes behind them. */
  readonly pipe?: Pipe;
}

/** The items go through pipes. */
export interface PipeProcessing {
  readonly kind: 'pipe';
  readonly pipe: Pipe;
}

export type Processing = ReducerProcessing | PipeProcessing;

/** Every option, complete and frozen. */
export interface ResolvedOptions extends Omit<Table, 'source' | 'reducer' | 'pipe'> {
  readonly sources: readonly ResolvedSource[];
  /** What happens to the items. */
  readonly processing: Processing;
  /** Says once of a sink that it may park into a stream that the consumer reads. */
  readonly doubtOf: DoubtOf;
  /**
   * How long a policy, a sink and its check, and a call whose signal has aborted may take to answer. With a `callDeadlineMs` of 0 no
   * restart waits for a call, but an answer gets time all the same.
   */
  readonly answerDeadlineMs: number;
}

const answerMs = 30_000;

export function answerDeadlineOf(callDeadlineMs: number): number {
  return callDeadlineMs === 0 ? answerMs : callDeadlineMs;
}

/** The batch of a reducer, with the defaults filled in. */
export function batchOf(
  { batch, concurrency }: ReducerDefinition,
  flushIntervalMs: number,
): ReducerProcessing['batch'] {
  const { size = concurrency === undefined ? 500 : 1, intervalMs = flushIntervalMs } = batch ?? {};
  return Object.freeze({ size, intervalMs });
}

/**
 * Validates the options of `createConsumer` and fills in the defaults.
 *
 * @throws KinactError INVALID_OPTION naming path, expected and got.
 */
export function resolveOptions(options: unknown): ResolvedOptions {
  const given = membersOf(options, '');
  const table = given['pipe'] === undefined ? consumerTable : pipeTable;
  const { source: specs, reducer, pipe, ...rest } = resolveTable<typeof pipeTable>(table, given, '');

  if (rest.extract !== undefined && rest.key !== undefined) {
    refuseName('key', 'allowed only without extract, which gives every item its key');
  }

  const processing = processingOf(reducer, pipe, rest);
  refuseOwnStreams(rest.onFailure, specs);
  const sources = placeSources(specs, rest);
  const answerDeadlineMs = answerDeadlineOf(rest.callDeadlineMs);
  return Object.freeze({ ...rest, sources, processing, doubtOf: createDoubts(specs), answerDeadlineMs });
}

function processingOf(
  reducer: ReducerDefinition | undefined,
  pipe: Pipe | undefined,
  rest: Omit<Table, 'source' | 'reducer' | 'pipe'>,
): Processing {
  // One of them is there: see the tables.
  if (pipe === undefined) return processReducer(reducer as ReducerDefinition, rest);
  if (reducer === undefined && rest.limit !== undefined) refuseName('limit', noLimit);
  refuseUnwritable(rest.onFailure, pipe);
  for (const [at, { name = 'node', keepsForMs = 0 }] of pipe.nodes.entries())
    if (keepsForMs >= rest.watchdogMs) {
      const expected = `less than watchdogMs (${rest.watchdogMs}), or each wait of ${name} looks like a stall`;
      refuse(`pipe.nodes[${at}].keepsForMs`, expected, keepsForMs);
    }
  return reducer === undefined
    ? Object.freeze({ kind: 'pipe', pipe })
    : Object.freeze({ ...processReducer(reducer, rest), pipe });
}

const noLimit = 'allowed only with a reducer: a pipe has no rate limit so far';

/** Checks the argument of `setLimit`. */
export function checkLimit({ processing }: ResolvedOptions, perSecond: unknown): number | undefined {
  if (processing.kind === 'pipe' && perSecond !== undefined) refuseName('perSecond', noLimit);
  return checkPerSecond(perSecond);
}

function processReducer(
  reducer: ReducerDefinition,
  { flushIntervalMs, watchdogMs }: Pick<Table, 'flushIntervalMs' | 'watchdogMs'>,
): ReducerProcessing {
  const batch = batchOf(reducer, flushIntervalMs);
  const { intervalMs } = batch;
  if (intervalMs >= watchdogMs) {
    const path = reducer.batch?.intervalMs === undefined ? 'flushIntervalMs' : 'reducer.batch.intervalMs';
    refuse(path, `less than watchdogMs (${watchdogMs}), or every batch looks stalled`, intervalMs);
  }
  return Object.freeze({ kind: 'reducer', reducer, batch });
}

const sameStream = 'sources of different streams';
const sameName =
  'sources of different names, because items and leases are told apart by them; if a table and a Kinesis stream share a name, ' +
  'give kinesisStream its streamArn instead';

/** Refuses a source whose lease table would be in another place than that of another source with the same table. */
function samePlace(path: string, { leases: place = {} }: AnySource, other: AnySource): void {
  const { region, client } = other.leases ?? {};
  const differs = place.region !== undefined && region !== undefined && place.region !== region;
  if (differs)
    refuse(
      `${path}.leases.region`,
      `'${region}', where '${other.name}' has the lease table that both share`,
      place.region,
    );
  if (place.client !== client)
    refuse(`${path}.leases.client`, `the client of '${other.name}', because both share a lease table`, place.client);
}

const isOfKinesis = ({ stream }: AnySource): boolean => stream !== undefined;

/** Gives every source its table. Refuses a stream that is given twice and, without `multiStream`, two sources in one table. */
function placeSources(
  specs: readonly AnySource[],
  { application, leases: { tableName, multiStream } }: Pick<Table, 'application' | 'leases'>,
  pathOf = (index: number): string => (specs.length === 1 ? 'source' : `source[${index}]`),
): readonly ResolvedSource[] {
  const byName = new Map<string, AnySource>();
  const byTable = new Map<string, readonly AnySource[]>();
  return Object.freeze(
    specs.map((spec, index) => {
      const path = pathOf(index);
      const twin = byName.get(spec.name);
      if (twin !== undefined) refuse(path, isOfKinesis(twin) === isOfKinesis(spec) ? sameStream : sameName, spec.name);
      byName.set(spec.name, spec);
      const name = spec.application ?? tableName ?? applicationName.parse(application, 'application');
      const others = byTable.get(name) ?? [];
      const [other] = others;
      if (other !== undefined && !multiStream) {
        throw new KinactError(
          'INVALID_OPTION',
          `${path}.application: expected a lease table of its own, got '${name}', which is that of '${other.name}' already; ` +
            'give each source its application, or set leases.multiStream',
          { data: { option: `${path}.application`, table: name } },
        );
      }
      byTable.set(name, [...others, spec]);
      // One that names no region fits any: so it does not speak for the others.
      for (const each of others) samePlace(path, spec, each);
      return Object.freeze({ spec, tableName: name });
    }),
  );
}

/**
 * Checks a source that is added to these, and gives it its table.
 *
 * @throws KinactError INVALID_OPTION naming path, expected and got.
 */
export function placeAdded(options: ResolvedOptions, others: readonly AnySource[], added: unknown): ResolvedSource {
  if (Array.isArray(added)) return refuse('source', 'one source, and no array', added);
  const [spec] = consumerTable.source.parse(added, 'source');
  if (spec === undefined) return refuse('source', 'one source', added);
  refuseOwnStreams(options.onFailure, [spec]);
  return placeSources([...others, spec], options, () => 'source').at(-1) as ResolvedSource;
}

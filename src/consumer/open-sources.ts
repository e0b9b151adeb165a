// The open sources of a consumer and their lease tables. Sources may be added and removed while the consumer runs. Invariant: a table is
// open as long as a source has its leases in it. wiring.ts makes actors from them; source-changes.ts adds and removes.
import type { TableHistory } from '../../actors/lease-coordinator/options.js';
import type { CoordinatorSource } from '../../actors/protocol/lease-messages.js';
import type { KinactEvent } from '../api/events.js';
import type { SourceHistory } from '../api/source-history.js';
import type { LeaseStore, StreamSource } from '../api/ports.js';
import type { Environment, SourceSpec } from '../api/source.js';
import { createCallSlots, joinSlots, leaveSlots, type CallSlots, type SourceSlots } from '../core/call-slots.js';
import { createLeaseTraffic, type LeaseTraffic } from '../core/lease-traffic.js';
import type { ResolvedOptions, ResolvedSource } from '../options/resolved-options.js';
import type { TableTraffic } from './store-traffic.js';

/** An open source. */
export interface OpenSource {
  readonly spec: SourceSpec;
  readonly tableName: string;
  readonly source: StreamSource;
  /** The state of the source, which outlives its coordinators. */
  readonly history: SourceHistory;
  readonly slots: SourceSlots;
}

/** A lease table and the sources with shards in it. */
export interface Table {
  readonly store: LeaseStore;
  readonly traffic: TableTraffic;
  readonly history: TableHistory;
  sources: readonly OpenSource[];
}

/** Called for each source or table that cannot be closed. */
export type CloseFailed = (resource: string, error: unknown) => void;

export function warnOfClose(emit: (event: KinactEvent) => void): CloseFailed {
  return (resource, error) => emit({ name: 'warning', data: { message: `${resource} could not be closed`, error } });
}

export interface OpenSources {
  /** By name. */
  readonly byName: ReadonlyMap<string, OpenSource>;
  readonly tables: ReadonlyMap<string, Table>;
  /** The polling calls of all sources. */
  readonly calls: CallSlots;
  open(placed: ResolvedSource): OpenSource;
  /** Whether no other source has its leases in the table of this one. */
  isLast(opened: OpenSource): boolean;
  /** Closes a source, and its table after the last source. */
  close(opened: OpenSource, failed: CloseFailed): void;
  closeAll(failed: CloseFailed): void;
}

export function openSources(options: ResolvedOptions, environment: Environment): OpenSources {
  const byName = new Map<string, OpenSource>();
  const tables = new Map<string, Table>();
  const calls = createCallSlots(options.maxPollingCalls);
  const sources: OpenSources = {
    calls,
    byName,
    tables,
    open: (placed) => {
      const { tableName } = placed;
      const opened = openSource(placed, environment, calls);
      const table = tables.get(tableName) ?? tableOf(options, environment, opened);
      table.sources = [...table.sources, opened];
      tables.set(tableName, table);
      byName.set(opened.source.name, opened);
      return opened;
    },
    isLast: ({ tableName }) => tables.get(tableName)?.sources.length === 1,
    close: (opened, failed) => {
      const { source, tableName, slots } = opened;
      const table = tables.get(tableName) as Table;
      byName.delete(source.name);
      table.sources = table.sources.filter((each) => each !== opened);
      closeOne(`source '${source.name}'`, () => source.close(), failed);
      leaveSlots(slots);
      if (table.sources.length > 0) return;
      tables.delete(tableName);
      closeOne(`lease table '${tableName}'`, () => table.store.close(), failed);
    },
    closeAll: (failed) => {
      for (const { source } of byName.values()) closeOne(`source '${source.name}'`, () => source.close(), failed);
      for (const [name, { store }] of tables) closeOne(`lease table '${name}'`, () => store.close(), failed);
    },
  };
  for (const placed of options.sources) sources.open(placed);
  return sources;
}

function openSource(placed: ResolvedSource, environment: Environment, calls: CallSlots): OpenSource {
  const history: SourceHistory = { worked: false, failure: undefined, atRisk: new Set() };
  const slots = joinSlots(calls);
  try {
    return { ...placed, source: placed.spec.open({ ...environment, slots }, placed.tableName), history, slots };
  } catch (error) {
    leaveSlots(slots);
    throw error;
  }
}

/** Opens the table of a source. A source without one is closed again: nothing else knows of it. */
function tableOf(options: ResolvedOptions, environment: Environment, opened: OpenSource): Table {
  try {
    return openTable(options, environment, opened);
  } catch (error) {
    closeOne(
      `source '${opened.source.name}'`,
      () => opened.source.close(),
      () => {},
    );
    leaveSlots(opened.slots);
    throw error;
  }
}

function openTable({ leases }: ResolvedOptions, environment: Environment, { spec, tableName }: OpenSource): Table {
  const { failoverMs, billing, client } = leases;
  const store = spec.openLeases(environment, { tableName, failoverMs, billing, client });
  const queue = (): LeaseTraffic => createLeaseTraffic({ ...environment, failoverMs });
  const history: TableHistory = { longestFailoverMs: 0, failoverReported: false };
  return { store, traffic: { writes: queue(), reads: queue() }, history, sources: [] };
}

function closeOne(resource: string, close: () => void, failed: CloseFailed): void {
  try {
    close();
  } catch (error) {
    failed(resource, error);
  }
}

/** The source as its coordinator knows it. */
export function forCoordinator({ spec, source, history }: OpenSource): CoordinatorSource {
  return { source, initialPosition: spec.initialPosition, history };
}

/**
 * The error of the first source if all have failed, so nothing is left to read. A source that is being added counts as one that may
 * still be read: `addSource` itself reports its failure.
 */
export function failureOfAll({ byName }: OpenSources): Error | undefined {
  const left = [...byName.values()].map(({ history }) => history).filter(({ removed }) => removed !== true);
  return left.every(({ failure, joining }) => failure !== undefined && joining !== true) ? left[0]?.failure : undefined;
}

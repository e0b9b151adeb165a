// The part of a source that a consumer sees: how to open the stream and the lease table that goes with it. `kinesisStream` makes a
// source on AWS, `fakeStream` one in memory; the consumer knows neither.
import type { InitialPosition } from '../core/position.js';
import type { Clock, LeaseStore, Random, StreamSource, Timers } from './ports.js';

/** The sources of time and chance that every adapter gets. */
export interface Environment {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

/** How a lease table is to be opened. */
export interface LeaseTableOptions {
  readonly tableName: string;
  readonly failoverMs: number;
  /** How a table that has to be created is billed. */
  readonly billing: 'PAY_PER_REQUEST' | { readonly readCapacityUnits: number; readonly writeCapacityUnits: number };
  /** The user's own DynamoDB client, by shape. */
  readonly client?: unknown;
}

/** A stream to consume, as `kinesisStream` makes it, or `fakeStream` in tests. It is opaque to applications. */
export interface SourceSpec {
  /** The name that distinguishes the consumer's sources; it is `item.source`. */
  readonly name: string;
  /** This source's lease table; default: the consumer's `application`. */
  readonly application?: string | undefined;
  readonly initialPosition: InitialPosition;
  /** A value that is passed on, as it is, to `extract` and to every item of this source. */
  readonly opaque?: unknown;
  readonly open: (environment: Environment) => StreamSource;
  readonly openLeases: (environment: Environment, table: LeaseTableOptions) => LeaseStore;
}

// What a consumer needs of a source: how to open the stream and the lease table that goes with it. `kinesisStream` makes one
// of AWS, `fakeStream` one in memory; the consumer knows neither.
import type { InitialPosition } from '../core/position.js';
import type { Clock, LeaseStore, Random, StreamSource, Timers } from './ports.js';

/** Time and chance, as every adapter gets them. */
export interface Environment {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

/** How a lease table is to be opened. */
export interface LeaseTableOptions {
  readonly tableName: string;
  readonly failoverMs: number;
  /** For a table that has to be created. */
  readonly billing: 'PAY_PER_REQUEST' | { readonly readCapacityUnits: number; readonly writeCapacityUnits: number };
  /** The user's own DynamoDB client, by shape. */
  readonly client?: unknown;
}

/** A stream to consume. Made by `kinesisStream`, or by `fakeStream` in tests; opaque to applications. */
export interface SourceSpec {
  /** Distinguishes the consumer's sources: `item.source`. */
  readonly name: string;
  /** This source's lease table; default: the consumer's `application`. */
  readonly application?: string | undefined;
  readonly initialPosition: InitialPosition;
  /** Handed to `extract` and to every item of this source as it is. */
  readonly opaque?: unknown;
  readonly open: (environment: Environment) => StreamSource;
  readonly openLeases: (environment: Environment, table: LeaseTableOptions) => LeaseStore;
}

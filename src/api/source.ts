// The part of a source that a consumer uses: how to open the stream and its lease table. `kinesisStream` makes a source on AWS,
// `fakeStream` one in memory. The consumer depends on neither of them.
import type { NamedStream } from './parking.js';
import type { SourceSlots } from '../core/call-slots.js';
import type { InitialPosition } from '../core/position.js';
import type { Clock, LeaseStore, Random, StreamSource, Timers, UserRecord } from './ports.js';

/** The clock, timers and random numbers that every adapter gets. */
export interface Environment {
  /** Tells the time. */
  readonly clock: Clock;
  /** Sets timers. */
  readonly timers: Timers;
  /** Draws random numbers. */
  readonly random: Random;
  /** Bounds the polling calls of the source. Absent: no bound. */
  readonly slots?: SourceSlots | undefined;
}

/** How to open a lease table. */
export interface LeaseTableOptions {
  /** By default the name of the application. */
  readonly tableName: string;
  /** How long a lease lives without a renewal, in milliseconds. */
  readonly failoverMs: number;
  /** How the table is billed if it has to be created. */
  readonly billing:
    | 'PAY_PER_REQUEST'
    | {
        /** Reads per second, as DynamoDB counts them. */
        readonly readCapacityUnits: number;
        /** Writes per second, as DynamoDB counts them. */
        readonly writeCapacityUnits: number;
      };
  /** The user's own DynamoDB client, by shape. */
  readonly client?: unknown;
}

/** Where a lease table is. A member that is absent is not known before the start, or does not apply. */
export interface LeasePlace {
  /** The region, unless the AWS environment or a client says it. */
  readonly region?: string | undefined;
  /** The source's own DynamoDB client, by shape. */
  readonly client?: unknown;
}

declare const carries: unique symbol;

/**
 * A stream to consume, made by `kinesisStream` or `dynamodbStream`, or by `fakeStream` in tests. Applications only pass it on. `Value` is
 * the value of its items if there is no `extract`, and `Rec` is what `extract` gets.
 */
export interface SourceSpec<Value = Buffer, Rec extends UserRecord = UserRecord> {
  /** The name that distinguishes the consumer's sources. Items have it as `item.source`. */
  readonly name: string;
  /** This source's lease table; default: `leases.tableName`, or else the consumer's `application`. */
  readonly application?: string | undefined;
  /** Where a shard starts that has no checkpoint yet. */
  readonly initialPosition: InitialPosition;
  /** A value that `extract` and every item of this source get unchanged. */
  readonly opaque?: unknown;
  /** Where the lease table is. Sources that share a table must have it in one place. */
  readonly leases?: LeasePlace | undefined;
  /** The stream as the application has named it. A sink of the same consumer may not put items into it. */
  readonly stream?: NamedStream | undefined;
  /** Opens the stream. The consumer calls it, with the name of the source's lease table. */
  readonly open: (environment: Environment, leaseTable?: string) => StreamSource;
  /** Opens the lease table. The consumer calls it. */
  readonly openLeases: (environment: Environment, table: LeaseTableOptions) => LeaseStore;
  /** Never present at run time: carries the types to `createConsumer`. */
  readonly [carries]?: {
    /** The value of an item. */
    readonly value: Value;
    /** What `extract` gets. */
    readonly record: Rec;
  };
}

// oxlint-disable typescript/no-explicit-any -- Here any stands for whatever the source has. Only `createConsumer` looks at it.

/** A source of any kind. */
export type AnySource = SourceSpec<any, any>;

/** One source of the argument of `createConsumer`. */
export type EachSource<Source> = Source extends readonly (infer One)[] ? One : Source;

/** The value of the items of these sources if there is no `extract`: a union, if they are of several kinds. */
export type SourceValue<Source> =
  EachSource<Source> extends infer One ? (One extends SourceSpec<infer Value, any> ? Value : never) : never;

/** The records of these sources: a union, if they are of several kinds. */
export type SourceRecord<Source> =
  EachSource<Source> extends infer One ? (One extends SourceSpec<any, infer Rec> ? Rec : never) : never;

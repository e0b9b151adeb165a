// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { ScriptedKinesisOptions } from './scripted-kinesis-options.js';
import type { ScriptedTablesOptions } from './scripted-tables-options.js';

/** What `scriptedServer` takes. */
export interface ScriptedServerOptions {
  /**
   * How the in-memory Kinesis behaves: where it deviates on purpose, to be like the local servers, and its limits.
   *
   * @default {}
   * @example
   * ```ts
   * kinesis: { endOfShard: 'emptyAnswer' }
   * ```
   */
  readonly kinesis?: ScriptedKinesisOptions | undefined;
  /**
   * How the in-memory DynamoDB tables and their change streams behave: where they deviate on purpose, to be like the
   * local servers, and their limits.
   *
   * @default {}
   * @example
   * ```ts
   * tables: { eventTimes: 'minute' }
   * ```
   */
  readonly tables?: ScriptedTablesOptions | undefined;
  /**
   * Calls that no script answers go to a server of your own, such as `startLocalServers().dynamodb`; faults can be laid
   * over them. Calls for the tables of the model stay here.
   *
   * @default undefined
   * @example
   * ```ts
   * proxy: { upstream: local.dynamodb }
   * ```
   */
  readonly proxy?:
    | {
        /**
         * Required. The URL of the server.
         *
         * @example
         * ```ts
         * proxy: { upstream: local.dynamodb }
         * ```
         */
        readonly upstream: string;
        /**
         * Whose calls go there.
         *
         * @default ['dynamodb']
         */
        readonly services?: readonly ('dynamodb' | 'kinesis')[] | undefined;
      }
    | undefined;
  /**
   * After this long a `hang` ends with a reset, so that a forgotten one cannot hold a test run. Takes: milliseconds, 0
   * to 2147483647.
   *
   * @default 60_000
   * @example
   * ```ts
   * hangLimitMs: 1_000
   * ```
   */
  readonly hangLimitMs?: number | undefined;
  /**
   * Deadline of the clients in `clientConfig`. Takes: milliseconds, 1 to 2147483647.
   *
   * @default 5_000
   * @example
   * ```ts
   * requestTimeoutMs: 500
   * ```
   */
  readonly requestTimeoutMs?: number | undefined;
  /**
   * Requests at a time on one HTTP/2 connection. A client of Node keeps further ones back, without an answer or an
   * error, until there is room. Takes: integer >= 1.
   *
   * @default 100
   * @example
   * ```ts
   * maxConcurrentStreams: 2
   * ```
   */
  readonly maxConcurrentStreams?: number | undefined;
}

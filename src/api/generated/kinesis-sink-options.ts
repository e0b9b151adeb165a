// Generated from the option tables by `npm run build && node scripts/docs.mjs`. Edits belong there.
import type { KinesisClientLike } from '../option-values.js';

/** What `kinesisSink` takes. */
export interface KinesisSinkOptions {
  /**
   * The stream, by name. This or `streamArn`, or both if they name one stream. Takes: stream name of 1 to 128 letters,
   * digits, `_`, `-` and `.`.
   *
   * @default undefined
   * @example
   * ```ts
   * streamName: 'orders'
   * ```
   */
  readonly streamName?: string | undefined;
  /**
   * The stream, by ARN, which also names its region. Takes: ARN of a Kinesis stream.
   *
   * @default undefined
   * @example
   * ```ts
   * streamArn: 'arn:aws:kinesis:eu-central-1:123456789012:stream/orders'
   * ```
   */
  readonly streamArn?: string | undefined;
  /**
   * The stream's region. Takes: AWS region.
   *
   * @default the ARN's, else the AWS environment's
   * @example
   * ```ts
   * region: 'eu-central-1'
   * ```
   */
  readonly region?: string | undefined;
  /**
   * A Kinesis client of your own; kinact never closes it.
   *
   * @default one that kinact makes
   * @example
   * ```ts
   * client: new KinesisClient({ region: 'eu-central-1' })
   * ```
   */
  readonly client?: KinesisClientLike | undefined;
}

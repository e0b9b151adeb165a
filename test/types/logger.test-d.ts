// Checked by tsc alone: what fits a logger and what does not.
import { expectTypeOf } from 'expect-type';
import { pino } from 'pino';
import type { Logger } from '../../src/api/logger.js';
import type { ConsumerOptions } from '../../src/api/options.js';
import type { Meter } from '../../src/api/metrics.js';

expectTypeOf(pino()).toExtend<Logger>();
expectTypeOf(pino().child({ service: 'orders' })).toExtend<Logger>();
expectTypeOf(console).toExtend<Logger>();
expectTypeOf<{ info(message: string): void }>().not.toExtend<Logger>();
expectTypeOf<false>().toExtend<ConsumerOptions['logger']>();
expectTypeOf<true>().not.toExtend<ConsumerOptions['logger']>();

declare const meter: Meter;
meter.count('RecordsProcessed', 1, { source: 'orders', shardId: 'shardId-000000000000' });
meter.gauge('MillisBehindLatest', 1, {});
// @ts-expect-error a gauge is not counted
meter.count('MillisBehindLatest', 1, {});
// @ts-expect-error no such instrument
meter.count('Nonsense', 1, {});

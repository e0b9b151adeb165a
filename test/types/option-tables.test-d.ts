// Checked by tsc alone: the types of the options are those that the tables validate, to the letter.
import { expectTypeOf } from 'expect-type';
import type * as supervision from '../../supervision/index.js';
import type * as tables from '../../supervision/option-tables.js';
import type {
  ConsumerOptions,
  DynamodbStreamOptions,
  FileSinkOptions,
  KinesisSinkOptions,
  KinesisStreamOptions,
  LeaseOptions,
  RunOptions,
  RuntimeSeams,
  StopOptions,
} from '../../src/api/options.js';
import type {
  DriveOptions,
  DrivePipeOptions,
  FakeStreamOptions,
  LocalServersOptions,
  ScriptedKinesisOptions,
  ScriptedServerOptions,
} from '../../src/testing/index.js';
import type {
  drivePipeTable,
  driveTable,
  fakeStreamTable,
  localServersTable,
  scriptedKinesisTable,
  scriptedServerTable,
} from '../../src/testing/option-tables.js';
import type { consumerTable } from '../../src/options/consumer-option-table.js';
import type { leaseOptionTable } from '../../src/options/lease-option-table.js';
import type { OptionsOf } from '../../src/options/option-table.js';
import type { runtimeTable } from '../../src/options/runtime-option-table.js';
import type { runTable, stopTable } from '../../src/options/stop-option-tables.js';
import type { fileSinkTable, kinesisSinkTable } from '../../src/options/sink-option-tables.js';
import type { dynamodbStreamTable } from '../../src/options/dynamodb-stream-option-table.js';
import type { kinesisStreamTable } from '../../src/options/kinesis-stream-option-table.js';

expectTypeOf<OptionsOf<typeof consumerTable>>().toEqualTypeOf<ConsumerOptions>();
expectTypeOf<OptionsOf<typeof leaseOptionTable>>().toEqualTypeOf<LeaseOptions>();
expectTypeOf<OptionsOf<typeof runtimeTable>>().toEqualTypeOf<RuntimeSeams>();
expectTypeOf<OptionsOf<typeof kinesisStreamTable>>().toEqualTypeOf<KinesisStreamOptions>();
expectTypeOf<OptionsOf<typeof dynamodbStreamTable>>().toEqualTypeOf<DynamodbStreamOptions>();
expectTypeOf<OptionsOf<typeof fileSinkTable>>().toEqualTypeOf<FileSinkOptions>();
expectTypeOf<OptionsOf<typeof kinesisSinkTable>>().toEqualTypeOf<KinesisSinkOptions>();
expectTypeOf<OptionsOf<typeof runTable>>().toEqualTypeOf<RunOptions>();
expectTypeOf<OptionsOf<typeof stopTable>>().toEqualTypeOf<StopOptions>();
expectTypeOf<OptionsOf<typeof driveTable>>().toEqualTypeOf<DriveOptions>();
expectTypeOf<OptionsOf<typeof drivePipeTable>>().toEqualTypeOf<DrivePipeOptions>();
expectTypeOf<OptionsOf<typeof fakeStreamTable>>().toEqualTypeOf<FakeStreamOptions>();
expectTypeOf<OptionsOf<typeof localServersTable>>().toEqualTypeOf<LocalServersOptions>();
expectTypeOf<OptionsOf<typeof scriptedKinesisTable>>().toEqualTypeOf<ScriptedKinesisOptions>();
expectTypeOf<OptionsOf<typeof scriptedServerTable>>().toEqualTypeOf<ScriptedServerOptions>();
expectTypeOf<OptionsOf<typeof tables.runtimeTable>>().toEqualTypeOf<supervision.RuntimeOptions<unknown>>();
expectTypeOf<OptionsOf<typeof tables.spawnTable>>().toEqualTypeOf<supervision.SpawnOptions>();
expectTypeOf<OptionsOf<typeof tables.askTable>>().toEqualTypeOf<supervision.AskOptions>();
expectTypeOf<OptionsOf<typeof tables.stopTable>>().toEqualTypeOf<supervision.StopOptions>();
expectTypeOf<OptionsOf<typeof tables.supervisorTable>>().toEqualTypeOf<supervision.SupervisorOptions>();

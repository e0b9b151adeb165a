// `kinact/testing`: tools to test an application's consumers, on local servers and in virtual time.
export { startLocalServers } from './local-servers.js';
export { scriptedServer } from './scripted-server/scripted-server.js';
export { fakeStream } from './fake-stream/fake-stream.js';
export { ManualClock } from './manual-clock.js';
export { drive } from './drive.js';
export { drivePipe } from './drive-pipe.js';
export { nemesis } from './nemesis/nemesis.js';
export { expectNothingLost } from './expect-nothing-lost.js';
export { aggregationExactness } from './pipe-trace/aggregation-exactness.js';
export { checkTrace } from './pipe-trace/check-trace.js';
export { InjectedCrash } from './pipe-trace/crash-injection.js';
export { always, periodic, random, recoverAfter } from './pipe-trace/crash-scenario.js';
export { messageConservation } from './pipe-trace/message-conservation.js';
export { messageOrder } from './pipe-trace/message-order.js';
export { createPipeTrace } from './pipe-trace/pipe-trace.js';
export { initTerminate, stateContinuity } from './pipe-trace/state-continuity.js';
export { tracePipe } from './pipe-trace/trace-pipe.js';

export type { Driver } from './drive.js';
export type { DrivenNodeStatus, PipeDriver } from './drive-pipe.js';
export type { DrivenItem } from './driven-items.js';
export type { DriveOptions } from './generated/drive-options.js';
export type { DrivePipeOptions } from './generated/drive-pipe-options.js';
export type { FakeStreamOptions } from './generated/fake-stream-options.js';
export type { LocalServersOptions } from './generated/local-servers-options.js';
export type { ScriptedKinesisOptions } from './generated/scripted-kinesis-options.js';
export type { ScriptedServerOptions } from './generated/scripted-server-options.js';
export type { ScriptedTablesOptions } from './generated/scripted-tables-options.js';
export type { NothingLost } from './expect-nothing-lost.js';
export type { AggregationOptions } from './pipe-trace/aggregation-exactness.js';
export type { CheckTraceOptions } from './pipe-trace/check-trace.js';
export type { CrashInjection } from './pipe-trace/crash-injection.js';
export type { CrashScenario, PeriodicOptions } from './pipe-trace/crash-scenario.js';
export type { ForcedOrderOptions } from './pipe-trace/forced-order.js';
export type { ConservationOptions } from './pipe-trace/message-conservation.js';
export type { OrderOptions } from './pipe-trace/message-order.js';
export type { PipeTrace, PipeTraceOptions } from './pipe-trace/pipe-trace.js';
export type { LifetimeOptions } from './pipe-trace/state-continuity.js';
export type { PointPattern, TracedCallback, TracedKeep, TracedOutput, TracePoint } from './pipe-trace/trace-point.js';
export type { FakeStream } from './fake-stream/fake-stream.js';
export type { FakeRecord } from './fake-stream/fake-shards.js';
export type { LocalClientConfig, LocalServers } from './local-servers.js';
export type {
  Nemesis,
  NemesisAct,
  NemesisEntry,
  NemesisMoment,
  NemesisOptions,
  NemesisStartOptions,
} from './nemesis/types.js';
export type { MessageFilter } from './nemesis/types.js';
export type { ScriptedServer } from './scripted-server/scripted-server.js';
export type { LoggedCall, Script } from './scripted-server/script-book.js';
export type { FaultAction, ScriptedAnswer } from './scripted-server/scripted-answer.js';
export type { ScriptedKinesis } from './scripted-server/scripted-kinesis.js';
export type { ScriptedSubscription, SubscriptionMessage } from './scripted-server/scripted-subscriptions.js';
export type { SubscriptionFault } from './scripted-server/subscription-stream.js';
export type { ScriptedTables } from './scripted-server/scripted-tables.js';
export type { ScriptedItem, ScriptedValue } from './scripted-server/item-values.js';

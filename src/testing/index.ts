// `kinact/testing`: what an application needs to test its consumers, locally and in virtual time.
export { startLocalServers } from './local-servers.js';
export { scriptedServer } from './scripted-server/scripted-server.js';
export { fakeStream } from './fake-stream/fake-stream.js';
export { ManualClock } from './manual-clock.js';
export { drive } from './drive.js';
export { nemesis } from './nemesis/nemesis.js';
export { expectNothingLost } from './expect-nothing-lost.js';

export type { DriveOptions, DrivenItem, Driver } from './drive.js';
export type { NothingLost } from './expect-nothing-lost.js';
export type { FakeStream, FakeStreamOptions } from './fake-stream/fake-stream.js';
export type { FakeRecord } from './fake-stream/fake-shards.js';
export type { LocalClientConfig, LocalServers, LocalServersOptions } from './local-servers.js';
export type {
  Nemesis,
  NemesisAct,
  NemesisEntry,
  NemesisMoment,
  NemesisOptions,
  NemesisStartOptions,
} from './nemesis/types.js';
export type { MessageFilter } from './nemesis/types.js';
export type { ScriptedServer, ScriptedServerOptions } from './scripted-server/scripted-server.js';
export type { LoggedCall, Script } from './scripted-server/scripted-calls.js';
export type { FaultAction, ScriptedAnswer } from './scripted-server/scripted-answer.js';
export type { ScriptedKinesis, ScriptedKinesisOptions } from './scripted-server/scripted-kinesis.js';

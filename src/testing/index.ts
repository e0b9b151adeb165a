// `kinact/testing`: what an application needs to test its consumers, locally and in virtual time.
export { startLocalServers } from './local-servers.js';
export { scriptedServer } from './scripted-server.js';
export { fakeStream } from './fake-stream.js';
export { ManualClock } from './manual-clock.js';

export type { FakeStream, FakeStreamOptions } from './fake-stream.js';
export type { FakeRecord } from './fake-shards.js';
export type { LocalServers } from './local-servers.js';

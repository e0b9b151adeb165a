// It is shipped to users as part of `kinact/testing`; the tests know it by this name.
export * from '../../src/testing/memory-lease-store.js';

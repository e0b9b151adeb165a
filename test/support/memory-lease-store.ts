// The lease store in memory is shipped as part of `kinact/testing`. Tests import it from this file.
export * from '../../src/testing/memory-lease-store.js';

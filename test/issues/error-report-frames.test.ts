// Symptom: the report of an error showed stack frames of kinact itself. Cause: `error-report.ts` moved one folder down, but its
// relative paths to kinact's own folders stayed the same.
import { expect } from 'chai';
import { KinactError } from '../../src/api/errors.js';
import { errorReport } from '../../src/consumer/error-report.js';

describe('the report of an error', () => {
  it('leaves out frames of kinact itself', () => {
    const own = new URL('../../src/core/ledger.js', import.meta.url).pathname;
    const cause = new Error('broken');
    cause.stack = `Error: broken\n    at settle (${own}:1:1)\n    at mine (/app/handler.js:2:2)`;
    const lines = errorReport(new KinactError('PROCESSING_FAILED', 'failed', { cause })).join('\n');
    expect(lines).to.include('/app/handler.js');
    expect(lines).not.to.include(own);
  });
});

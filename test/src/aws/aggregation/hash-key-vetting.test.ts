// Whether a record may be dropped for its hash key is decided by the service's clock, not by the host's.
import { expect } from 'chai';
import { hashKeyVetting } from '../../../../src/aws/aggregation/hash-key-vetting.js';

const hourMs = 3_600_000;

describe('a record that AUTO placed, on a host whose wall clock may be ahead', () => {
  for (const aheadMs of [0, 2 * hourMs]) {
    it(`is handed on for the whole retention (clock ${aheadMs / hourMs} h ahead)`, async () => {
      let serviceMs = Date.UTC(2026, 0, 1);
      const vetting = hashKeyVetting('dropRecord', { wallNow: () => serviceMs + aheadMs }, async () => {
        vetting.note({ ...described, describedAtMs: serviceMs });
      });
      const described = {
        streamName: 's',
        streamArn: 'a',
        accountId: '1',
        creationEpochSeconds: 1,
        status: 'ACTIVE' as const,
        retentionHours: 24,
      };
      vetting.note({ ...described, distribution: 'AUTO', describedAtMs: serviceMs });
      const record = { sequenceNumber: '1', data: new Uint8Array(), arrivedAt: serviceMs };
      serviceMs += 23 * hourMs;
      vetting.note({ ...described, distribution: 'USER_PARTITION_KEY', describedAtMs: serviceMs });
      expect(vetting.policyFor(record)).to.equal('emit');
    });
  }
});

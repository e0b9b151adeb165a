// What every process of a simulated cluster has in common.

export const stopDeadlineMs = 5_000;
export const watchdogMs = 120_000;

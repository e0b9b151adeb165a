// Makes a failed expectation show its values in full. A failure that happens once, on an unattended machine, can only be read in its log.
import { config } from 'chai';

config.truncateThreshold = 0;

// A failed expectation shows what it met in whole: what fails once, on a machine that nobody watches, has to be read from its log.
import { config } from 'chai';

config.truncateThreshold = 0;

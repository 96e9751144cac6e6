// Reads a file as github-action-benchmark does, by its own code: `npx esbuild` bundles this in a copy of its repository.
// Usage: node read.js FILE COUNT, where COUNT is the number of benchmarks that the file has.

import * as github from '@actions/github';
import { addBenchmarkEntry } from './src/addBenchmarkEntry';
import { extractResult } from './src/extract';
import { extractRangeInfo } from './src/extractRangeInfo';

async function main(file: string, count: number): Promise<void> {
    const commit = { id: 'c', author: {}, committer: {}, message: 'm', timestamp: '2026-01-01T00:00:00Z', url: 'u' };
    github.context.payload = { head_commit: commit } as never;
    const found = await extractResult({ tool: 'customSmallerIsBetter', outputFilePath: file } as never);
    const names = new Set(found.benches.map((each) => each.name));
    const unread = found.benches.filter((each) => each.range !== undefined && extractRangeInfo(each.range) === undefined);
    const wrong = found.benches.filter((each) => !(each.value > 0) || each.unit !== 'ms');
    if (names.size !== count || unread.length > 0 || wrong.length > 0) {
        throw new Error(`${names.size} names of ${count}, ${unread.length} ranges unread, ${wrong.length} wrong values`);
    }
    const entries = {};
    addBenchmarkEntry('levelfield', found, entries as never, null);
    const kept = addBenchmarkEntry('levelfield', { ...found, commit: { ...found.commit, id: 'd' } }, entries as never, null);
    if (kept.prevBench?.benches.length !== count) {
        throw new Error('the benchmarks of one commit are not those that the next one is compared with');
    }
    console.log(`github-action-benchmark reads ${count} benchmarks, the first: ${JSON.stringify(found.benches[0])}`);
}

main(process.argv[2], Number(process.argv[3])).catch((error: Error) => {
    console.error(`refused: ${error.message}`);
    process.exit(1);
});

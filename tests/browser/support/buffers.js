// What JavaScript's array buffers hold in a browser while something runs: the peak over Chromium's memory-infra dumps, one
// every 10 ms as far as the machine keeps up. The wasm heap is none of them. Dumps can miss a peak and never invent one.
export async function peakOfBuffers(browser, work) {
  const session = await browser.newBrowserCDPSession();
  const events = [];
  session.on('Tracing.dataCollected', ({ value }) => events.push(...value));
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: {
    recordMode: 'recordAsMuchAsPossible', excludedCategories: ['*'], includedCategories: ['disabled-by-default-memory-infra'],
    memoryDumpConfig: { triggers: [{ mode: 'background', type: 'periodic_interval', periodic_interval_ms: 10, min_time_between_dumps_ms: 10 }] },
  } });
  const result = await work();
  const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
  await session.send('Tracing.end');
  await complete;
  await session.detach();
  // One event per process and dump.
  const sizes = events.map(({ args }) => args?.dumps?.allocators?.['partition_alloc/partitions/array_buffer']?.attrs?.size?.value)
    .filter(Boolean).map((hex) => parseInt(hex, 16));
  return { result, peak: Math.max(0, ...sizes), dumps: sizes.length };
}

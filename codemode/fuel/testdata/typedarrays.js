const f = new Float32Array([1.5, NaN, -0, 3e38 * 10]), v = new DataView(f.buffer);
v.setInt16(0, -2, true); v.setBigUint64(8, 2n ** 63n + 5n);
const i = new Int32Array(100000).map((_, k) => (k * 2654435761) | 0).sort();
[...f, ...new Uint8Array(f.buffer), i[0], i[50000], i.subarray(10, 14).join('/'), i.indexOf(0), new Uint8ClampedArray([300, -5, 1.5]).join(), Float16Array.of(1.1)[0]].join();

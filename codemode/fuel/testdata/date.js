const d = new Date(Date.UTC(2026, 1, 28, 23, 59, 59, 999));
d.setMinutes(d.getMinutes() + 1);
[d.toISOString(), d.getTime(), new Date('2024-02-29').getUTCDay(), Date.parse('Thu, 01 Jan 1970 00:00:00 GMT+0200'), String(new Date(NaN))].join();

let n = 0;
outer: for (let i = 0; i < 30; i++) { for (let j = 0; ; j++) { if (j > i) continue outer; if (i * j > 200) break outer; n += i ^ j; do { n++ } while (n % 3) } }
n;
